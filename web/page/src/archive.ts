/** The page's own copies, for doors that keep nothing: every event as it came, in this browser's IndexedDB. */
import type {
  Complete,
  Event,
  FinalDecision,
  Listed,
  ListQuery,
  Mode,
  Page,
  Remarks,
  Status,
  Usage,
} from '@magi/stream'
import { openDB, type DBSchema, type IDBPDatabase } from 'idb'
import { hear, type Said } from './said.ts'

/** What is known of one deliberation without reading its events. */
export interface Row {
  id: string
  /** AgentCore's session: what asks about this deliberation later must name it. */
  session: string
  question: string
  context?: string
  lang: string
  preset: string
  status: Status
  mode?: Mode
  final_decision?: FinalDecision
  agreement?: string
  overruled?: boolean
  summary?: string
  recommendation?: string
  /** What is searched of the words of the council. */
  said?: Said
  usage?: Usage
  cost_usd?: number
  /** What a person wrote beside it. */
  title?: string
  my_decision?: string
  outcome?: string
  created_at: string
  /** The deliberation this one goes on from, and the one that went on from this. */
  follows?: string
  followed_by?: string
  /** The deliberation this one goes on from by somebody's wish. */
  fork_of?: string
}

/** One event as it came. */
export interface Line {
  /** Its place in the log. */
  cursor: string | undefined
  raw: string
}

export interface Part {
  row: Row
  lines: Line[]
}

interface Piece {
  id: string
  n: number
  lines: Line[]
}

interface Schema extends DBSchema {
  deliberations: { key: string; value: Row; indexes: { created_at: string } }
  pieces: { key: [string, number]; value: Piece }
}

/** Why nothing is kept. */
export type Trouble = 'full' | 'unavailable'

/** Whether the browser promised not to clear it by itself. */
export type Promised = 'kept' | 'may_be_cleared' | 'unknown'

const FLUSH_MS = 500

interface Open {
  row: Row
  /** What those who are speaking have said. */
  speech: Said
  n: number
  waiting: Line[]
}

/**
 * Writes are batches: a token costs no transaction, and a deliberation is at most half a second
 * behind what was seen. Whatever fails is told through `onTrouble`, once, and never hides an answer.
 */
export class Archive {
  readonly #name: string
  #db: Promise<IDBPDatabase<Schema>> | undefined
  readonly #sessions = new Map<string, string>()
  readonly #open = new Map<string, Open>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #writing: Promise<void> = Promise.resolve()
  #trouble: Trouble | undefined
  #asked = false
  onTrouble: (trouble: Trouble) => void = () => {}

  constructor(name = 'magi') {
    this.#name = name
  }

  /** What went wrong so far. */
  get trouble(): Trouble | undefined {
    return this.#trouble
  }

  /** Says in which session a deliberation lives, before its first event is kept. */
  bind(id: string, session: string): void {
    this.#sessions.set(id, session)
  }

  /** Keeps an event. `follows` is the deliberation it goes on from, in the same story. */
  keep(event: Event, line: Line, follows?: string): void {
    const id = event.trace_id
    let open = this.#open.get(id)
    if (!open) {
      if (event.type !== 'start') return
      const row = rowOf(event, this.#sessions.get(id) ?? '', follows)
      open = { row, speech: {}, n: 0, waiting: [] }
      this.#open.set(id, open)
    }
    open.waiting.push(line)
    Object.assign(open.row, changeOf(event))
    heard(open, event)
    if (event.type.endsWith('_chunk') || event.type.endsWith('_thinking') || event.type === 'trace')
      this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS)
    else void this.flush()
  }

  /** Goes on keeping a deliberation of an earlier visit. */
  goOn(part: Part, pieces: number): void {
    this.#sessions.set(part.row.id, part.row.session)
    if (this.#open.has(part.row.id)) return
    const open: Open = { row: part.row, speech: {}, n: pieces, waiting: [] }
    // What had begun before this visit is heard to its end.
    if (part.row.status === 'running' || part.row.status === 'paused')
      for (const { raw } of part.lines) heard(open, JSON.parse(raw) as Event)
    this.#open.set(part.row.id, open)
  }

  /** Writes what waits; resolves when it is written, or when that failed and was told. */
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing = this.#writing.then(() => this.#write())
    return this.#writing
  }

