import {
  EMPTY,
  fold,
  Problem,
  viewOf,
  type Client,
  type Connection,
  type Event,
  type Question,
  type Snapshot,
  type State,
  type View,
} from '@magi/stream'
import { tab } from './storage.ts'

/** Everything the deliberation screen shows. A new object at most once per animation frame. */
export interface Shown {
  view: View
  connection: State | undefined
  /** The question on its way, until the log says it. */
  asked: Question | undefined
  /** A stop was asked for and the log has not ended yet. */
  stopping: boolean
  /** A refusal of a verb, shown beside what is on the screen. */
  problem: Problem | undefined
  playback: { speed: number } | undefined
  /** This machine's clock less the log's, in milliseconds. */
  skew: number
}

/** What is told to screen readers: facts of now, never of the replay. */
export type Moment = { event: Event; view: View } | { connection: State; before: State | undefined }

const START: Shown = {
  view: EMPTY,
  connection: undefined,
  asked: undefined,
  stopping: false,
  problem: undefined,
  playback: undefined,
  skew: 0,
}

const PENDING = 'magi.asked'
/** The longest silence a playback keeps, in milliseconds. */
const MAX_SILENCE = 4000

/**
 * One deliberation on the screen: reads its events, folds them, and tells the screen once per frame.
 * It holds no timer and no connection that `leave` does not end. Leaving never stops a deliberation.
 */
export class Room {
  readonly #client: Client
  readonly #listeners = new Set<() => void>()
  #shown: Shown = START
  /** Set between a change and the frame that shows it. */
  #next: Shown = START
  #painting = false
  #connection: Connection | undefined
  #events: Event[] = []
  #id: string | undefined
  #player: ReturnType<typeof setTimeout> | undefined
  /** Called when the log has given the deliberation its id. */
  onId: (id: string) => void = () => {}
  onMoment: (moment: Moment) => void = () => {}

  constructor(client: Client) {
    this.#client = client
  }

  subscribe = (call: () => void): (() => void) => {
    this.#listeners.add(call)
    return () => this.#listeners.delete(call)
  }

  shown = (): Shown => this.#shown

  get id(): string | undefined {
    return this.#id
  }

  /** Puts a question. It is kept in the tab until it has an id, so that a reload asks the same once. */
  ask(question: Question): void {
    const key = question.idempotency_key ?? newKey()
    const asked = { ...question, idempotency_key: key }
    tab.write(PENDING, JSON.stringify(asked))
    this.#begin(undefined, { ...START, asked })
    void this.#read((onState) => this.#client.ask(asked, { onState }))
  }

  /** Goes on with a question that a reload interrupted before it had an id. */
  recover(): boolean {
    const saved = tab.read(PENDING)
    if (saved === undefined) return false
    try {
      this.ask(JSON.parse(saved) as Question)
      return true
    } catch {
      tab.write(PENDING, undefined)
      return false
    }
  }

