import type { PresetDraft, PresetWhole } from './presets.ts'
import { probe, type Probed } from './probe.ts'
import { open, type Authoriser, type Outgoing } from './authorise.ts'
import { Connection, type Call } from './connect.ts'
import type { FinalDecision, Mode, Snapshot, Status, Usage } from './contract.ts'
import { bornAt, parseCursor } from './cursor.ts'
import { idOf, listIn, type Door, type Reading, type Verb } from './door.ts'
import { realEnv, type Env } from './env.ts'
import { answered, answeredJson } from './http.ts'
import { randomHex, type Preset, type Question, type Scene } from './question.ts'
import { sender, type Send } from './send.ts'

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
  overruled?: boolean
  summary?: string
  usage?: Usage
  /** US dollars, where the prices are known. */
  cost_usd?: number
  conversation_id?: string
  /** The deliberation this one goes on from. */
  fork_of?: string
  /** What a person wrote beside the verdict. */
  my_decision?: string
  outcome?: string
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
  /** Only those that go on from this one. */
  fork_of?: string
  /** Only those of this conversation. */
  conversation_id?: string
  from?: string
  to?: string
  cursor?: string
  limit?: number
}

/** What a person writes beside a verdict: what is absent stays, null clears. */
export interface Remarks {
  title?: string
  my_decision?: string | null
  outcome?: string | null
}

export type ExportFormat = 'md' | 'json' | 'ndjson' | 'html'

export interface ClientOptions {
  /** Where the server is: empty for the page's own origin, else an absolute address. */
  base?: string
  /** What lets requests in. Default: nothing is added. */
  authoriser?: Authoriser
  env?: Partial<Env>
}

/** The door of a MAGI server: its own addresses under `/v1`, with history. */
export class Client implements Door {
  readonly kind = 'server'
  readonly keyed = true
  readonly capabilities = undefined
  readonly #base: string
  readonly #env: Env
  readonly #send: Send

  constructor(options: ClientOptions = {}) {
    this.#base = (options.base ?? '').replace(/\/+$/, '')
    this.#env = { ...realEnv, ...options.env }
    this.#send = sender(this.#env, options.authoriser ?? open)
  }

  /**
   * Puts a question and reads its deliberation to the end. A connection that dies before the first
   * event asks again under the same key, so the question is deliberated once.
   */
  ask(question: Question, reading: Reading = {}): Connection {
    const key = question.idempotency_key ?? randomHex(16)
    const body: Question = { ...question, idempotency_key: key }
    return this.#read({ url: this.#url(), method: 'POST', body }, reading)
  }

  follow(id: string, reading: Reading = {}): Connection {
    return this.#read(this.#events(id), reading)
  }

  verb(verb: Verb, id: string, body: Record<string, unknown> = {}) {
    return this.#json(this.#url(id, `/${verb}`), 'POST', body)
  }

  async stop(id: string, agent?: string): Promise<void> {
    await this.verb('stop', id, agent === undefined ? {} : { agent })
  }

  async resume(id: string): Promise<string> {
    return idOf(await this.verb('resume', id)) ?? id
  }

  /** Returns the line of the history of one deliberation: it was asked when its id says. */
  async item(id: string): Promise<Listed | undefined> {
    const at = bornAt(id)
    const from = new Date(at).toISOString()
    const to = new Date(at + 1).toISOString()
    const { items } = await this.list({ from, to, limit: 200 })
    return items.find((item) => item.id === id)
  }

