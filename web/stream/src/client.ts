import { Connection, type Call, type Options } from './connect.ts'
import { SAGES, type FinalDecision, type Mode, type Snapshot, type Status } from './contract.ts'
import { parseCursor } from './cursor.ts'
import { realEnv, type Env } from './env.ts'
import { noAnswer, Problem, problemOf } from './problem.ts'

/** A question as every door takes it. */
export interface Question {
  question: string
  context?: string
  lang?: 'ja' | 'en' | 'auto'
  preset?: string
  council?: Record<string, unknown>
  conversation_id?: string
  fork_of?: string
  budget?: { usd?: number; tokens?: number }
  on_leave?: string
  /** Makes asking again safe. `ask` makes one when it is absent. */
  idempotency_key?: string
  [more: string]: unknown
}

/** A written scene of the rehearsal. */
export interface Scene {
  name: string
  lang: string
  question: string
  preset: string
}

/**
 * The question that plays a scene: its own words under its own preset, with every role rehearsed, so
 * that it plays even where models are configured.
 */
export function questionOf(scene: Scene): Question {
  const model = 'rehearsal'
  const roles = Object.fromEntries([...SAGES, 'solomon'].map((agent) => [agent, { model }]))
  return {
    question: scene.question,
    preset: scene.preset,
    lang: scene.lang === 'ja' ? 'ja' : 'en',
    council: { roles },
  }
}

/** One line of the history. */
export interface Listed {
  id: string
  question: string
  title: string
  lang: string
  preset: string
  status: Status
  mode?: Mode
  final_decision?: FinalDecision
  agreement?: string
  created_at: string
  [more: string]: unknown
}

export interface Page {
  items: Listed[]
  /** Where the next page begins; undefined on the last. */
  next: string | undefined
}

/** One model that can answer. */
export interface Model {
  id: string
  [more: string]: unknown
}

export interface ListQuery {
  q?: string
  verdict?: string
  preset?: string
  from?: string
  to?: string
  cursor?: string
  limit?: number
}

export type ExportFormat = 'md' | 'json' | 'ndjson' | 'html'

export interface ClientOptions {
  /** Where the server is: empty for the page's own origin, else an absolute address. */
  base?: string
  /** Sent with every call, for example `authorization`; asked each time, so that it may change. */
  headers?: () => Record<string, string>
  env?: Partial<Env>
}

type Reading = Pick<
  Options,
  'signal' | 'onState' | 'silenceMs' | 'maxAttempts' | 'maxDelayMs' | 'after'
>

/** Speaks to one MAGI server. Every refusal is a {@link Problem}. */
export class Client {
  readonly #base: string
  readonly #headers: () => Record<string, string>
  readonly #env: Env

  constructor(options: ClientOptions = {}) {
    this.#base = (options.base ?? '').replace(/\/+$/, '')
    this.#headers = options.headers ?? (() => ({}))
    this.#env = { ...realEnv, ...options.env }
  }

  /**
   * Puts a question and reads its deliberation to the end. A connection that dies before the first
   * event asks again under the same key, so the question is deliberated once.
   */
  ask(question: Question, reading: Reading = {}): Connection {
    const key = question.idempotency_key ?? this.#key()
    const body: Question = { ...question, idempotency_key: key }
    return this.#read({ ...this.#to('/v1/deliberations'), method: 'POST', body }, reading)
  }

  /** Reads a deliberation from the beginning, or after `reading.after`. */
  follow(id: string, reading: Reading = {}): Connection {
    return this.#read(this.#events(id), reading)
  }

  /** Stops a deliberation, or one sage of it. Stopping what has ended changes nothing. */
  async stop(id: string, agent?: string): Promise<void> {
    await this.#json(this.#one(id, '/stop'), 'POST', agent === undefined ? {} : { agent })
  }

  /** Goes on with an interrupted or paused deliberation; returns the id to follow. */
  async resume(id: string): Promise<string> {
    const answer = await this.#json(this.#one(id, '/resume'), 'POST', {})
    return idOf(answer) ?? id
  }

