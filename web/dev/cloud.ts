/**
 * The AgentCore contract's one door on another origin, with what stands around it in the cloud: CORS, an
 * identity pool, a deadline, hops that hold back. For the page's tests; signatures are checked for
 * their presence only, the emulator checks them whole.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isLast } from '../stream/src/contract.ts'
import { ulid } from './fake.ts'
import { frameOf, Log } from './log.ts'
import { Probes } from './probes.ts'
import { OWN, SCENES } from './scenes.ts'
import { perform, type Script } from './script.ts'
import type { Beat } from './speech.ts'

export interface CloudOptions {
  /** Milliseconds of one token. */
  pace?: number
  /** The origin that may call; undefined answers no preflight. */
  origin?: string | undefined
  /** What must be there: `authorization: AWS4-...`, a bearer token, or nothing. */
  wants?: 'signature' | 'hash' | `Bearer ${string}`
  /** Ends every call after this many new votes with a signed state. */
  deadlineVotes?: number
  /** False: nothing can be read again, as in a function. */
  keeps?: boolean
  /** Holds the whole answer back; after `limitMs` it gives up with a 504. */
  holds?: { limitMs: number }
  /** Seconds this cloud's clock is ahead. */
  ahead?: number
}

interface Running {
  log: Log
  session: string
  readers: Set<() => void>
}

const EXPOSED = 'date, x-amzn-errortype, x-amzn-bedrock-agentcore-runtime-session-id'

export class Cloud {
  options: CloudOptions
  readonly #running = new Map<string, Running>()
  readonly #probes = new Probes()
  readonly #timers = new Set<ReturnType<typeof setTimeout>>()
  /** Every call that got in, newest last. */
  readonly calls: { headers: IncomingMessage['headers']; body: Record<string, unknown> }[] = []
  /** How often keys were issued. */
  issued = 0
  /** While set, a stream is cut after so many events. */
  cutAfter: number | undefined
  readonly #server = createServer((request, response) => void this.#answer(request, response))

  constructor(options: CloudOptions = {}) {
    this.options = options
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#server.closeAllConnections()
    this.#server.close()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { origin, ahead = 0 } = this.options
    response.setHeader('date', new Date(Date.now() + ahead * 1000).toUTCString())
    if (origin !== undefined && request.headers.origin === origin) {
      response.setHeader('access-control-allow-origin', origin)
      response.setHeader('access-control-expose-headers', EXPOSED)
    }
    if (request.method === 'OPTIONS') return this.#preflight(response)
    const body = await readJson(request)
    const target = request.headers['x-amz-target']
    if (typeof target === 'string') return this.#identity(target.split('.')[1] ?? '', response)
    if (request.method !== 'POST' || request.url?.split('?')[0] !== '/invocations')
      return refuse(response, 404, { message: 'no such path' })
    if (!this.#allowed(request)) return refuse(response, 403, { Message: 'Forbidden.' })
    this.calls.push({ headers: request.headers, body })
    if (this.options.holds) return this.#held(body, request, response, this.options.holds.limitMs)
    return this.#invoke(body, request, response)
  }

  #preflight(response: ServerResponse): void {
    response.setHeader(
      'access-control-allow-headers',
      'authorization, content-type, x-amz-date, x-amz-security-token, x-amz-content-sha256, x-amz-target, x-amzn-bedrock-agentcore-runtime-session-id',
    )
    response.setHeader('access-control-allow-methods', 'POST')
    response.writeHead(204).end()
  }

