/**
 * A server that speaks the contract, for the page's tests and for development without the real one:
 * deliberations run from scripts in memory, any number of readers follow a log by cursor.
 */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isLast, type Sage } from '../stream/src/contract.ts'
import type { ExportFormat, Listed, Remarks } from '../stream/src/client.ts'
import type { PresetDraft } from '../stream/src/presets.ts'
import { bornAt } from '../stream/src/cursor.ts'
import { frameOf, Log, type Draft, type Stored } from './log.ts'
import { Probes } from './probes.ts'
import { PresetStore } from './preset-store.ts'
import { changed, lineOf, paged, past, type Beside } from './past.ts'
import { OWN, SCENES } from './scenes.ts'
import { perform, type Script } from './script.ts'
import { obey, type Played } from './verbs.ts'

export interface FakeOptions {
  /** Milliseconds of one token. */
  pace?: number
  /** Cuts each stream after about this many bytes; 0 never does. */
  cutAfter?: number
  /** How snapshots and records are made. Loaded on demand, because Vite reads this file before it can. */
  records?: () => Promise<typeof import('../page/src/record.ts')>
}

interface Running extends Played {
  script: Script
  created: string
  forkOf: string | undefined
  remarks: Record<string, unknown>
  readers: Set<() => void>
  timer: ReturnType<typeof setTimeout> | undefined
}

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

export function ulid(at = Date.now()): string {
  let time = at
  let head = ''
  for (let digit = 0; digit < 10; digit++) {
    head = (ALPHABET[time % 32] as string) + head
    time = Math.floor(time / 32)
  }
  return head + Array.from(randomBytes(16), (byte) => ALPHABET[byte % 32]).join('')
}

/** What is held before: an event of this kind, or one of which this is true. */
export type Hold = string | ((draft: Draft) => boolean) | undefined

const isHeld = (draft: Draft, hold: Hold): boolean =>
  typeof hold === 'function' ? hold(draft) : draft.type === hold

export class Fake {
  readonly #pace: number
  readonly #records: FakeOptions['records']
  /** May be changed while the server runs. */
  cutAfter: number
  /** While set, every request but the page's own files is refused with it. */
  refuse: number | undefined
  /** Holds every deliberation before the first such event, until it is set anew. */
  #hold: Hold
  readonly #running = new Map<string, Running>()
  #lines: Listed[] = []
  readonly presets = new PresetStore()
  readonly #probes = new Probes()
  /** Which of the orders, from 0, makes the judge decide otherwise. */
  sways: number | undefined
  /** While set, a hop holds what is streamed back. */
  holds = false
  readonly #keys = new Map<string, string>()
  /** What was asked for, newest last. */
  readonly requests: { method: string; path: string; body: unknown }[] = []

  constructor(options: FakeOptions = {}) {
    this.#pace = options.pace ?? 30
    this.cutAfter = options.cutAfter ?? 0
    this.#records = options.records
  }

  /** Lines of the past that are only listed, below everything that was asked here. */
  seed(count: number): void {
    this.#lines = past(count, Date.parse('2026-11-20T09:00:00Z'))
  }