  /** Returns the snapshot folded up to the stored end, with its `cursor`. */
  async get(id: string): Promise<Snapshot> {
    return (await this.#json(this.#one(id))) as unknown as Snapshot
  }

  /** Returns one page of the history, newest first. */
  async list(query: ListQuery = {}): Promise<Page> {
    const search = new URLSearchParams()
    for (const [name, value] of Object.entries(query))
      if (value !== undefined && value !== '') search.set(name, String(value))
    const tail = search.size > 0 ? `?${search}` : ''
    const answer = await this.#json(this.#to(`/v1/deliberations${tail}`))
    const items = listIn(answer, 'items')
    const next = answer['next']
    return {
      items: items.map(listed).filter((item) => item.id !== ''),
      next: typeof next === 'string' && next !== '' ? next : undefined,
    }
  }

  /** Deletes a deliberation: it is gone. */
  async remove(id: string): Promise<void> {
    await this.#json(this.#one(id), 'DELETE')
  }

  /** Changes what a person wrote beside the verdict. */
  async patch(
    id: string,
    change: { title?: string; my_decision?: string; outcome?: string },
  ): Promise<void> {
    await this.#json(this.#one(id), 'PATCH', change)
  }

  /** Returns the written scenes of the rehearsal. */
  async scenes(): Promise<Scene[]> {
    const answer = await this.#json(this.#to('/v1/rehearsal'))
    return listIn(answer, 'scenes') as unknown as Scene[]
  }

  /** Returns the models that can answer here. */
  async models(): Promise<Record<string, unknown>> {
    return this.#json(this.#to('/v1/models'))
  }

  /** Returns the address of a deliberation's record. */
  exportUrl(id: string, format: ExportFormat): string {
    return `${this.#one(id, '/export').url}?format=${format}`
  }

  /** Returns a deliberation's record itself, for a server that a plain link cannot open. */
  async export(id: string, format: ExportFormat): Promise<Blob> {
    const { headers = {} } = this.#to('')
    const response = await this.#answer({ url: this.exportUrl(id, format), headers }, {})
    return response.blob()
  }

  #read(call: Call, reading: Reading): Connection {
    return new Connection({
      ...call,
      ...reading,
      env: this.#env,
      resume: (cursor) => this.#events(parseCursor(cursor)?.deliberation ?? cursor),
      snapshot: async (cursor) => {
        const snapshot = await this.get(parseCursor(cursor)?.deliberation ?? cursor)
        return { snapshot, cursor: snapshot.cursor }
      },
    })
  }

  #to(path: string): Call {
    return { url: `${this.#base}${path}`, headers: this.#headers() }
  }

  #one(id: string, verb = ''): Call {
    return this.#to(`/v1/deliberations/${encodeURIComponent(id)}${verb}`)
  }

  #events(id: string): Call {
    return this.#one(id, '/events')
  }

  /** 128 random bits in hex. `crypto.randomUUID` is missing on plain-http origins. */
  #key(): string {
    const bytes = crypto.getRandomValues(new Uint8Array(16))
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  }

  async #json(call: Call, method = 'GET', body?: unknown): Promise<Record<string, unknown>> {
    const headers: Record<string, string> = { accept: 'application/json', ...call.headers }
    const init: RequestInit = { method }
    if (body !== undefined) {
      headers['content-type'] = 'application/json'
      init.body = JSON.stringify(body)
    }
    const response = await this.#answer({ ...call, headers }, init)
    const text = await response.text()
    return text === '' ? {} : object(text, response.status)
  }

  /** Calls once; whatever is not a success is a problem. */
  async #answer(call: Call, init: RequestInit): Promise<Response> {
    let response: Response
    try {
      const headers = call.headers ?? {}
      response = await this.#env.fetch(call.url, { ...init, headers, cache: 'no-store' })
    } catch (error) {
      throw noAnswer(error)
    }
    if (!response.ok) throw await problemOf(response, this.#env.now())
    return response
  }
}

function object(text: string, status: number): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new Problem({ status, code: 'not_json', message: 'the answer is not JSON', cause })
  }
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

const idOf = (answer: Record<string, unknown>): string | undefined => {
  const id = answer['id'] ?? answer['trace_id']
  return typeof id === 'string' ? id : undefined
}

const listIn = (answer: Record<string, unknown>, name: string): Record<string, unknown>[] => {
  const value = answer[name]
  return Array.isArray(value) ? value.filter((one) => typeof one === 'object' && one !== null) : []
}

const listed = (item: Record<string, unknown>): Listed =>
  ({ ...item, id: idOf(item) ?? '' }) as Listed
