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
  const magi = await Magi.start()
  project.provide('url', magi.url)
  return () => magi.end()
}
