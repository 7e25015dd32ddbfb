import { open } from './authorise.ts'
import { isLast, type Event, type Snapshot } from './contract.ts'
import { parseCursor, type Place } from './cursor.ts'
import { realEnv, type Env } from './env.ts'
import { Flow, type Held } from './flow.ts'
import { isDoorFrame, isHtml, noAnswer, Problem, problemOf, problemOfDoorFrame } from './problem.ts'
import { sender, type Send } from './send.ts'
import { FrameTooLarge, SseDecoder, type Frame } from './sse.ts'

/** One HTTP request of the connection. */
export interface Call {
  url: string
  method?: string
  headers?: Record<string, string>
  /** Sent as JSON. */
  body?: unknown
}

/** What a reader gets, in order, each exactly once. */
export type Entry =
  | {
      kind: 'event'
      id: string | undefined
      event: Event
      /** The event's JSON as it came. */
      raw: string
      /** True for what happened before this connection caught up: show it, but do not announce it. */
      replay: boolean
    }
  /** The log no longer holds what was asked for; this stands for everything up to `cursor`. */
  | { kind: 'snapshot'; snapshot: Snapshot; cursor: string }
  /** The deliberation `from` was paused at a deadline; what follows goes on with its votes, under a new id. */
  | { kind: 'linked'; from: string }

/** Reads one deliberation to its end. Iterate it once; leaving the loop closes what it holds. */
export interface Reader extends AsyncIterable<Entry> {
  readonly cursor: string | undefined
  readonly state: State
  retryNow(): void
  close(): void
}

/** Where the connection stands. Every one of these has words and a drawing on the page. */
export type State =
  | { name: 'connecting'; attempt: number }
  | { name: 'live'; resumed: boolean }
  | { name: 'waiting'; attempt: number; until: number; problem: Problem | undefined }
  | { name: 'offline' }
  | { name: 'over' }
  | { name: 'paused' }
  | { name: 'closed' }
  | { name: 'failed'; problem: Problem }

export interface Options extends Call {
  /** Start after this cursor; `0` or absent is the beginning. */
  after?: string
  /** The request that goes on after a cursor. Default: the first request with `Last-Event-ID`. */
  resume?: (cursor: string) => Call
  /** False where nothing can be read again: a cut is then the end. Asked when it happens. */
  resumable?: () => boolean
  /**
   * False when the first request must not be sent twice, because it would begin a second deliberation:
   * before the first event only a request that was turned away is repeated. Default true.
   */
  repeatable?: boolean
  /** Asked when a stream ended in order without anything new: is the deliberation over at this place? */
  isOver?: (cursor: string) => Promise<boolean>
  /** How requests are sent. Default: as they are. */
  send?: Send
  /** Fetches the snapshot when the log answers 410. */
  snapshot?: (cursor: string) => Promise<{ snapshot: Snapshot; cursor: string }>
  signal?: AbortSignal
  env?: Partial<Env>
  onState?: (state: State) => void
  /** Told of every event before the reader gets it. */
  onEvent?: (event: Event) => void
  /** Told once per connection when what arrives was held back on the way. */
  onHeld?: (held: Held) => void
  /** Without a byte for this long the connection counts as cut. Default 20 s: ten heartbeats. */
  silenceMs?: number
  /** The same for the time until the answer begins. Default: `silenceMs`. */
  answerMs?: number
  /** Tries in a row without one new event before giving up. Default 12, about four minutes. */
  maxAttempts?: number
  /** The longest pause between two tries. Default 30 s. */
  maxDelayMs?: number
}

const RETRY_MS = 1000
/** A server's own word is honoured up to this long. */
const MAX_RETRY_AFTER_MS = 300_000
/** Two clocks on one machine, and the `Date` header's whole seconds, stay within this. */
const SKEW_MS = 2000
/** An event this much older than the request was there before us. */
const FRESH_MS = 1000
/** Gaps at one place that a new connection may mend before the log itself is called broken. */
const MAX_GAPS = 3

type Ending =
  | { name: 'over' }
  | { name: 'paused' }
  | { name: 'again'; problem: Problem | undefined }
  | { name: 'gone'; problem: Problem }

/**
 * Reads one deliberation to its end, over as many connections as that takes. Iterate it once:
 * `for await (const entry of connection)`. Leaving the loop closes the connection; it never stops
 * the deliberation.
 */
export class Connection implements Reader {
  readonly #options: Options
  readonly #env: Env
  readonly #send: Send
  readonly #closed = new AbortController()
  #state: State = { name: 'connecting', attempt: 1 }
  #cursor: string | undefined
  #at: Place | undefined
  #attempt = 1
  #gaps = 0
  #resumed = false
  #paused: string | undefined
  /** The last event says that the door's time is over: the stream ends here, and not by a cut. */
  #suspended = false
  #retry = RETRY_MS
  #wake: (() => void) | undefined