  #allowed({ headers }: IncomingMessage): boolean {
    const { wants } = this.options
    if (wants === undefined) return true
    if (wants === 'hash') return /^[0-9a-f]{64}$/.test(String(headers['x-amz-content-sha256']))
    if (wants !== 'signature') return headers.authorization === wants
    return (
      /^AWS4-HMAC-SHA256 Credential=AKIDFAKE\//.test(headers.authorization ?? '') &&
      headers['x-amz-security-token'] === 'session-token'
    )
  }

  #identity(action: string, response: ServerResponse): void {
    const expiration = Math.floor(Date.now() / 1000) + (this.options.ahead ?? 0) + 3600
    if (action === 'GetId') return json(response, { IdentityId: 'us-east-1:0000' })
    this.issued++
    json(response, {
      IdentityId: 'us-east-1:0000',
      Credentials: {
        AccessKeyId: 'AKIDFAKE',
        SecretKey: 'secret',
        SessionToken: 'session-token',
        Expiration: expiration,
      },
    })
  }

  /** Collects the whole answer first, as a hosting proxy does; gives up when that takes too long. */
  #held(
    body: Record<string, unknown>,
    request: IncomingMessage,
    response: ServerResponse,
    limitMs: number,
  ): void {
    const whole: string[] = []
    const timer = this.#later(limitMs, () => {
      if (response.headersSent) return
      response.writeHead(504, { 'content-type': 'text/html' })
      response.end('<html><body><h1>504 Gateway Time-out</h1></body></html>')
    })
    this.#invoke(body, request, response, (text, over) => {
      whole.push(text)
      if (!over || response.writableEnded) return
      clearTimeout(timer)
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(whole.join(''))
    })
  }

  #invoke(
    body: Record<string, unknown>,
    request: IncomingMessage,
    response: ServerResponse,
    held?: (text: string, over: boolean) => void,
  ): void {
    const session = String(request.headers['x-amzn-bedrock-agentcore-runtime-session-id'] ?? '')
    const { action, id, after, state } = body
    if (action === 'capabilities') return json(response, this.#about())
    if (action === 'ask') {
      const running = this.#start(String(body['question']), session, undefined)
      return this.#stream(response, running, undefined, held)
    }
    if (action === 'resume' && typeof state === 'string') {
      const running = this.#start('', session, JSON.parse(state) as State)
      return this.#stream(response, running, undefined, held)
    }
    if (action === 'probe')
      return this.#probes.start(response, Number(body['frames']), this.options.ahead)
    if (action === 'ack')
      return this.#probes.ack(body['probe'], body['frame'])
        ? json(response, { seen: body['frame'] })
        : door(response, false, 404, 'not_found', 'no such probe waits here')
    const running = this.#running.get(String(id))
    // Another session is another process, which knows nothing of it.
    if (!running || running.session !== session)
      return door(response, action === 'events', 404, 'not_found', 'no such deliberation')
    const last = running.log.entries.at(-1)
    if (action === 'status')
      return json(response, { id, status: statusOf(running.log), cursor: last?.id })
    if (action === 'stop') {
      if (!running.log.over)
        this.#append(running, { type: 'cancelled', data: { by: 'user', reason: '' } })
      return json(response, {})
    }
    if (action === 'events') return this.#stream(response, running, String(after), held)
    return door(response, false, 400, 'unsupported', 'this door has no such action')
  }

  #about() {
    const role = 'rehearsal'
    return {
      protocol: 1,
      trust: 'platform',
      capabilities: this.#capabilities(),
      roles: { caspar: role, balthasar: role, melchior: role, solomon: role },
      scenes: Object.entries(SCENES)
        .slice(0, 2)
        .map(([name, { question, lang }]) => ({ name, lang, question, preset: 'default' })),
    }
  }

  #capabilities(): string[] {
    return this.options.keeps === false ? [] : ['resume', 'stop']
  }

  #start(question: string, session: string, from: State | undefined): Running {
    const asked = from?.question ?? question
    const script: Script = Object.values(SCENES).find((scene) => scene.question === asked) ?? {
      ...OWN,
      question: asked,
      lang: 'en',
    }
    const log = new Log(ulid())
    const running: Running = { log, session, readers: new Set() }
    this.#running.set(log.id, running)
    const beats = perform(script, log.id, this.options.pace ?? 20)
    this.#play(running, from ? resumed(beats, from) : beats, 0, from?.done ?? [])
    return running
  }

  #play(running: Running, beats: Beat[], index: number, kept: readonly string[]): void {
    const beat = beats[index]
    if (!beat || running.log.over) return
    const next = (): void => {
      const { draft } = beat
      if (draft.type === 'start') draft.data['capabilities'] = this.#capabilities()
      this.#append(running, draft)
      const done = votes(running.log)
      const { deadlineVotes = Infinity } = this.options
      const fresh = done.filter((sage) => !kept.includes(sage)).length
      if (draft.type === 'agent_complete' && done.length < 3 && fresh >= deadlineVotes)
        return this.#pause(running, done)
      this.#play(running, beats, index + 1, kept)
    }
    if (beat.wait < 1) next()
    else this.#later(beat.wait, next)
  }

  #pause(running: Running, done: string[]): void {
    const question = String(running.log.entries[0]?.event.data['question' as never])
    const state = JSON.stringify({ from: running.log.id, question, done } satisfies State)
    this.#append(running, {
      type: 'paused',
      data: { by: 'magi', reason: 'deadline', state },
    })
  }

  #append(running: Running, draft: Beat['draft']): void {
    running.log.append(draft, Date.now() + (this.options.ahead ?? 0) * 1000)
    for (const wake of [...running.readers]) wake()
  }

  #stream(
    response: ServerResponse,
    running: Running,
    after: string | undefined,
    held: ((text: string, over: boolean) => void) | undefined,
  ): void {
    if (!held) response.writeHead(200, { 'content-type': 'text/event-stream' })
    const write = held ?? ((text: string) => void response.write(text))
    let cursor = after
    let left = this.cutAfter ?? Infinity
    write('retry: 200\n\n', false)
    const pull = (): void => {
      const more = running.log.after(cursor)
      if (more.status !== 200) return leave()
      for (const entry of more.entries) {
        // What was written before the cut still arrives.
        if (left-- <= 0) return void response.socket?.destroySoon()
        cursor = entry.id
        const ended = isLast(entry.event.type) || entry.event.type === 'paused'
        write(frameOf(entry), ended)
        if (ended) return leave()
      }
    }
    const heartbeat = setInterval(() => write(': hb\n\n', false), 2000)
    const leave = (): void => {
      clearInterval(heartbeat)
      running.readers.delete(pull)
      if (!held) response.end()
    }
    response.on('close', leave)
    running.readers.add(pull)
    pull()
  }

  #later(ms: number, call: () => void): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      call()
    }, ms)
    this.#timers.add(timer)
    return timer
  }
}

