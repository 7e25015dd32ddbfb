import {
  doneOf,
  EMPTY,
  fold,
  isLast,
  Problem,
  randomHex,
  viewOf,
  type Done,
  type Door,
  type Entry,
  type Event,
  type Held,
  type Invocations,
  type Question,
  type Reader,
  type Reading,
  type Sage,
  type Snapshot,
  type State,
  type Verb,
  type View,
} from '@magi/stream'
import type { Archive, Line, Part, Trouble } from './archive.ts'
import { noted, replayed, type NetMark } from './net.ts'
import type { Told } from './record.ts'
import { later, Reel } from './reel.ts'
import { tab } from './storage.ts'

/** What a verb was meant for: its refusal is shown beside that. */
export type Target = 'all' | Sage | 'judge' | 'note' | 'after'

/** What was refused, and why. */
export interface Refusal {
  verb: Verb
  problem: Problem
}

/** How fast a playback goes; `instant` is at its end at once. */
export type Pace = 1 | 2 | 8 | 'instant'

/** A playback of what happened. Times are milliseconds since the log's first event. */
export interface Playback {
  pace: Pace
  playing: boolean
  at: number
  length: number
}

/** Everything the deliberation screen shows. A new object at most once per animation frame. */
export interface Shown {
  view: View
  connection: State | undefined
  /** The question on its way, until the log says it. */
  asked: Question | undefined
  /** The verbs under way, as `verb:target`; a stop of all is one until the log has ended. */
  doing: ReadonlySet<string>
  /** The last refusal of each target. */
  refusals: Readonly<Partial<Record<Target, Refusal>>>
  playback: Playback | undefined
  /** Events read so far, so that whoever draws them all knows of each. */
  count: number
  /** What happened to the connection while this page was reading. */
  net: readonly NetMark[]
  /** What arrived was held back on the way. */
  held: Held | undefined
  /** The page's own copy could not be written. */
  unkept: Trouble | undefined
  /** When the request that has no answer yet was sent, in milliseconds since the epoch. */
  askedAt: number | undefined
  /** This machine's clock less the log's, in milliseconds. */
  skew: number
}

/** What is told to screen readers: facts of now, never of the replay. */
export type Moment = { event: Event; view: View } | { connection: State; before: State | undefined }

const START: Shown = {
  view: EMPTY,
  connection: undefined,
  asked: undefined,
  doing: new Set(),
  refusals: {},
  playback: undefined,
  count: 0,
  net: [],
  held: undefined,
  unkept: undefined,
  askedAt: undefined,
  skew: 0,
}

const PENDING = 'magi.asked'
const STOP_ALL = 'stop:all'

/** How much earlier than a reload began the address may have changed, without the reload knowing, in milliseconds. */
const UNKNOWING = 1000

const isReload = (): boolean =>
  performance.getEntriesByType('navigation').some((one) => 'type' in one && one.type === 'reload')

/** A playback moves on this often, in milliseconds. */
const TICK = 40

/**
 * One deliberation on the screen: reads its events, folds them, and tells the screen once per frame.
 * It holds no timer and no connection that `leave` does not end. Leaving never stops a deliberation.
 */
export class Room {
  readonly #door: Door
  readonly #archive: Archive | undefined
  readonly #listeners = new Set<() => void>()
  #shown: Shown = START
  /** Set between a change and the frame that shows it. */
  #next: Shown = START
  #painting = false
  #connection: Reader | undefined
  /** What was said in an earlier part of the story is not said again. */
  #said: ReadonlySet<string> = new Set()
  #follows: string | undefined
  /** What a verb has linked and nobody has read yet. */
  readonly #linked = new Set<string>()
  #events: Event[] = []
  #reel: Reel | undefined
  /** The same as it came, by deliberation: what a record is made of where no server keeps one. */
  #told: { id: string; lines: Line[] }[] = []
  #id: string | undefined
  #player: ReturnType<typeof setTimeout> | undefined
  /** Called when the log has given the deliberation its id. */
  onId: (id: string) => void = () => {}
  onMoment: (moment: Moment) => void = () => {}