  constructor(options: Options) {
    this.#options = options
    this.#env = { ...realEnv, ...options.env }
    this.#send = options.send ?? sender(this.#env, open)
    if (options.after !== undefined && options.after !== '0') this.#moveTo(options.after)
    const outer = options.signal
    if (outer?.aborted) this.close()
    outer?.addEventListener('abort', () => this.close(), { once: true })
  }

  /** The last place read; a later connection goes on from here. */
  get cursor(): string | undefined {
    return this.#cursor
  }

  get state(): State {
    return this.#state
  }

  /** The signed state it was paused with, when the stream ended so. */
  get paused(): string | undefined {
    return this.#paused
  }

  /** Ends the waiting between two tries. */
  retryNow(): void {
    this.#wake?.()
  }

  /** Closes the connection. The deliberation goes on. */
  close(): void {
    this.#closed.abort()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Entry, void, undefined> {
    try {
      for (;;) {
        if (this.#closed.signal.aborted) return
        this.#set({ name: 'connecting', attempt: this.#attempt })
        const ending = yield* this.#once()
        if (this.#closed.signal.aborted) return
        if (ending.name === 'over' || ending.name === 'paused') {
          this.#set({ name: ending.name })
          return
        }
        if (ending.name === 'gone') yield* this.#fromSnapshot(ending.problem)
        else {
          this.#mayGoOn(ending.problem)
          await this.#pause(ending.problem)
        }
      }
    } catch (error) {
      if (this.#closed.signal.aborted) return
      const problem = error instanceof Problem ? error : noAnswer(error)
      this.#set({ name: 'failed', problem })
      throw problem
    } finally {
      const ended = this.#state.name
      if (ended !== 'over' && ended !== 'paused' && ended !== 'failed')
        this.#set({ name: 'closed' })
      this.#closed.abort()
    }
  }

  #set(state: State): void {
    this.#state = state
    this.#options.onState?.(state)
  }

  #moveTo(id: string): void {
    this.#cursor = id
    this.#at = parseCursor(id)
  }

  /** Throws where going on would ask for something twice, or for something that nobody keeps. */
  #mayGoOn(problem: Problem | undefined): void {
    const { repeatable = true, resumable } = this.#options
    if (this.#cursor === undefined) {
      if (repeatable || problem?.turnedAway) return
      throw (
        problem ??
        new Problem({
          status: 0,
          code: 'nothing_came',
          message: 'the stream ended without an event',
        })
      )
    }
    if (resumable?.() ?? true) return
    throw new Problem({
      status: 0,
      code: 'cut_for_good',
      message: problem?.message ?? 'the stream ended before its last event',
      cause: problem,
    })
  }

