/** What every role did and when, out of the events of a log: bars, marks, how much was said. */
import {
  isMissing,
  isSage,
  type Agent,
  type AgentComplete,
  type Event,
  type JudgeComplete,
  type Trace as Span,
} from '@magi/stream'
import type { NetMark } from './net.ts'

export type Actor = Agent | 'net'
/** `panel`: several models judge in the judge's place, and nothing is said until all have ended. */
export type BarKind = 'connecting' | 'panel' | 'thinking' | 'writing' | 'retrying' | 'paused'
export type MarkKind =
  | 'vote'
  | 'missing'
  | 'judged'
  | 'member'
  | 'fault'
  | 'gave_up'
  | 'tally'
  | 'verdict'
  | 'stopped'
  | 'failed'
  | 'note'
  | 'verb'
  | 'refused'
  | 'rewind'
  | 'seam'
  | 'lost'
  | 'offline'
  | 'back'

/** A stretch of time in which a role did one thing. Milliseconds since the log's first event. */
export interface Bar {
  kind: BarKind
  from: number
  to: number
  attempt: number
  /** Characters said in it. */
  chars: number
}

/** One thing that happened at a moment. */
export interface Mark {
  kind: MarkKind
  at: number
  /** A decision, a code, a count: what the words need. */
  what: string
  detail: string
  /** Whom a verb was meant for, where it was one of them. */
  agent?: string
}

export interface Said {
  at: number
  chars: number
}

export interface Row {
  actor: Actor
  bars: Bar[]
  marks: Mark[]
  said: Said[]
  attempts: number
  /** From the attempt's start to its first token, in milliseconds. */
  firstTokenMs: number | undefined
  done: AgentComplete | JudgeComplete | undefined
}

export interface Phase {
  name: 'sages' | 'judge'
  from: number
  to: number
}

export interface Trace {
  rows: Row[]
  phases: Phase[]
  /** Where the axis ends, in milliseconds. */
  length: number
  over: boolean
}

interface Building {
  rows: Map<Actor, Row>
  open: Map<Actor, Bar>
  phases: Phase[]
  over: boolean
}

/** Builds the trace of a log. `net` is what this page saw of the connection, on the log's clock. */
export function traceOf(
  events: readonly Event[],
  times: readonly number[],
  net: readonly NetMark[] = [],
): Trace {
  const building: Building = { rows: new Map(), open: new Map(), phases: [], over: false }
  events.forEach((event, index) => take(building, event, times[index] ?? 0))
  const first = Date.parse(events[0]?.timestamp ?? '')
  const length = Math.max(times.at(-1) ?? 0, 1)
  for (const mark of net) addNet(building, mark, Math.min(Math.max(mark.at - first, 0), length))
  for (const actor of building.open.keys()) close(building, actor, length)
  for (const phase of building.phases) if (phase.to === Infinity) phase.to = length
  const order: readonly Actor[] = ['caspar', 'balthasar', 'melchior', 'solomon', 'net']
  const rows = order.map((actor) => building.rows.get(actor)).filter((row) => row !== undefined)
  return { rows, phases: building.phases, length, over: building.over }
}

function rowOf({ rows }: Building, actor: Actor): Row {
  let row = rows.get(actor)
  if (!row) {
    const nothing = { bars: [], marks: [], said: [], attempts: 0 }
    row = { actor, ...nothing, firstTokenMs: undefined, done: undefined }
    rows.set(actor, row)
  }
  return row
}

/** Begins a stretch; the one before ends there. The same again goes on. */
function bar(building: Building, actor: Actor, kind: BarKind, at: number, attempt?: number): Bar {
  const now = building.open.get(actor)
  if (now && now.kind === kind && (attempt === undefined || now.attempt === attempt)) return now
  close(building, actor, at)
  const next: Bar = { kind, from: at, to: at, attempt: attempt ?? now?.attempt ?? 1, chars: 0 }
  building.open.set(actor, next)
  rowOf(building, actor).bars.push(next)
  return next
}

function close(building: Building, actor: Actor, at: number): void {
  const open = building.open.get(actor)
  if (open) open.to = at
  building.open.delete(actor)
}

const mark = (
  building: Building,
  actor: Actor,
  kind: MarkKind,
  at: number,
  what = '',
  detail = '',
): void => void rowOf(building, actor).marks.push({ kind, at, what, detail })

function begin(
  building: Building,
  actor: Actor,
  { attempt, provider }: { attempt: number; provider: string },
  at: number,
): void {
  bar(building, actor, provider === 'panel' ? 'panel' : 'connecting', at, attempt)
  rowOf(building, actor).attempts++
}

function say(building: Building, actor: Actor, text: string, prose: boolean, at: number): void {
  const row = rowOf(building, actor)
  const now = bar(building, actor, prose ? 'writing' : 'thinking', at)
  now.chars += text.length
  row.said.push({ at, chars: text.length })
  if (row.firstTokenMs === undefined) {
    const start = row.bars.findLast(({ kind }) => kind === 'connecting' || kind === 'panel')
    row.firstTokenMs = at - (start?.from ?? at)
  }
}

interface Stumble {
  code: string
  message: string
  retryable: boolean
  attempt: number
}

function stumble(building: Building, actor: Actor, fault: Stumble, at: number): void {
  const { code, message, retryable, attempt } = fault
  mark(building, actor, retryable ? 'fault' : 'gave_up', at, code, message)
  if (retryable) bar(building, actor, 'retrying', at, attempt)
  else close(building, actor, at)
}

function phase({ phases }: Building, name: Phase['name'], at: number): void {
  const last = phases.at(-1)
  if (last?.name === name && last.to === Infinity) return
  if (last && last.to === Infinity) last.to = at
  phases.push({ name, from: at, to: Infinity })
}