  /** A deliberation that is over, as if it had been asked then. */
  finished(scene: string, at: string, beside: Beside = {}, change: Partial<Script> = {}): string {
    const script = { ...(SCENES[scene] as Script), ...change }
    let time = Date.parse(at)
    const log = new Log(ulid(time))
    for (const { draft, wait } of perform(script, log.id, 30)) {
      if (draft.type === 'start')
        for (const name of ['fork_of', 'conversation_id'] as const)
          if (beside[name]) draft.data[name] = beside[name]
      log.append(draft, (time += wait))
    }
    this.#running.set(log.id, {
      log,
      script,
      created: new Date(at).toISOString(),
      beats: [],
      paused: false,
      forkOf: beside.fork_of,
      remarks: { ...beside },
      readers: new Set(),
      timer: undefined,
    })
    return log.id
  }

  log(id: string): Log | undefined {
    return this.#running.get(id)?.log
  }

  close(): void {
    for (const one of this.#running.values()) clearTimeout(one.timer)
  }

  /** Holds every deliberation before an event of this kind, or like this; undefined lets all go on. */
  hold(before: Hold): void {
    this.#hold = before
    for (const one of this.#running.values()) this.#play(one)
  }

  /** Returns false for what is not the contract's: the page's own files. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const url = new URL(request.url ?? '/', 'http://fake.test')
    if (!/^\/(v1\/|invocations$)/.test(url.pathname)) return false
    const method = request.method ?? 'GET'
    const body = method !== 'GET' && method !== 'DELETE' ? await readJson(request) : undefined
    this.requests.push({ method, path: url.pathname, body })
    if (this.refuse !== undefined) return problem(response, this.refuse, 'refused', 'not now')
    if (url.pathname === '/invocations') return this.#action(response, body)
    const [, , noun, id, verb] = url.pathname.split('/')
    if (noun === 'rehearsal') return json(response, { scenes: scenes() })
    if (noun === 'models') return json(response, models())
    if (noun === 'presets') return this.#presets(response, method, id, url, body)
    if (noun !== 'deliberations') return problem(response, 404, 'not_found', 'no such address')
    if (id === undefined || id === '')
      return method === 'POST'
        ? this.#ask(request, response, body as Record<string, unknown>)
        : this.#list(response, url)
    if (verb === undefined && method !== 'GET') return this.#kept(response, method, id, body)
    const running = this.#running.get(id)
    if (!running) return problem(response, 404, 'not_found', 'no such deliberation')
    if (verb === 'events') return this.#events(request, response, running, url)
    if (verb !== undefined && VERBS.has(verb))
      return this.#verb(response, verb, running, body as Record<string, unknown>)
    return this.#told(response, running, verb, url)
  }

  /** The snapshot, or the record as a file. */
  async #told(
    response: ServerResponse,
    { log }: Running,
    verb: string | undefined,
    url: URL,
  ): Promise<boolean> {
    if (!this.#records) return problem(response, 501, 'unsupported', 'this fake makes no records')
    const { recordOf, snapshotOf } = await this.#records()
    const lines = log.entries.map((one) => ({ cursor: one.id, raw: JSON.stringify(one.event) }))
    const told = { id: log.id, lines }
    if (verb !== 'export') return json(response, snapshotOf(told))
    const format = (url.searchParams.get('format') ?? 'md') as ExportFormat
    const record = recordOf([told], format)
    response.writeHead(200, { 'content-type': record.type }).end(await record.text())
    return true
  }

  /** The actions that a page asks for when it checks the way. */
  #action(response: ServerResponse, body: unknown): boolean {
    const { action, frames, probe, frame } = body as Record<string, unknown>
    if (action === 'capabilities') {
      const about = { protocol: 1, version: '0.1.0', trust: 'local' }
      return json(response, { ...about, capabilities: ['resume', 'stop'], ...models() })
    }
    if (action === 'probe') {
      this.#probes.start(response, Number(frames), 0, this.holds)
      return true
    }
    if (action === 'ack') {
      if (this.#probes.ack(probe, frame)) return json(response, { seen: frame })
      return problem(response, 404, 'not_found', 'no such probe waits here')
    }
    return problem(response, 400, 'unsupported', 'this door has no such action')
  }

  #presets(
    response: ServerResponse,
    method: string,
    name: string | undefined,
    url: URL,
    body: unknown,
  ): boolean {
    const { presets } = this
    if (name === undefined) return json(response, { presets: presets.list() })
    if (method === 'PUT') {
      const refused = presets.save(name, body as PresetDraft)
      if (refused)
        return problem(response, refused.status, refused.code, refused.detail, refused.field)
    }
    if (method === 'DELETE' && presets.delete(name)) {
      response.writeHead(204).end()
      return true
    }
    const version = url.searchParams.get('version')
    const whole = presets.get(name, version === null ? undefined : Number(version))
    if (!whole) return problem(response, 404, 'not_found', `no preset is called ${name}`)
    return json(response, whole)
  }

  /** Changes or deletes a line. */
  #kept(response: ServerResponse, method: string, id: string, body: unknown): boolean {
    const running = this.#running.get(id)
    const line = this.#lines.find((one) => one.id === id)
    if (!running && !line) return problem(response, 404, 'not_found', 'no such deliberation')
    if (method === 'DELETE') {
      this.#running.delete(id)
      this.#lines = this.#lines.filter((one) => one.id !== id)
      response.writeHead(204).end()
      return true
    }
    const change = body as Remarks
    if (running) running.remarks = changed(running.remarks, change)
    this.#lines = this.#lines.map((one) => (one.id === id ? changed(one, change) : one))
    return json(response, { id })
  }

  #ask(request: IncomingMessage, response: ServerResponse, body: Record<string, unknown>): boolean {
    const question = body['question']
    if (typeof question !== 'string' || question.trim() === '')
      return problem(response, 400, 'bad_request', 'the question is empty', 'question')
    const key = typeof body['idempotency_key'] === 'string' ? body['idempotency_key'] : ''
    const known = this.#keys.get(key)
    const conversation = body['conversation_id']
    const beside = typeof conversation === 'string' ? { conversation_id: conversation } : {}
    const running = known
      ? (this.#running.get(known) as Running)
      : this.start(question, undefined, undefined, beside)
    if (key !== '') this.#keys.set(key, running.log.id)
    return this.#stream(request, response, running, undefined)
  }

  /** Starts the scene with this question, or the rehearsal's honest answer to one's own. */
  start(question: string, forkOf?: string, told?: Script, beside: Beside = {}): Running {
    const known = told ?? Object.values(SCENES).find((scene) => scene.question === question)
    const script: Script = known ?? {
      ...OWN,
      question,
      lang: /[ぁ-ヿ一-鿿]/.test(question) ? 'ja' : 'en',
    }
    const log = new Log(ulid())
    const running: Running = {
      log,
      script,
      created: new Date(bornAt(log.id)).toISOString(),
      beats: perform(script, log.id, this.#pace),
      paused: false,
      forkOf,
      remarks: { ...beside },
      readers: new Set(),
      timer: undefined,
    }
    const [start] = running.beats
    if (start && forkOf !== undefined) start.draft.data['fork_of'] = forkOf
    if (start && beside.conversation_id)
      start.draft.data['conversation_id'] = beside.conversation_id
    this.#running.set(log.id, running)
    this.#play(running)
    return running
  }

  /** Judges so often, each time in another order; in the order of `sways` the judge decides otherwise. */
  #judgedAgain({ log, script }: Running, times: number): string[] {
    return ORDERS.slice(0, times).map((order, at) => {
      const judge = script.judge && {
        ...script.judge,
        order,
        ...(at === this.sways ? { decision: 'REJECTED' as const } : {}),
      }
      return this.start(script.question, log.id, { ...script, ...(judge ? { judge } : {}) }).log.id
    })
  }

  #play(running: Running): void {
    clearTimeout(running.timer)
    const [beat] = running.beats
    if (!beat || running.paused || isHeld(beat.draft, this.#hold)) return
    const next = (): void => {
      running.beats.shift()
      this.#append(running, beat.draft)
      this.#play(running)
    }
    if (beat.wait < 1) next()
    else running.timer = setTimeout(next, beat.wait)
  }

  #append(running: Running, draft: Draft): void {
    running.log.append(draft, Date.now())
    for (const wake of [...running.readers]) wake()
  }

  #verb(
    response: ServerResponse,
    verb: string,
    running: Running,
    body: Record<string, unknown>,
  ): boolean {
    const { answer, say } = obey(verb, running, body)
    for (const draft of say) this.#append(running, draft)
    this.#play(running)
    const { id } = running.log
    if (answer.status === 409) return problem(response, 409, 'conflict', answer.detail)
    if ('changed' in answer) return json(response, { id, changed: answer.changed })
    if (body['stability'] !== undefined) {
      const ids = this.#judgedAgain(running, Number(body['stability']))
      return json(response, { id: ids[0], changed: true, ...(ids.length > 1 ? { ids } : {}) })
    }
    const key = typeof body['idempotency_key'] === 'string' ? body['idempotency_key'] : ''
    const known = this.#keys.get(key)
    const linked = known ?? this.start(running.script.question, id).log.id
    if (key !== '') this.#keys.set(key, linked)
    return json(response, { id: linked, changed: known === undefined })
  }

  #events(request: IncomingMessage, response: ServerResponse, running: Running, url: URL): boolean {
    const header = request.headers['last-event-id']
    const after = typeof header === 'string' ? header : (url.searchParams.get('after') ?? undefined)
    return this.#stream(request, response, running, after)
  }

  #stream(
    request: IncomingMessage,
    response: ServerResponse,
    running: Running,
    after: string | undefined,
  ): boolean {
    const answer = running.log.after(after)
    if (answer.status === 204) {
      response.writeHead(204).end()
      return true
    }
    if (answer.status !== 200) return problem(response, answer.status, 'cursor', 'not that cursor')
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
    const out = new Cutting(response, this.cutAfter)
    out.write('retry: 200\n\n')
    let cursor = after
    const send = (entries: readonly Stored[]): void => {
      for (const entry of entries) {
        out.write(frameOf(entry))
        cursor = entry.id
        if (isLast(entry.event.type)) return leave()
      }
    }
    const wake = (): void => {
      const more = running.log.after(cursor)
      if (more.status === 200) send(more.entries)
    }
    const heartbeat = setInterval(() => out.write(': hb\n\n'), 2000)
    const leave = (): void => {
      clearInterval(heartbeat)
      running.readers.delete(wake)
      response.end()
    }
    request.on('close', leave)
    response.on('close', leave)
    running.readers.add(wake)
    send(answer.entries)
    return true
  }

  #list(response: ServerResponse, url: URL): boolean {
    const mine = [...this.#running.values()]
      .map(({ log, script, created, forkOf, remarks }) =>
        lineOf(log, script, created, {
          ...(forkOf === undefined ? {} : { fork_of: forkOf }),
          ...remarks,
        }),
      )
      .sort((left, right) => (left.created_at < right.created_at ? 1 : -1))
    return json(response, paged([...mine, ...this.#lines], url.searchParams))
  }
}

const ORDERS: readonly (readonly Sage[])[] = [
  ['melchior', 'balthasar', 'caspar'],
  ['caspar', 'melchior', 'balthasar'],
  ['balthasar', 'caspar', 'melchior'],
]

const VERBS: ReadonlySet<string> = new Set([
  'stop',
  'retry',
  'note',
  'pause',
  'resume',
  'rejudge',
  'fork',
])

/** Destroys the connection in the middle of a frame after a number of bytes. */
class Cutting {
  readonly #response: ServerResponse
  #left: number

  constructor(response: ServerResponse, after: number) {
    this.#response = response
    this.#left = after === 0 ? Infinity : after * (0.5 + Math.random())
  }

  write(text: string): void {
    if (this.#response.destroyed || this.#response.writableEnded) return
    const bytes = Buffer.from(text)
    if (bytes.length <= this.#left) {
      this.#left -= bytes.length
      this.#response.write(bytes)
      return
    }
    this.#response.write(bytes.subarray(0, this.#left))
    const { socket } = this.#response
    this.#left = 0
    // The bytes before the cut arrive, then the connection is gone.
    setImmediate(() => socket?.destroy())
  }
}

const scenes = () =>
  Object.entries(SCENES).map(([name, { question, lang }]) => ({
    name,
    lang,
    question,
    preset: 'default',
  }))

const models = () => ({
  object: 'list',
  data: [{ id: 'rehearsal', object: 'model', owned_by: 'rehearsal' }],
  roles: {
    caspar: 'rehearsal',
    balthasar: 'rehearsal',
    melchior: 'rehearsal',
    solomon: 'rehearsal',
  },
})

function json(response: ServerResponse, body: unknown): boolean {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  return true
}

function problem(
  response: ServerResponse,
  status: number,
  code: string,
  detail: string,
  field?: string,
): boolean {
  const body = { type: 'about:blank', title: code, status, code, detail, field }
  response
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify(body))
  return true
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    return {}
  }
}