  #call(): Call {
    const { url, method, headers, body, resume } = this.#options
    const first: Call = { url }
    if (method !== undefined) first.method = method
    if (headers !== undefined) first.headers = headers
    if (body !== undefined) first.body = body
    const cursor = this.#cursor
    if (cursor === undefined) return first
    if (resume) return resume(cursor)
    return { ...first, headers: { ...first.headers, 'last-event-id': cursor } }
  }

  /** One connection, from request to its end. */
  async *#once(): AsyncGenerator<Entry, Ending, undefined> {
    const attempt = new AbortController()
    const cut = (): void => attempt.abort()
    this.#closed.signal.addEventListener('abort', cut, { once: true })
    const { silenceMs = 20_000, answerMs = silenceMs } = this.#options
    const watch = new Watchdog(this.#env, answerMs, cut)
    const unwake = this.#env.onWake(() => watch.check())
    try {
      const asked = this.#env.now()
      const response = await this.#request(this.#call(), attempt.signal)
      watch.fed()
      watch.limit(silenceMs)
      if (response.status === 204) return { name: 'over' }
      const refused = await this.#refusal(response, asked)
      if (refused) return refused
      const caughtUp = asked - FRESH_MS + skewOf(response, asked, this.#env.now())
      return yield* this.#body(response, attempt.signal, watch, caughtUp)
    } catch (error) {
      if (error instanceof Problem && !error.transient) throw error
      const problem = error instanceof Problem ? error : noAnswer(error)
      return { name: 'again', problem }
    } finally {
      watch.stop()
      unwake()
      this.#closed.signal.removeEventListener('abort', cut)
      attempt.abort()
    }
  }

  async #request(call: Call, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { accept: 'text/event-stream', ...call.headers }
    const { url, method = 'GET' } = call
    if (call.body === undefined)
      return aborted(signal, this.#send({ url, method, headers }, signal))
    headers['content-type'] = 'application/json'
    const body = JSON.stringify(call.body)
    return aborted(signal, this.#send({ url, method, headers, body }, signal))
  }

  /** What an answer other than a stream means; undefined when it is the stream. */
  async #refusal(response: Response, asked: number): Promise<Ending | undefined> {
    const now = this.#env.now()
    if (!response.ok) {
      const problem = await problemOf(response, now, asked)
      if (problem.status === 410 && this.#options.snapshot && this.#cursor !== undefined)
        return { name: 'gone', problem }
      throw problem
    }
    const type = response.headers.get('content-type') ?? ''
    if (type.includes('text/event-stream') && response.body) return undefined
    const said = type.includes('json') ? await jsonOf(response) : {}
    if (isDoorFrame(said)) throw problemOfDoorFrame(said)
    throw new Problem({
      status: response.status,
      code: 'not_a_stream',
      message: `the address answered ${type === '' ? 'nothing' : type} instead of an event stream`,
      html: isHtml(response),
      elapsed: now - asked,
      ...(response.url === '' ? {} : { url: response.url }),
    })
  }

  async *#body(
    response: Response,
    signal: AbortSignal,
    watch: Watchdog,
    caughtUp: number,
  ): AsyncGenerator<Entry, Ending, undefined> {
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    const decoder = new SseDecoder()
    const flow = new Flow()
    let told = false
    const measure = (over: boolean): void => {
      const held = told ? undefined : flow.held(over)
      if (held) this.#options.onHeld?.(held)
      told ||= held !== undefined
    }
    this.#set({ name: 'live', resumed: this.#resumed })
    let replay = true
    let fresh = false
    try {
      for (;;) {
        const { done, value } = await aborted(signal, reader.read())
        watch.fed()
        if (done) {
          measure(true)
          return await this.#ended(fresh)
        }
        const arrived = this.#env.now()
        for (const frame of decoder.push(value)) {
          const entry = this.#accept(frame)
          if (!entry) continue
          fresh = true
          const said = Date.parse(entry.event.timestamp)
          replay &&= said < caughtUp
          if (!replay) flow.take(said, arrived)
          const over = isLast(entry.event.type)
          measure(over)
          this.#options.onEvent?.(entry.event)
          yield { ...entry, replay }
          if (over) return { name: 'over' }
        }
        this.#retry = decoder.retry ?? this.#retry
      }
    } catch (error) {
      if (error instanceof FrameTooLarge)
        throw new Problem({ status: 200, code: 'frame_too_large', message: error.message })
      throw error
    } finally {
      // The body of a reader that left, or of a deliberation that is over, is not read to its end.
      reader.cancel().catch(() => {})
    }
  }

  /** What the orderly end of a stream means. `fresh`: something new came on it. */
  async #ended(fresh: boolean): Promise<Ending> {
    if (this.#suspended) return { name: 'paused' }
    const cursor = this.#cursor
    const { isOver } = this.#options
    if (!fresh && cursor !== undefined && isOver && (await isOver(cursor))) return { name: 'over' }
    return { name: 'again', problem: undefined }
  }

  /** Returns the entry of a frame that is new, undefined for one to skip; throws on a door frame. */
  #accept(frame: Frame): (Entry & { kind: 'event' }) | undefined {
    const event = parseEvent(frame.data)
    if (!event) return undefined
    if (event.type === 'error' && frame.id === undefined && event.seq === undefined)
      throw problemOfDoorFrame(event as unknown as Record<string, unknown>)
    const place = frame.id === undefined ? undefined : parseCursor(frame.id)
    const generation = place?.generation ?? this.#at?.generation ?? 1
    const seq = place?.seq ?? event.seq
    if (!this.#isNew(generation, seq, event)) return undefined
    this.#cursor = frame.id ?? this.#cursor
    const deliberation = place?.deliberation ?? this.#at?.deliberation ?? event.trace_id
    this.#at = { deliberation, generation, seq }
    this.#attempt = 1
    this.#gaps = 0
    this.#resumed = true
    this.#paused = event.type === 'paused' ? event.data.state : undefined
    this.#suspended =
      event.type === 'paused' &&
      (event.data.reason === 'deadline' || event.data.state !== undefined)
    return { kind: 'event', id: frame.id, event, raw: frame.data, replay: false }
  }

  /** The rule of the log: `seq` rises by one, and a new generation begins by taking back. */
  #isNew(generation: number, seq: number, event: Event): boolean {
    const at = this.#at
    if (at === undefined) {
      if (seq > 1) this.#gap(0, seq)
      return true
    }
    if (generation < at.generation) return false
    if (generation === at.generation) {
      if (seq <= at.seq) return false
      if (seq > at.seq + 1) this.#gap(at.seq, seq)
      return true
    }
    if (event.type !== 'rewind' || event.data.to > at.seq) this.#gap(at.seq, seq)
    return true
  }

  /** Something is missing between two events: read again from the last good place. */
  #gap(from: number, to: number): never {
    this.#gaps++
    throw new Problem({
      status: this.#gaps < MAX_GAPS ? 0 : 200,
      code: 'gap',
      message: `events ${from + 1} to ${to - 1} are missing from the stream`,
    })
  }

  async *#fromSnapshot(problem: Problem): AsyncGenerator<Entry, void, undefined> {
    const fetchSnapshot = this.#options.snapshot
    const cursor = this.#cursor
    if (!fetchSnapshot || cursor === undefined) throw problem
    // A log that refuses the cursor of its own snapshot would send us round for ever.
    if (++this.#attempt > (this.#options.maxAttempts ?? 12)) throw problem
    const got = await fetchSnapshot(cursor)
    this.#moveTo(got.cursor)
    this.#resumed = true
    yield { kind: 'snapshot', snapshot: got.snapshot, cursor: got.cursor }
  }

  /** Waits before the next try; a wake-up (network back, tab visible, the user) ends it early. */
  async #pause(problem: Problem | undefined): Promise<void> {
    const { maxAttempts = 12, maxDelayMs = 30_000 } = this.#options
    const attempt = this.#attempt++
    if (attempt >= maxAttempts)
      throw (
        problem ??
        new Problem({ status: 0, code: 'cut', message: 'the stream ended before its last event' })
      )
    const backoff = Math.min(this.#retry * 2 ** (attempt - 1), maxDelayMs)
    const jittered = backoff * (0.5 + this.#env.random() / 2)
    const asked = Math.min(problem?.retryAfter ?? 0, MAX_RETRY_AFTER_MS)
    const delay = Math.max(jittered, asked)
    this.#set({ name: 'waiting', attempt, until: this.#env.now() + delay, problem })
    await this.#sleep(delay)
    while (!this.#env.online() && !this.#closed.signal.aborted) {
      this.#set({ name: 'offline' })
      await this.#sleep(maxDelayMs)
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel()
        unwake()
        this.#wake = undefined
        this.#closed.signal.removeEventListener('abort', done)
        resolve()
      }
      const cancel = this.#env.after(ms, done)
      const unwake = this.#env.onWake(done)
      this.#wake = done
      this.#closed.signal.addEventListener('abort', done, { once: true })
      if (this.#closed.signal.aborted) done()
    })
  }
}