  /** Shows a deliberation from its beginning, live or finished. */
  open(id: string): void {
    if (this.#id === id && this.#connection) return
    this.#begin(id, START)
    void this.#read((onState) => this.#client.follow(id, { onState }))
  }

  /** Goes on reading after a failed connection. */
  again(): void {
    const { asked } = this.#next
    if (this.#id !== undefined) {
      const id = this.#id
      this.#id = undefined
      this.open(id)
    } else if (asked) this.ask(asked)
  }

  retryNow(): void {
    this.#connection?.retryNow()
  }

  async stop(): Promise<void> {
    if (this.#id === undefined || this.#next.stopping) return
    this.#change({ stopping: true, problem: undefined })
    try {
      await this.#client.stop(this.#id)
    } catch (error) {
      this.#change({ stopping: false, problem: asProblem(error) })
    }
  }

  /** Starts the linked deliberation that goes on with the stored votes; returns its id. */
  async resume(): Promise<string | undefined> {
    if (this.#id === undefined) return undefined
    try {
      return await this.#client.resume(this.#id)
    } catch (error) {
      this.#change({ problem: asProblem(error) })
      return undefined
    }
  }

  /** Takes the deliberation off the screen; it goes on where it runs. */
  leave(): void {
    tab.write(PENDING, undefined)
    this.#begin(undefined, START)
  }

  get canPlay(): boolean {
    return this.#events[0]?.type === 'start' && this.#events.length > 2
  }

  /** Plays back what happened, in its own rhythm times `speed`. Nothing is asked of anyone. */
  play(speed: number): void {
    clearTimeout(this.#player)
    this.#change({ view: EMPTY, playback: { speed } })
    this.#playFrom(0)
  }

  /** Changes the pace from the next event on. */
  setSpeed(speed: number): void {
    if (this.#next.playback) this.#change({ playback: { speed } })
  }

  /** Ends the playback and shows the whole again. */
  endPlay(): void {
    clearTimeout(this.#player)
    this.#change({ view: this.#events.reduce(fold, EMPTY), playback: undefined })
  }

  #playFrom(index: number): void {
    const event = this.#events[index]
    const { playback } = this.#next
    if (!event || !playback) {
      this.#change({ playback: undefined })
      return
    }
    this.#change({ view: fold(this.#next.view, event) })
    const following = this.#events[index + 1]
    const gap = following ? Date.parse(following.timestamp) - Date.parse(event.timestamp) : 0
    const wait = Math.min(Math.max(gap, 0), MAX_SILENCE) / playback.speed
    this.#player = setTimeout(() => this.#playFrom(index + 1), wait)
  }

  #begin(id: string | undefined, shown: Shown): void {
    clearTimeout(this.#player)
    const old = this.#connection
    this.#connection = undefined
    old?.close()
    this.#events = []
    this.#id = id
    this.#next = shown
    this.#paint()
  }

  async #read(open: (onState: (state: State) => void) => Connection): Promise<void> {
    const connection: Connection = open((state) => {
      // The last word of a connection that was left belongs to no screen.
      if (this.#connection === connection) this.#state(state)
    })
    this.#connection = connection
    try {
      for await (const entry of connection) {
        if (this.#connection !== connection) return
        if (entry.kind === 'event') this.#event(entry.event, entry.replay)
        else this.#snapshot(entry.snapshot)
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      // A refused question is not asked again by a reload.
      if (!error.transient) tab.write(PENDING, undefined)
    }
  }

  #event(event: Event, replay: boolean): void {
    this.#events.push(event)
    if (this.#id === undefined) {
      this.#id = event.trace_id
      tab.write(PENDING, undefined)
      this.onId(event.trace_id)
    }
    if (this.#next.playback) return
    const view = fold(this.#next.view, event)
    const change: Partial<Shown> = { view }
    if (!replay) change.skew = Date.now() - Date.parse(event.timestamp)
    if (view.end) change.stopping = false
    this.#change(change)
    if (!replay) this.onMoment({ event, view })
  }

  /** The log is no longer whole, so there is nothing to play back; the rest goes on from here. */
  #snapshot(snapshot: Snapshot): void {
    this.#events = []
    this.#change({ view: viewOf(snapshot) })
  }

  #state(connection: State): void {
    const before = this.#next.connection
    this.#change({ connection })
    this.onMoment({ connection, before })
  }

  #change(change: Partial<Shown>): void {
    this.#next = { ...this.#next, ...change }
    this.#paint()
  }

  /** However many tokens arrive, the screen is drawn once per frame. A hidden tab has no frames. */
  #paint(): void {
    if (this.#painting) return
    this.#painting = true
    const draw = (): void => {
      this.#painting = false
      this.#shown = this.#next
      for (const call of this.#listeners) call()
    }
    if (document.visibilityState === 'hidden') setTimeout(draw, 250)
    else requestAnimationFrame(draw)
  }
}

const asProblem = (error: unknown): Problem =>
  error instanceof Problem ? error : new Problem({ status: 0, message: String(error) })

const newKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('')
