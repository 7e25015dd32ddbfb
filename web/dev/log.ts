/** A log as the server keeps it, for tests and the development server: numbered, with generations. */
import type { Event } from '../stream/src/contract.ts'
import { isLast } from '../stream/src/contract.ts'

/** An event before it has its place. */
export type Draft = { type: Event['type']; agentId?: string; data: Record<string, unknown> }

export interface Stored {
  id: string
  generation: number
  seq: number
  event: Event
}

/** Every answer `GET .../events` can give to a cursor. */
export type Answer =
  | { status: 200; entries: Stored[] }
  | { status: 204 | 404 | 409 }
  | { status: 410; firstKept: string }

export class Log {
  readonly id: string
  generation = 1
  /** The first seq that is still kept. */
  firstKept = 1
  readonly entries: Stored[] = []
  /** (generation, first seq), for ever. */
  readonly #starts: { generation: number; first: number }[] = [{ generation: 1, first: 1 }]

  constructor(id: string) {
    this.id = id
  }

  get over(): boolean {
    const last = this.entries.at(-1)
    return last !== undefined && isLast(last.event.type)
  }

  append(draft: Draft, at: number): Stored {
    const seq = (this.entries.at(-1)?.seq ?? 0) + 1
    const { type, agentId, data } = draft
    const event = {
      type,
      seq,
      timestamp: new Date(at).toISOString(),
      trace_id: this.id,
      ...(agentId === undefined ? {} : { agentId }),
      data,
    } as unknown as Event
    const stored = {
      id: `${this.id}.${this.generation}.${seq}`,
      generation: this.generation,
      seq,
      event,
    }
    this.entries.push(stored)
    return stored
  }

  /** The owner died: what came after `to` was never stored. A new generation begins. */
  crash(to: number, at: number): void {
    this.entries.length = this.entries.findIndex((entry) => entry.seq === to) + 1
    this.generation++
    this.#starts.push({ generation: this.generation, first: to + 1 })
    this.append({ type: 'rewind', data: { to } }, at)
  }

  /** What a reader with this cursor gets. */
  after(cursor: string | undefined): Answer {
    const end = this.entries.at(-1)?.seq ?? 0
    if (cursor === undefined || cursor === '0') return this.#from(0)
    const [deliberation, g, s] = cursor.split('.')
    const generation = Number(g)
    const seq = Number(s)
    if (deliberation !== this.id || generation > this.generation) return { status: 409 }
    if (generation === this.generation) {
      if (seq > end) return { status: 409 }
      if (seq === end && this.over) return { status: 204 }
      return this.#from(seq)
    }
    // Past the end of an older generation reads as that generation's end.
    const next = this.#starts.find((start) => start.generation === generation + 1)
    return this.#from(Math.min(seq, (next?.first ?? 1) - 1))
  }

  #from(seq: number): Answer {
    if (seq + 1 < this.firstKept)
      return { status: 410, firstKept: `${this.id}.${this.generation}.${this.firstKept}` }
    return { status: 200, entries: this.entries.filter((entry) => entry.seq > seq) }
  }
}

/** The bytes of one event on the wire. */
export const frameOf = (stored: Stored): string =>
  `id: ${stored.id}\ndata: ${JSON.stringify(stored.event)}\n\n`
