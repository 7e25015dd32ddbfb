import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { binary } from './magi.ts'

const PAGE = fileURLToPath(new URL('../../crates/magi-server/page', import.meta.url))

/** The pages a cloud hosts, each with its own way to the council. */
export type Way = 'gateway' | 'direct' | 'buffered' | 'agentcore' | 'bearer' | 'villain'

/** `magi-emulator cloud`: every topology on loopback, with the built page on static hosting. */
export class Emulated {
  readonly #env: Record<string, string>
  readonly #child: ChildProcess

  private constructor(env: Record<string, string>, child: ChildProcess) {
    this.#env = env
    this.#child = child
  }

  static async start(args: string[] = []): Promise<Emulated> {
    const path = binary().replace(/magi$/, 'magi-emulator')
    if (!existsSync(path))
      throw new Error(`there is no ${path}: build it (cargo build -p magi-emulator)`)
    const all = ['cloud', '--magi', binary(), '--page', PAGE, '--json', ...args]
    const child = spawn(path, all, { stdio: ['ignore', 'pipe', 'inherit'] })
    const env = await new Promise<Record<string, string>>((resolve, reject) => {
      let told = ''
      child.once('exit', (code) => reject(new Error(`magi-emulator cloud ended with ${code}`)))
      child.stdout.on('data', (bytes: Buffer) => {
        told += bytes.toString()
        if (told.includes('\n')) resolve(JSON.parse(told) as Record<string, string>)
      })
    })
    return new Emulated(env, child)
  }

  page(way: Way): string {
    return this.#of(`MAGI_CLOUD_PAGE_${way.toUpperCase()}`)
  }

  /** What the page `bearer` asks for. */
  get token(): string {
    return this.#of('MAGI_CLOUD_BEARER_TOKEN')
  }

  get control(): string {
    return this.#of('MAGI_CLOUD_CONTROL_URL')
  }

  #of(name: string): string {
    const value = this.#env[name]
    if (value === undefined) throw new Error(`the cloud did not tell ${name}`)
    return value
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGTERM')
    await gone
  }
}
