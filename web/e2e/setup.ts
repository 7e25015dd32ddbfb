import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'
import { serve } from '../dev/serve.ts'

/**
 * What the browser talks to: the server at MAGI_URL; else the binary MAGI_BIN, by default the debug
 * build, with an empty data folder and no model; with MAGI_FAKE=1 the fake of `dev/`.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env['MAGI_URL']
  if (given) {
    project.provide('url', given.replace(/\/+$/, ''))
    return async () => {}
  }
  if (process.env['MAGI_FAKE']) {
    const { url, close } = await serve({ pace: 25 })
    project.provide('url', url)
    return async () => close()
  }
  const built = fileURLToPath(new URL('../../target/debug/magi', import.meta.url))
  const binary = process.env['MAGI_BIN'] ?? built
  if (!existsSync(binary))
    throw new Error(
      `there is no ${binary}: build it (cargo build -p magi), or set MAGI_BIN or MAGI_URL`,
    )
  const data = await mkdtemp(join(tmpdir(), 'magi-e2e-'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = spawn(binary, ['serve', '--port', String(port), '--data-dir', data], {
    env: { PATH: process.env['PATH'] ?? '', HOME: data, XDG_CONFIG_HOME: data },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  await ready(url, child)
  project.provide('url', url)
  return async () => {
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await gone
    await rm(data, { recursive: true, force: true })
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

async function ready(url: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 150; tries++) {
    if (child.exitCode !== null) throw new Error(`magi serve ended with ${child.exitCode}`)
    const answered = await fetch(`${url}/v1/rehearsal`).then(
      (response) => response.ok,
      () => false,
    )
    if (answered) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  child.kill('SIGTERM')
  throw new Error('magi serve did not answer within 15 s')
}