function take(building: Building, event: Event, at: number): void {
  switch (event.type) {
    case 'start':
      if (building.rows.size > 0) mark(building, 'net', 'seam', at, event.trace_id)
      for (const sage of event.data.council.sages) rowOf(building, sage)
      rowOf(building, 'solomon')
      rowOf(building, 'net')
      return phase(building, 'sages', at)
    case 'agent_start':
      return begin(building, event.agentId, event.data, at)
    case 'judge_start':
      phase(building, 'judge', at)
      return begin(building, 'solomon', event.data, at)
    case 'agent_thinking':
    case 'agent_chunk':
      if (isSage(event.agentId))
        say(building, event.agentId, event.data.text, event.type === 'agent_chunk', at)
      return
    case 'judge_thinking':
    case 'judge_chunk':
      return say(building, 'solomon', event.data.text, event.type === 'judge_chunk', at)
    case 'agent_error':
      return stumble(building, event.agentId, event.data, at)
    case 'judge_error':
      return stumble(building, 'solomon', event.data, at)
    case 'agent_timeout':
    case 'judge_timeout': {
      const { kind, timeout } = event.data
      const late = { ...event.data, code: `timeout:${kind}`, message: `${timeout} s` }
      const actor = event.type === 'agent_timeout' ? event.agentId : 'solomon'
      return stumble(building, actor, late, at)
    }
    case 'agent_complete': {
      const { agentId: actor, data } = event
      close(building, actor, at)
      rowOf(building, actor).done = data
      const missing = isMissing(data)
      return mark(building, actor, missing ? 'missing' : 'vote', at, data.decision, data.cause)
    }
    case 'judge_complete':
      close(building, 'solomon', at)
      rowOf(building, 'solomon').done = event.data
      return mark(building, 'solomon', 'judged', at, event.data.final_decision)
    default:
      return around(building, event, at)
  }
}

/** What concerns all of them. */
function around(building: Building, event: Event, at: number): void {
  switch (event.type) {
    case 'tally':
      return mark(building, 'net', 'tally', at, event.data.agreement)
    case 'note':
      return mark(building, 'net', 'note', at, event.data.to, event.data.text)
    case 'paused':
      bar(building, 'net', 'paused', at)
      return
    case 'resumed':
      return close(building, 'net', at)
    case 'rewind':
      return mark(building, 'net', 'rewind', at, String(event.data.to))
    case 'trace':
      return span(building, event.data, at)
    case 'complete':
      ending(building, at)
      return mark(building, 'net', 'verdict', at, event.data.final_decision)
    case 'cancelled':
      ending(building, at)
      return mark(building, 'net', 'stopped', at, event.data.by, event.data.reason)
    case 'error':
      ending(building, at)
      return mark(building, 'net', 'failed', at, event.data.code, event.data.message)
    default:
      return undefined
  }
}

/** Verbs that have an event of their own once they are done. */
const TOLD: readonly unknown[] = ['note', 'pause', 'resume']

/** A verb of a person; one that the log tells of by itself is not told twice. */
function verbOf(building: Building, attributes: Span['attributes'], at: number): void {
  const { verb, by = '', agent, refused } = attributes
  const told = TOLD.includes(verb) || (verb === 'stop' && agent === undefined)
  if (told && refused === undefined) return
  rowOf(building, 'net').marks.push({
    kind: refused === undefined ? 'verb' : 'refused',
    at,
    what: String(verb ?? ''),
    detail: by === 'user' ? '' : String(by),
    ...(agent === undefined ? {} : { agent: String(agent) }),
  })
}

/** What a span tells of: a verb, or one of a panel who has ended. */
function span(building: Building, { name, attributes, duration_ms }: Span, at: number): void {
  if (name === 'verb') return verbOf(building, attributes, at)
  if (name !== 'panel.member' || duration_ms === undefined) return
  const { provider, model, error } = attributes
  mark(building, 'solomon', 'member', at, `${provider}:${model}`, String(error ?? ''))
}

function ending(building: Building, at: number): void {
  building.over = true
  for (const actor of [...building.open.keys()]) close(building, actor, at)
  const last = building.phases.at(-1)
  if (last?.to === Infinity) last.to = at
}

function addNet(building: Building, { kind, replayed }: NetMark, at: number): void {
  if (kind === 'lost' || kind === 'failed') mark(building, 'net', 'lost', at)
  else if (kind === 'offline') mark(building, 'net', 'offline', at)
  // The first connection is no news.
  else if (
    rowOf(building, 'net').marks.some((one) => one.kind === 'lost' || one.kind === 'offline')
  )
    mark(building, 'net', 'back', at, String(replayed))
}

/** How much was said in each of `count` equal parts of the axis; the fullest part is 1. */
export function density(said: readonly Said[], length: number, count: number): number[] {
  const bins = new Array<number>(count).fill(0)
  for (const { at, chars } of said) {
    const bin = Math.min(count - 1, Math.floor((at / length) * count))
    bins[bin] = (bins[bin] ?? 0) + chars
  }
  const most = Math.max(...bins, 1)
  return bins.map((chars) => chars / most)
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600]

/** The marks of the axis, in milliseconds: round numbers, at most `most` of them. */
export function ticks(length: number, most: number): number[] {
  const second = length / 1000
  const small = [0.05, 0.1, 0.2, 0.5]
  const step = [...small, ...STEPS].find((one) => second / one <= most) ?? second / most
  const count = Math.floor(second / step + 1e-9)
  return Array.from({ length: count + 1 }, (_, index) => Math.round(index * step * 1000))
}
