import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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

/** One `magi serve` over a data folder of its own; without any model where none is given. */
export class Magi {
  readonly url: string
  /** The folder, which `end` removes. */
  readonly data: string
  readonly #port: number
  readonly #env: Record<string, string>
  #child: ChildProcess | undefined

  private constructor(port: number, data: string, env: Record<string, string>) {
    this.#port = port
    this.data = data
    this.#env = env
    this.url = `http://127.0.0.1:${port}`
  }

  static async start(env: Record<string, string> = {}): Promise<Magi> {
    const data = await mkdtemp(join(tmpdir(), 'magi-e2e-'))
    const magi = new Magi(await freePort(), data, env)
    await magi.up()
    return magi
  }

  /** Starts the program, again at the same address and over the same folder. */
  async up(): Promise<void> {
    const args = ['serve', '--port', String(this.#port), '--data-dir', this.data]
    const child = spawn(binary(), args, {
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: this.data,
        XDG_CONFIG_HOME: this.data,
        ...this.#env,
      },
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

  /** Ends the program for good. */
  async end(): Promise<void> {
    await this.down('SIGTERM')
    await rm(this.data, { recursive: true, force: true })
  }
}

/** Fake vendors on a port of their own: the model's name chooses what they do. */
export class Vendors {
  readonly url: string
  readonly #child: ChildProcess

  private constructor(url: string, child: ChildProcess) {
    this.url = url
    this.#child = child
  }

  static async start(): Promise<Vendors> {
    const path = binary().replace(/magi$/, 'magi-emulator')
    if (!existsSync(path))
      throw new Error(`there is no ${path}: build it (cargo build -p magi-emulator)`)
    const child = spawn(path, ['vendors', '--listen', '127.0.0.1:0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const url = await new Promise<string>((resolve, reject) => {
      let told = ''
      child.once('exit', (code) => reject(new Error(`magi-emulator ended with ${code}`)))
      child.stdout.on('data', (bytes: Buffer) => {
        told += bytes.toString()
        const found = /OPENAI_BASE_URL=(\S+)/.exec(told)
        if (found?.[1]) resolve(found[1])
      })
    })
    return new Vendors(url, child)
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGINT')
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