interface State {
  from: string
  question: string
  done: string[]
}

/** The same scene as a linked deliberation: who had voted is there at once. */
const resumed = (beats: Beat[], from: State): Beat[] => {
  const again = beats.map((beat) => {
    if (beat.draft.type === 'start') beat.draft.data['fork_of'] = from.from
    const kept = beat.draft.agentId !== undefined && from.done.includes(beat.draft.agentId)
    return kept ? { ...beat, wait: 0 } : beat
  })
  const at = (beat: Beat): number =>
    beat.draft.type === 'start' || beat.draft.type === 'sages_start'
      ? 0
      : from.done.includes(beat.draft.agentId ?? '')
        ? 1
        : 2
  return again.sort((left, right) => at(left) - at(right))
}

const votes = (log: Log): string[] =>
  log.entries.flatMap(({ event }) => (event.type === 'agent_complete' ? [event.agentId] : []))

function statusOf(log: Log): string {
  const last = log.entries.at(-1)?.event
  if (last?.type === 'complete') return last.data.status
  if (last?.type === 'cancelled') return 'cancelled'
  return last?.type === 'error' ? 'failed' : 'running'
}

function json(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

const refuse = (response: ServerResponse, status: number, body: unknown): void =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))

/** A refusal behind AgentCore's front: 200, and a frame that says it. */
function door(
  response: ServerResponse,
  streams: boolean,
  status: number,
  code: string,
  message: string,
): void {
  const frame = JSON.stringify({ type: 'error', error: message, data: { status, code, message } })
  if (!streams) return json(response, JSON.parse(frame))
  response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`data: ${frame}\n\n`)
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>
  } catch {
    return {}
  }
}