/** Opens a deliberation for reading. See {@link Connection}. */
export const connect = (options: Options): Connection => new Connection(options)

/** Cuts a connection that has been silent for too long; heartbeats count as life. */
class Watchdog {
  readonly #env: Env
  #silence: number
  readonly #bark: () => void
  #last: number
  #cancel: () => void

  constructor(env: Env, silence: number, bark: () => void) {
    this.#env = env
    this.#silence = silence
    this.#bark = bark
    this.#last = env.now()
    this.#cancel = this.#arm(silence)
  }

  /** Bytes came. Cheap: the timer is not moved, it looks again when it fires. */
  fed(): void {
    this.#last = this.#env.now()
  }

  /** From now on this much silence is too much. */
  limit(silence: number): void {
    this.#silence = silence
    this.check()
  }

  /** Looks now: a machine that slept has timers that are late. */
  check(): void {
    const left = this.#silence - (this.#env.now() - this.#last)
    this.#cancel()
    if (left <= 0) this.#bark()
    else this.#cancel = this.#arm(left)
  }

  stop(): void {
    this.#cancel()
  }

  #arm(ms: number): () => void {
    return this.#env.after(ms, () => this.check())
  }
}

const parseEvent = (data: string): Event | undefined => {
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    // Not ours: some fronts let a program's own output through between the events.
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { type, data: inner } = value as Record<string, unknown>
  if (typeof type !== 'string' || typeof inner !== 'object' || inner === null)
    return type === 'error' ? (value as Event) : undefined
  return value as Event
}

const jsonOf = async (response: Response): Promise<Record<string, unknown>> => {
  const value: unknown = await response.json().catch(() => undefined)
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

/** Settles with `work`, or rejects as soon as `signal` aborts, whichever is first. */
const aborted = <T>(signal: AbortSignal, work: Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const stop = (): void => reject(new Error('the connection was cut'))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })

/**
 * How far the server's clock is ahead of ours. A hop that holds an answer back may date it at its end,
 * so a date between asking and hearing says nothing about clocks.
 */
function skewOf(response: Response, asked: number, heard: number): number {
  const date = Date.parse(response.headers.get('date') ?? '')
  return date < asked - SKEW_MS || date > heard + SKEW_MS ? date - heard : 0
}