  async get(id: string): Promise<Snapshot> {
    return (await this.#json(this.#url(id))) as unknown as Snapshot
  }

  /** Returns one page of the history, newest first. */
  async list(query: ListQuery = {}): Promise<Page> {
    const search = new URLSearchParams()
    for (const [name, value] of Object.entries(query))
      if (value !== undefined && value !== '') search.set(name, String(value))
    const tail = search.size > 0 ? `?${search}` : ''
    const answer = await this.#json(`${this.#url()}${tail}`)
    const next = answer['next']
    return {
      items: listIn(answer, 'items')
        .map(listed)
        .filter((item) => item.id !== ''),
      next: typeof next === 'string' && next !== '' ? next : undefined,
    }
  }

  /** Deletes a deliberation: it is gone. */
  async remove(id: string): Promise<void> {
    await this.#json(this.#url(id), 'DELETE')
  }

  /** Changes what a person wrote beside the verdict; null clears it. */
  async patch(id: string, change: Remarks): Promise<Listed> {
    return listed(await this.#json(this.#url(id), 'PATCH', change))
  }

  async scenes(): Promise<Scene[]> {
    const answer = await this.#json(`${this.#base}/v1/rehearsal`)
    return listIn(answer, 'scenes') as unknown as Scene[]
  }

  async models(): Promise<Record<string, unknown>> {
    return this.#json(`${this.#base}/v1/models`)
  }

  about(): Promise<Record<string, unknown>> {
    return this.#json(`${this.#base}/invocations`, 'POST', { action: 'capabilities' })
  }

  probe(frames: number): Promise<Probed> {
    const url = `${this.#base}/invocations`
    return probe({ url, headers: {}, env: this.#env, send: this.#send }, frames)
  }

  async presets(): Promise<Preset[]> {
    const answer = await this.#json(`${this.#base}/v1/presets`)
    return listIn(answer, 'presets') as unknown as Preset[]
  }

  /** Returns one preset as a whole, in its newest version or in the one of this number. */
  async preset(name: string, version?: number): Promise<PresetWhole> {
    const tail = version === undefined ? '' : `?version=${version}`
    return (await this.#json(`${this.#preset(name)}${tail}`)) as unknown as PresetWhole
  }

  /**
   * Saves the next version of a preset. `if_version` in the body refuses to write over a change that
   * somebody else made meanwhile; 0 says that there must be none yet.
   */
  async savePreset(name: string, body: PresetDraft): Promise<PresetWhole> {
    return (await this.#json(this.#preset(name), 'PUT', body)) as unknown as PresetWhole
  }

  /** Deletes a preset; what was deliberated under it keeps its own copy. */
  async deletePreset(name: string): Promise<void> {
    await this.#json(this.#preset(name), 'DELETE')
  }

  #preset(name: string): string {
    return `${this.#base}/v1/presets/${encodeURIComponent(name)}`
  }

  /** Returns the address of a deliberation's record. */
  exportUrl(id: string, format: ExportFormat): string {
    return `${this.#url(id, '/export')}?format=${format}`
  }

  /** Returns a deliberation's record itself, for a server that a plain link cannot open. */
  async export(id: string, format: ExportFormat): Promise<Blob> {
    const request = { url: this.exportUrl(id, format), method: 'GET', headers: {} }
    return (await answered(this.#env, this.#send, request)).blob()
  }

  #read(call: Call, reading: Reading): Connection {
    return new Connection({
      ...call,
      ...reading,
      env: this.#env,
      send: this.#send,
      resume: (cursor) => ({
        ...this.#events(parseCursor(cursor)?.deliberation ?? cursor),
        headers: { 'last-event-id': cursor },
      }),
      snapshot: async (cursor) => {
        const snapshot = await this.get(parseCursor(cursor)?.deliberation ?? cursor)
        return { snapshot, cursor: snapshot.cursor }
      },
    })
  }

  #url(id?: string, tail = ''): string {
    const one = id === undefined ? '' : `/${encodeURIComponent(id)}`
    return `${this.#base}/v1/deliberations${one}${tail}`
  }

  #events(id: string): Call {
    return { url: this.#url(id, '/events') }
  }

  async #json(url: string, method = 'GET', body?: unknown): Promise<Record<string, unknown>> {
    const headers: Record<string, string> = { accept: 'application/json' }
    const request: Outgoing = { url, method, headers }
    if (body !== undefined) {
      headers['content-type'] = 'application/json'
      request.body = JSON.stringify(body)
    }
    return answeredJson(this.#env, this.#send, request)
  }
}

const listed = (item: Record<string, unknown>): Listed =>
  ({ ...item, id: idOf(item) ?? '' }) as Listed