  async #write(): Promise<void> {
    const ready = [...this.#open.values()].filter((open) => open.waiting.length > 0)
    if (ready.length === 0) return
    try {
      const db = await this.#database()
      const change = db.transaction(['deliberations', 'pieces'], 'readwrite')
      const rows = change.objectStore('deliberations')
      const pieces = change.objectStore('pieces')
      const taken = ready.map((open) => ({ open, lines: open.waiting.splice(0) }))
      try {
        for (const { open, lines } of taken) {
          const { row } = open
          void pieces.put({ id: row.id, n: open.n, lines }).catch(() => {})
          void rows.put(row).catch(() => {})
          if (open.n === 0 && row.follows !== undefined) {
            const before = await rows.get(row.follows)
            if (before) void rows.put({ ...before, followed_by: row.id }).catch(() => {})
          }
        }
        await change.done
        for (const { open } of taken) open.n++
      } catch (error) {
        // They are tried again with the next ones: deleting older deliberations makes room.
        for (const { open, lines } of taken) open.waiting.unshift(...lines)
        throw error
      }
      this.#trouble = undefined
      void this.#ask()
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    const full = error instanceof DOMException && error.name === 'QuotaExceededError'
    const trouble: Trouble = full ? 'full' : 'unavailable'
    if (this.#trouble === trouble) return
    this.#trouble = trouble
    this.onTrouble(trouble)
  }

  /** Asks the browser, once, not to clear the copies by itself. */
  async #ask(): Promise<void> {
    if (this.#asked) return
    this.#asked = true
    await navigator.storage?.persist?.().catch(() => false)
  }

  /** Whether the browser may clear the copies when its disk runs short. */
  async promised(): Promise<Promised> {
    try {
      const kept = await navigator.storage?.persisted?.()
      return kept === undefined ? 'unknown' : kept ? 'kept' : 'may_be_cleared'
    } catch {
      return 'unknown'
    }
  }

  /** One page of what is kept and asked for, newest first; a story stands once, under its newest part. */
  async list(query: ListQuery): Promise<Page> {
    const { limit = 50, cursor: after } = query
    const db = await this.#database()
    const range = after === undefined ? null : IDBKeyRange.upperBound(after, true)
    const wanted = matcher(query)
    const items: Listed[] = []
    let at = await db
      .transaction('deliberations')
      .store.index('created_at')
      .openCursor(range, 'prev')
    for (; at && items.length <= limit; at = await at.continue())
      if (at.value.followed_by === undefined && wanted(at.value)) items.push(listed(at.value))
    const more = items.length > limit
    const shown = items.slice(0, limit)
    return { items: shown, next: more ? shown.at(-1)?.created_at : undefined }
  }

  /** The presets of what is kept. */
  async presets(): Promise<readonly string[]> {
    const rows = await (await this.#database()).getAll('deliberations')
    return [...new Set(rows.map((row) => row.preset))].sort()
  }

  /** Changes what a person wrote beside the verdict; null clears it. */
  async patch(id: string, change: Remarks): Promise<void> {
    await this.flush()
    const db = await this.#database()
    const write = db.transaction('deliberations', 'readwrite')
    const row = await write.store.get(id)
    if (row) {
      const next = { ...row, ...change } as Record<string, unknown>
      for (const [name, value] of Object.entries(next)) if (value === null) delete next[name]
      await write.store.put(next as unknown as Row)
      // What goes on being kept must not write the old words back.
      const open = this.#open.get(id)
      if (open) open.row = next as unknown as Row
    }
    await write.done
  }

  /** The parts of the story a deliberation belongs to, oldest first; empty when it is not kept here. */
  async story(id: string): Promise<Part[]> {
    await this.flush()
    const db = await this.#database()
    const read = db.transaction(['deliberations', 'pieces'])
    const rows = read.objectStore('deliberations')
    let row = await rows.get(id)
    const seen = new Set<string>()
    for (; row?.follows !== undefined && !seen.has(row.id);) {
      seen.add(row.id)
      const before = await rows.get(row.follows)
      if (!before) break
      row = before
    }
    const parts: Part[] = []
    const walked = new Set<string>()
    for (; row && !walked.has(row.id);) {
      walked.add(row.id)
      const range = IDBKeyRange.bound([row.id, 0], [row.id, Infinity])
      const pieces = await read.objectStore('pieces').getAll(range)
      const part: Part = { row, lines: pieces.flatMap((piece) => piece.lines) }
      parts.push(part)
      this.goOn(part, pieces.length)
      row = row.followed_by === undefined ? undefined : await rows.get(row.followed_by)
    }
    return parts
  }

  /** Deletes the whole story a deliberation belongs to. */
  async remove(id: string): Promise<void> {
    const parts = await this.story(id)
    const db = await this.#database()
    const change = db.transaction(['deliberations', 'pieces'], 'readwrite')
    for (const { row } of parts) {
      this.#open.delete(row.id)
      const range = IDBKeyRange.bound([row.id, 0], [row.id, Infinity])
      void change.objectStore('pieces').delete(range)
      void change.objectStore('deliberations').delete(row.id)
    }
    await change.done
    this.#trouble = undefined
  }

  /** What is known of one without reading its events; undefined when it is not kept here. */
  async item(id: string): Promise<Listed | undefined> {
    await this.flush()
    const row = await (await this.#database()).get('deliberations', id)
    return row && listed(row)
  }

  /** Those that went on from this one by somebody's wish, newest first. */
  async linked(id: string): Promise<Listed[]> {
    await this.flush()
    const rows = await (await this.#database()).getAllFromIndex('deliberations', 'created_at')
    return rows
      .filter((row) => row.fork_of === id)
      .map(listed)
      .reverse()
  }

  #database(): Promise<IDBPDatabase<Schema>> {
    this.#db ??= openDB<Schema>(this.#name, 1, {
      upgrade: (db) => {
        const rows = db.createObjectStore('deliberations', { keyPath: 'id' })
        rows.createIndex('created_at', 'created_at')
        db.createObjectStore('pieces', { keyPath: ['id', 'n'] })
      },
    }).catch((error: unknown) => {
      this.#db = undefined
      throw error
    })
    return this.#db
  }
}

/** The row as a list has it: what it is only searched by stays behind. */
function listed({ said: _said, context: _context, ...row }: Row): Listed {
  return { ...row, title: row.title ?? '' }
}

function heard({ row, speech }: Open, event: Event): void {
  const before = row.said ?? {}
  const said = hear(speech, before, event)
  if (said !== before) row.said = said
}

function rowOf(
  { data, trace_id, timestamp }: Event & { type: 'start' },
  session: string,
  follows: string | undefined,
): Row {
  return {
    id: trace_id,
    session,
    question: data.question,
    ...(data.context === undefined ? {} : { context: data.context }),
    lang: data.lang,
    preset: data.council.name,
    status: 'running',
    mode: data.mode,
    created_at: timestamp,
    ...(follows === undefined ? linkOf(data.fork_of) : { follows }),
  }
}

const linkOf = (from: string | undefined): Pick<Row, 'fork_of'> =>
  from === undefined ? {} : { fork_of: from }

/** What an event changes in the row. */
function changeOf(event: Event): Partial<Row> {
  switch (event.type) {
    case 'paused':
      return { status: 'paused' }
    case 'resumed':
      return { status: 'running' }
    case 'tally':
      return { agreement: event.data.agreement }
    case 'complete':
      return completed(event.data)
    case 'cancelled':
      return { status: 'cancelled' }
    case 'error':
      return { status: 'failed' }
    default:
      return {}
  }
}

function completed(data: Complete): Partial<Row> {
  const { status, final_decision, overruled, summary, recommendation, usage, cost_usd } = data
  return {
    status,
    final_decision,
    overruled,
    summary,
    recommendation,
    usage,
    ...(cost_usd === undefined ? {} : { cost_usd }),
  }
}

/** Letters that mean the same are the same: full width or half, capital or not. */
const plain = (text: string): string => text.normalize('NFKC').toLowerCase()

/** Tells whether a row is asked for: every word found, and every filter met. */
export function matcher({ q = '', verdict, preset, from, to }: ListQuery): (row: Row) => boolean {
  const words = plain(q)
    .split(/\s+/)
    .filter((word) => word !== '')
  return (row) => {
    if (verdict && row.final_decision !== verdict) return false
    if (preset && row.preset !== preset) return false
    if (from && row.created_at < from) return false
    if (to && row.created_at >= to) return false
    if (words.length === 0) return true
    const { title, question, context, summary, recommendation } = row
    const { said = {}, my_decision, outcome } = row
    const own = [title, question, context, summary, recommendation, my_decision, outcome]
    const text = plain([...own, ...Object.values(said)].join('\n'))
    return words.every((word) => text.includes(word))
  }
}
