/** A world whose clock, luck and network belong to the test. */
import type { Env } from '../src/env.ts'

export class World {
  time = Date.parse('2026-11-23T01:00:00.000Z')
  random: () => number = () => 0.5
  isOnline = true
  origin: string | undefined
  fetch: Env['fetch'] = () => Promise.reject(new Error('no network in this test'))
  readonly #timers = new Set<{ at: number; call: () => void }>()
  readonly #wakers = new Set<() => void>()

  readonly env: Env = {
    fetch: (url, init) => this.fetch(url, init),
    now: () => this.time,
    random: () => this.random(),
    after: (ms, call) => {
      const timer = { at: this.time + ms, call }
      this.#timers.add(timer)
      return () => this.#timers.delete(timer)
    },
    online: () => this.isOnline,
    origin: () => this.origin,
    onWake: (call) => {
      this.#wakers.add(call)
      return () => this.#wakers.delete(call)
    },
  }

  get listeners(): number {
    return this.#timers.size + this.#wakers.size
  }

  wake(): void {
    for (const call of [...this.#wakers]) call()
  }

  /** Waits in the world's own time. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.env.after(ms, resolve))
  }

  /** Runs until `work` settles, moving the clock whenever nothing else can happen. */
  async drive<T>(work: Promise<T>): Promise<T> {
    let settled = false
    const done = (): void => {
      settled = true
    }
    work.then(done, done)
    for (let idle = 0; !settled;) {
      await new Promise((resolve) => setImmediate(resolve))
      if (settled || ++idle < 3) continue
      idle = 0
      const next = [...this.#timers].sort((a, b) => a.at - b.at)[0]
      if (!next) throw new Error('nothing can happen any more')
      this.#timers.delete(next)
      this.time = Math.max(this.time, next.at)
      next.call()
    }
    return work
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
}

const sse = { 'content-type': 'text/event-stream' }

/** A response whose body is these pieces, then an ending: a clean close, a cut, or an open end. */
export function stream(
  pieces: (string | Uint8Array)[],
  ending: 'close' | 'cut' | 'open' = 'close',
  headers: Record<string, string> = {},
): Response {
  const encoder = new TextEncoder()
  const queue = pieces.map((piece) => (typeof piece === 'string' ? encoder.encode(piece) : piece))
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = queue.shift()
        if (piece) controller.enqueue(piece)
        else if (ending === 'close') controller.close()
        else if (ending === 'cut') controller.error(new TypeError('network error'))
        else return new Promise(() => {})
        return undefined
      },
    },
    { highWaterMark: 0 },
  )
  return new Response(body, { status: 200, headers: { ...sse, ...headers } })
}

/** A refusal as problem+json. */
export const refusal = (
  status: number,
  body: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Response =>
  new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  })
