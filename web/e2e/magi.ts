import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'

const BUILT = fileURLToPath(new URL('../../target/debug/magi', import.meta.url))

/** The program under test: MAGI_BIN, by default the debug build. */
export function binary(): string {
  const path = process.env['MAGI_BIN'] ?? BUILT
  if (!existsSync(path))
    throw new Error(
      `there is no ${path}: build it (cargo build -p magi), or set MAGI_BIN or MAGI_URL`,
    )
  return path
}

/** One `magi serve` without any model, over a data folder of its own. */
export class Magi {
  readonly url: string
  readonly #port: number
  readonly #data: string
  #child: ChildProcess | undefined

  private constructor(port: number, data: string) {
    this.#port = port
    this.#data = data
    this.url = `http://127.0.0.1:${port}`
  }

  static async start(data: string): Promise<Magi> {
    const magi = new Magi(await freePort(), data)
    await magi.up()
    return magi
  }

  /** Starts the program, again at the same address and over the same folder. */
  async up(): Promise<void> {
    const args = ['serve', '--port', String(this.#port), '--data-dir', this.#data]
    const child = spawn(binary(), args, {
      env: { PATH: process.env['PATH'] ?? '', HOME: this.#data, XDG_CONFIG_HOME: this.#data },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    this.#child = child
    for (let tries = 0; tries < 150; tries++) {
      if (child.exitCode !== null) throw new Error(`magi serve ended with ${child.exitCode}`)
      const answered = await fetch(`${this.url}/v1/rehearsal`).then(
        (response) => response.ok,
        () => false,
      )
      if (answered) return
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    await this.down('SIGKILL')
    throw new Error('magi serve did not answer within 15 s')
  }

  /** Ends the program: asked, or without a word. */
  async down(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await gone
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
