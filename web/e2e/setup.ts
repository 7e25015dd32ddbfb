import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { serve } from '../dev/serve.ts'
import { Magi } from './magi.ts'

/**
 * What the browser talks to: the server at MAGI_URL; else the binary MAGI_BIN, by default the debug
 * build, with an empty data folder and no model; with MAGI_FAKE=1 the fake of `dev/`.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env['MAGI_URL']
  const fake = process.env['MAGI_FAKE'] !== undefined
  project.provide('real', !given && !fake)
  if (given) {
    project.provide('url', given.replace(/\/+$/, ''))
    return async () => {}
  }
  if (fake) {
    const { url, close } = await serve({ pace: 25 })
    project.provide('url', url)
    return async () => close()
  }
  const data = await mkdtemp(join(tmpdir(), 'magi-e2e-'))
  const magi = await Magi.start(data)
  project.provide('url', magi.url)
  return async () => {
    await magi.down('SIGTERM')
    await rm(data, { recursive: true, force: true })
  }
}