  constructor(door: Door, archive?: Archive) {
    this.#door = door
    this.#archive = archive
    if (archive) archive.onTrouble = (unkept) => this.#change({ unkept })
  }

  subscribe = (call: () => void): (() => void) => {
    this.#listeners.add(call)
    return () => this.#listeners.delete(call)
  }

  shown = (): Shown => this.#shown

  get id(): string | undefined {
    return this.#id
  }

  /**
   * Puts a question. Where the door keeps keys it is kept in the tab until it has an id, so that a
   * reload asks the same once; elsewhere asking again would be a second deliberation.
   */
  ask(question: Question): void {
    const key = question.idempotency_key ?? randomHex(16)
    const asked = { ...question, idempotency_key: key }
    tab.write(PENDING, JSON.stringify({ ...asked, keyed: this.#door.keyed }))
    this.#begin(undefined, { ...START, asked })
    void this.#read((reading) => this.#door.ask(asked, reading))
  }

  /**
   * Goes on with a question that a reload interrupted before it had an id in the address. Returns true
   * when it is being asked, its text when only the person can decide to ask again, and its id where it
   * has one: a reload that was under way when the id came does not take the address along.
   */
  recover(): boolean | string | { id: string } {
    const saved = tab.read(PENDING)
    if (saved === undefined) return false
    tab.write(PENDING, undefined)
    try {
      const { keyed, id, at, ...asked } = JSON.parse(saved) as Question
      // Whoever came here by the address, or reloads the start page later, wants the start page.
      if (typeof id === 'string')
        return isReload() && Number(at) > performance.timeOrigin - UNKNOWING && { id }
      if (keyed !== true) return asked.question
      this.ask(asked)
      return true
    } catch {
      return false
    }
  }

  /** Shows a deliberation from its beginning, live or finished. */
  open(id: string): void {
    if (this.#id === id && this.#connection) return
    this.#begin(id, START)
    if (this.#archive) void this.#reopen(id, this.#archive)
    else void this.#read((reading) => this.#door.follow(id, reading))
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

  /** Shows the page's own copy, then goes on at the door where that can be. */
  async #reopen(id: string, archive: Archive): Promise<void> {
    let parts: Part[]
    try {
      parts = await archive.story(id)
    } catch {
      this.#change({ unkept: 'unavailable' })
      parts = []
    }
    if (this.#id !== id) return
    const last = parts.at(-1)
    const door = this.#door as Invocations
    // One that was just linked has not been read yet.
    if (!last && this.#linked.delete(id))
      return void this.#read((reading) => door.follow(id, reading))
    if (!last) return this.#fail('not_kept', 'this browser keeps no copy of it')
    for (const { row, lines } of parts) {
      door.bind(row.id, row.session)
      this.#told.push({ id: row.id, lines: [...lines] })
      for (const { raw } of lines) this.#events.push(JSON.parse(raw) as Event)
    }
    if (last.row.id !== id) {
      // An earlier part of the story was named: the address follows to its newest.
      this.#id = last.row.id
      this.onId(last.row.id)
    }
    const view = this.#events.reduce(fold, EMPTY)
    this.#change({ view, count: this.#events.length })
    if (view.end) return this.#state({ name: 'over' })
    const newest = this.#events.at(-1)
    const state = newest?.type === 'paused' ? newest.data.state : undefined
    this.#follows = last.row.id
    if (state !== undefined) return void this.#read((reading) => door.goOn(state, reading))
    if (!view.capabilities.includes('resume'))
      return this.#fail('cut_for_good', 'the page was left before the end')
    const after = last.lines.at(-1)?.cursor ?? '0'
    return void this.#read((reading) => door.follow(last.row.id, { ...reading, after }))
  }

  #fail(code: string, message: string): void {
    this.#state({ name: 'failed', problem: new Problem({ status: 200, code, message }) })
  }

  retryNow(): void {
    this.#connection?.retryNow()
  }

  /** Stops all. Before the question has its id the wish is kept, and said as soon as it has one. */
  async stop(): Promise<void> {
    if (this.#next.doing.has(STOP_ALL) || this.whole.end) return
    if (this.#id !== undefined) return void (await this.act('all', 'stop'))
    if (this.#next.asked) this.#change({ doing: this.#doing(STOP_ALL, true) })
  }

  /**
   * Does something to this deliberation. While the same is under way for the same target nothing more
   * is sent, so that a double press is one wish. Returns undefined where it was refused, which is then
   * shown beside the target.
   */
  async act(
    target: Target,
    verb: Verb,
    body: Record<string, unknown> = {},
  ): Promise<Done | undefined> {
    const id = this.#id
    const name = `${verb}:${target}`
    if (id === undefined || this.#next.doing.has(name)) return undefined
    const { [target]: _, ...refusals } = this.#next.refusals
    this.#change({ doing: this.#doing(name, true), refusals })
    try {
      const done = doneOf(await this.#door.verb(verb, id, body), id)
      for (const linked of [done.id, ...done.ids]) if (linked !== id) this.#linked.add(linked)
      if (name !== STOP_ALL && this.#id === id) this.#change({ doing: this.#doing(name, false) })
      return this.#id === id ? done : undefined
    } catch (error) {
      if (this.#id !== id) return undefined
      const refusal: Refusal = { verb, problem: asProblem(error) }
      const all = { ...this.#next.refusals, [target]: refusal }
      this.#change({ doing: this.#doing(name, false), refusals: all })
      return undefined
    }
  }

  /** Takes a refusal that was read off the screen. */
  forgive(target: Target): void {
    const { [target]: _, ...refusals } = this.#next.refusals
    this.#change({ refusals })
  }

  #doing(name: string, on: boolean): ReadonlySet<string> {
    const doing = new Set(this.#next.doing)
    if (on) doing.add(name)
    else doing.delete(name)
    return doing
  }

  /** Takes the deliberation off the screen; it goes on where it runs. */
  leave(): void {
    tab.write(PENDING, undefined)
    this.#begin(undefined, START)
  }

  get told(): readonly Told[] {
    return this.#told
  }

  get canPlay(): boolean {
    return this.#events[0]?.type === 'start' && this.#events.length > 2
  }

  /** Everything that was read, on its time. */
  get reel(): Reel {
    return (this.#reel ??= new Reel(this.#events))
  }

  /** What there is by now, whatever moment of it is shown. */
  get whole(): View {
    return this.#next.playback ? this.reel.viewAt(this.reel.length) : this.#next.view
  }

  /** Plays back what happened, from its beginning. Nothing is asked of anyone. */
  play(pace: Pace = 1): void {
    this.#playback({ pace, playing: true, at: 0, length: this.reel.length })
  }

  /** Shows one moment; a playback that runs goes on from there. */
  seek(at: number): void {
    const { length } = this.reel
    const { pace = 1, playing = false } = this.#next.playback ?? {}
    this.#playback({
      pace: pace === 'instant' ? 1 : pace,
      playing,
      at: Math.min(Math.max(at, 0), length),
      length,
    })
  }

  setPace(pace: Pace): void {
    const now = this.#next.playback
    if (now) this.#playback({ ...now, pace })
  }

  /** Halts the playback, or lets it go on; at its end it begins again. */
  togglePlay(): void {
    const now = this.#next.playback
    if (!now) return this.play()
    const over = now.at >= now.length
    if (!now.playing && over) return this.play(now.pace === 'instant' ? 1 : now.pace)
    this.#playback({ ...now, playing: !now.playing })
  }

  /** Ends the playback and shows the whole again. */
  endPlay(): void {
    clearTimeout(this.#player)
    this.#change({ view: this.#events.reduce(fold, EMPTY), playback: undefined })
  }

  #playback(to: Playback): void {
    clearTimeout(this.#player)
    const instant = to.playing && to.pace === 'instant'
    const at = instant ? to.length : to.at
    const playing = to.playing && at < to.length
    this.#change({ view: this.reel.viewAt(at), playback: { ...to, at, playing } })
    if (!playing) return
    const from = performance.now()
    this.#player = setTimeout(() => {
      const now = this.#next.playback
      if (!now || now.pace === 'instant') return
      const on = later(this.reel, now.at, (performance.now() - from) * now.pace)
      this.#playback({ ...now, at: on, length: this.reel.length })
    }, TICK)
  }

  #begin(id: string | undefined, shown: Shown): void {
    clearTimeout(this.#player)
    const old = this.#connection
    this.#connection = undefined
    old?.close()
    this.#events = []
    this.#reel = undefined
    this.#told = []
    this.#said = new Set()
    this.#follows = undefined
    this.#id = id
    this.#next = { ...shown, unkept: this.#archive?.trouble }
    this.#paint()
  }

  async #read(open: (reading: Reading) => Reader): Promise<void> {
    const mine = (): boolean => this.#connection === connection
    // The last word of a connection that was left belongs to no screen.
    const connection: Reader = open({
      onState: (state) => mine() && this.#state(state),
      onHeld: (held) => mine() && this.#change({ held }),
    })
    this.#connection = connection
    try {
      for await (const entry of connection) {
        if (!mine()) return
        this.#take(entry)
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      // A refused question is not asked again by a reload.
      if (!error.transient) tab.write(PENDING, undefined)
    }
  }

  #take(entry: Entry): void {
    if (entry.kind === 'snapshot') return this.#snapshot(entry.snapshot)
    if (entry.kind === 'linked') {
      this.#id = undefined
      this.#follows = entry.from
      return
    }
    const { event, raw, id } = entry
    if (this.#archive) {
      const line: Line = { cursor: id, raw }
      if (this.#told.at(-1)?.id !== event.trace_id)
        this.#told.push({ id: event.trace_id, lines: [] })
      this.#told.at(-1)?.lines.push(line)
      this.#archive.keep(event, line, this.#follows)
    }
    this.#event(event, entry.replay)
  }

  #event(event: Event, replay: boolean): void {
    this.#events.push(event)
    if (event.trace_id !== this.#id) {
      this.#id = event.trace_id
      tab.write(PENDING, JSON.stringify({ id: event.trace_id, at: Date.now() }))
      this.onId(event.trace_id)
      if (this.#next.doing.has(STOP_ALL)) this.#stopNow()
    }
    const count = this.#events.length
    const net = replay ? replayed(this.#next.net) : this.#next.net
    const doing = isLast(event.type) ? this.#doing(STOP_ALL, false) : this.#next.doing
    if (this.#next.playback) return this.#change({ count, net, doing })
    const before = this.#next.view
    const view = fold(before, event)
    if (view.parts.length > before.parts.length) this.#said = finished(before)
    const change: Partial<Shown> = { view, askedAt: undefined, count, net, doing }
    if (!replay) change.skew = Date.now() - Date.parse(event.timestamp)
    this.#change(change)
    const known = event.type === 'agent_complete' && this.#said.has(event.agentId)
    if (!replay && !known) this.onMoment({ event, view })
  }

  /** The stop that was wished for before there was an id to name. */
  #stopNow(): void {
    this.#change({ doing: this.#doing(STOP_ALL, false) })
    void this.act('all', 'stop')
  }

  /** The log is no longer whole, so there is nothing to play back; the rest goes on from here. */
  #snapshot(snapshot: Snapshot): void {
    this.#events = []
    this.#reel = undefined
    this.#change({ view: viewOf(snapshot), count: 0 })
  }

  #state(connection: State): void {
    const before = this.#next.connection
    const net = noted(this.#next.net, connection, Date.now() - this.#next.skew)
    const change: Partial<Shown> = { connection, net }
    if (connection.name === 'connecting') change.askedAt = Date.now()
    else if (connection.name !== 'live') change.askedAt = undefined
    this.#change(change)
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

/** The sages whose vote is in. */
const finished = (view: View): ReadonlySet<string> =>
  new Set(Object.entries(view.sages).flatMap(([name, lane]) => (lane.vote ? [name] : [])))
