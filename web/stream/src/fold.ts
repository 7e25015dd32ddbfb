import { isMilestone, isSage, SAGES } from './contract.ts'
import type {
  AgentComplete,
  Cancelled,
  Complete,
  CouncilInfo,
  Event,
  Failure,
  Fault,
  JudgeComplete,
  LaneOfAgentComplete,
  LaneOfJudgeComplete,
  LaneState,
  Mode,
  Phase,
  Sage,
  Snapshot,
  Tally,
  Trace,
} from './contract.ts'

/** What went wrong with one attempt. */
export interface Trouble {
  attempt: number
  /** An error's code, or the deadline that ran out, as `timeout:idle`. */
  code: string
  message: string
  retryable: boolean
  /** Seconds until the next attempt, where the server said so. */
  retryIn?: number
  /** When it was told, in milliseconds since the epoch. */
  at?: number
}

/** An attempt that a later one took the place of: its text is kept, outside the lane. */
export interface PastAttempt {
  attempt: number
  text: string
  thinking: string
  trouble: Trouble | undefined
  /** What it ended with; undefined where it was given up before its end. */
  answer: AgentComplete | JudgeComplete | undefined
}

/** One role as shown: what it says now, and how it got there. */
export interface Lane {
  state: LaneState
  attempt: number
  provider: string
  model: string
  text: string
  thinking: string
  past: readonly PastAttempt[]
  trouble: Trouble | undefined
  /** Milliseconds since the epoch; undefined until the role is called. */
  startedAt: number | undefined
  /** The same for the newest attempt, for its first token, and for its newest one. */
  begunAt: number | undefined
  firstAt: number | undefined
  spokeAt: number | undefined
}

export interface SageLane extends Lane {
  /** The vote of the newest attempt that ended; an earlier one stays while a later attempt runs. */
  vote: AgentComplete | undefined
  /** The vote was cast in the deliberation that this one goes on from: nobody was asked again. */
  reused: boolean
}
export interface JudgeLane extends Lane {
  judgment: JudgeComplete | undefined
  /** The order in which the judge sees the sages. */
  order: readonly Sage[]
  /**
   * The models that judge in the judge's place in this attempt, in the listed order; empty while the
   * judge's own model judges.
   */
  panel: readonly Seat[]
}

/** One model of a panel while it judges; what it decided is told when all have ended. */
export interface Seat {
  /** The model, as `provider:model`. */
  model: string
  state: 'waiting' | 'judging' | 'judged' | 'failed'
}

/** How a deliberation ended. */
export type End =
  | { kind: 'complete'; data: Complete }
  | { kind: 'cancelled'; data: Cancelled }
  | { kind: 'error'; data: Failure }

/** Everything a front end shows of one deliberation. A pure function of its events. */
export interface View {
  id: string | undefined
  /** The last event folded, 0 before the first. */
  seq: number
  phase: Phase
  question: string
  context: string | undefined
  lang: string | undefined
  mode: Mode | undefined
  council: CouncilInfo | undefined
  capabilities: readonly string[]
  /** The deliberation this one goes on from, with its votes. */
  forkOf: string | undefined
  /** The conversation it belongs to, whose earlier verdicts the sages were told. */
  conversationId: string | undefined
  sages: Readonly<Record<Sage, SageLane>>
  judge: JudgeLane
  tally: Tally | undefined
  notes: readonly { from: string; to: string; text: string }[]
  paused: { by: string; reason: string } | undefined
  /** The deliberations this one went on from by itself, at a deadline each, oldest first. */
  parts: readonly string[]
  end: End | undefined
  /** Milliseconds since the epoch of the first and the newest event. */
  startedAt: number | undefined
  lastAt: number | undefined
  /** Lengths before each delta since the last milestone, newest first: what `rewind` needs. */
  since: Undo | undefined
}

interface Undo {
  seq: number
  who: Sage | 'judge'
  field: 'text' | 'thinking'
  length: number
  state: LaneState
  firstAt: number | undefined
  spokeAt: number | undefined
  before: Undo | undefined
}

const lane: Lane = {
  state: 'waiting',
  attempt: 0,
  provider: '',
  model: '',
  text: '',
  thinking: '',
  past: [],
  trouble: undefined,
  startedAt: undefined,
  begunAt: undefined,
  firstAt: undefined,
  spokeAt: undefined,
}
const sageLane: SageLane = { ...lane, vote: undefined, reused: false }

/** The view before any event. */
export const EMPTY: View = {
  id: undefined,
  seq: 0,
  phase: 'waiting',
  question: '',
  context: undefined,
  lang: undefined,
  mode: undefined,
  council: undefined,
  capabilities: [],
  forkOf: undefined,
  conversationId: undefined,
  sages: { caspar: sageLane, balthasar: sageLane, melchior: sageLane },
  judge: { ...lane, judgment: undefined, order: [], panel: [] },
  tally: undefined,
  notes: [],
  paused: undefined,
  parts: [],
  end: undefined,
  startedAt: undefined,
  lastAt: undefined,
  since: undefined,
}

/** The sages of this deliberation's council, in the order every front end shows them. */
export const sagesOf = (view: View): readonly Sage[] =>
  view.council ? SAGES.filter((sage) => view.council?.sages.includes(sage)) : SAGES

/** Returns the view after one more event. Unknown events only move the place. */
export function fold(view: View, event: Event): View {
  const at = Date.parse(event.timestamp)
  const from = goesOn(view, event) ? wentOn(view) : view
  const next: View = {
    ...step(from, event, at),
    id: from.id ?? event.trace_id,
    seq: event.seq,
    startedAt: from.startedAt ?? at,
    lastAt: at,
  }
  return isMilestone(event.type) ? { ...next, since: undefined } : next
}

/** True for the first event of the deliberation that goes on where this one met its deadline. */
const goesOn = (view: View, event: Event): boolean =>
  event.type === 'start' &&
  view.id !== undefined &&
  event.data.fork_of === view.id &&
  view.paused?.reason === 'deadline'

/**
 * One story: the clock runs on, and what an unfinished role said is kept as an attempt that was given
 * up. A finished role is empty, because the new log begins with its whole lane.
 */
function wentOn(view: View): View {
  const again = <L extends Lane>(old: L, empty: L, done: boolean): L => {
    if (done || (old.text === '' && old.thinking === '' && old.past.length === 0)) return empty
    const { attempt, text, thinking } = old
    const trouble: Trouble = { attempt, code: 'deadline', message: '', retryable: true }
    return {
      ...empty,
      past: [...old.past, { attempt, text, thinking, trouble, answer: undefined }],
    }
  }
  const sage = (name: Sage): SageLane =>
    again(view.sages[name], sageLane, view.sages[name].vote !== undefined)
  return {
    ...EMPTY,
    parts: view.id === undefined ? view.parts : [...view.parts, view.id],
    startedAt: view.startedAt,
    sages: { caspar: sage('caspar'), balthasar: sage('balthasar'), melchior: sage('melchior') },
    judge: again(view.judge, EMPTY.judge, false),
  }
}

function step(view: View, event: Event, at: number): View {
  switch (event.type) {
    case 'start': {
      const { question, context, lang, mode, council, capabilities } = event.data
      const { fork_of: forkOf, conversation_id: conversationId } = event.data
      const asked = { question, context, lang, mode, council, capabilities }
      return { ...view, phase: 'sages', ...asked, forkOf, conversationId }
    }
    case 'agent_start':
      return withSage(view, event.agentId, (old) => begin(old, event.data, at))
    case 'agent_thinking':
    case 'agent_chunk':
      return isSage(event.agentId)
        ? append(view, event.agentId, event.type === 'agent_chunk', event, at)
        : view
    case 'agent_error':
      return withSage(view, event.agentId, (old) => stumble(old, troubleOfError(event.data), at))
    case 'agent_timeout':
      return withSage(view, event.agentId, (old) => stumble(old, troubleOfTimeout(event.data), at))
    case 'agent_complete':
      return withSage(view, event.agentId, (old) => ({
        ...old,
        state: isMissing(event.data) ? 'failed' : 'done',
        vote: event.data,
        ...spokeLast(old, event.data, at),
      }))
    case 'tally':
      return { ...view, phase: 'tally', tally: event.data }
    case 'judge_start': {
      const begun = begin(view.judge, event.data, at)
      const panel = seatsOf(event.data, view.council)
      const judge = { ...begun, order: event.data.order ?? [], panel }
      return { ...view, phase: 'judge', judge }
    }
    case 'judge_thinking':
    case 'judge_chunk':
      return append(view, 'judge', event.type === 'judge_chunk', event, at)
    case 'judge_error':
      return { ...view, judge: stumble(view.judge, troubleOfError(event.data), at) }
    case 'judge_timeout':
      return { ...view, judge: stumble(view.judge, troubleOfTimeout(event.data), at) }
    case 'judge_complete':
      return {
        ...view,
        judge: {
          ...view.judge,
          state: 'done',
          judgment: event.data,
          ...spokeLast(view.judge, event.data, at),
        },
      }
    case 'note':
      return { ...view, notes: [...view.notes, event.data] }
    case 'paused':
      return { ...view, paused: { by: event.data.by, reason: event.data.reason } }
    case 'resumed':
      return { ...view, paused: undefined }
    case 'rewind':
      return rewind(view, event.data.to)
    case 'complete':
      return { ...view, phase: 'over', end: { kind: 'complete', data: event.data } }
    case 'cancelled':
      return { ...view, phase: 'over', end: { kind: 'cancelled', data: event.data } }
    case 'error':
      return { ...view, phase: 'over', end: { kind: 'error', data: event.data } }
    case 'trace':
      return traced(view, event.data, event.agentId)
    case 'sages_start':
      return view
    default:
      // A kind this version does not know: ignored, by contract.
      return view
  }
}

/** What the page tells of the work itself: votes that are reused, and who of a panel has ended. */
function traced(view: View, data: Trace, agent: Sage | undefined): View {
  const { name, attributes } = data
  if (agent !== undefined && attributes['reused'] === true)
    return withSage(view, agent, (old) => ({ ...old, reused: true }))
  if (name !== 'panel.member') return view
  const model = `${String(attributes['provider'])}:${String(attributes['model'])}`
  const ended = attributes['decision'] === undefined ? 'failed' : 'judged'
  const state: Seat['state'] = data.duration_ms === undefined ? 'judging' : ended
  const panel = view.judge.panel.map((seat) => (seat.model === model ? { model, state } : seat))
  return { ...view, judge: { ...view.judge, panel } }
}

/** The provider that `judge_start` names where a panel judges; its model is the list. */
const PANEL = 'panel'

const seatsOf = (
  start: { provider?: string; model?: string },
  council: CouncilInfo | undefined,
): Seat[] =>
  start.provider === PANEL
    ? (council?.panel ?? (start.model ?? '').split(', ')).map((model) => ({
        model,
        state: 'waiting',
      }))
    : []

/** True for an abstention that nobody cast: the vote is missing. */
export const isMissing = (vote: AgentComplete): boolean =>
  vote.cause === 'failed' ||
  vote.cause === 'timeout' ||
  vote.cause === 'unparsable' ||
  vote.cause === 'stopped'

function withSage(view: View, sage: Sage, change: (old: SageLane) => SageLane): View {
  const old = view.sages[sage]
  return old ? { ...view, sages: { ...view.sages, [sage]: change(old) } } : view
}

/** What the newest attempt ended with. */
function answerOf(lane: Lane & Partial<SageLane & JudgeLane>): PastAttempt['answer'] {
  const answer = lane.vote ?? lane.judgment
  return answer?.attempt === lane.attempt ? answer : undefined
}

/** An attempt begins: the lane starts afresh, and what an earlier attempt said is set aside. */
function begin<L extends Lane>(
  old: L,
  start: { attempt: number; provider: string; model: string },
  at: number,
): L {
  const spoke = old.attempt > 0 && (old.text !== '' || old.thinking !== '' || old.trouble)
  const { attempt, text, thinking, trouble } = old
  const past: PastAttempt[] = spoke
    ? [...old.past, { attempt, text, thinking, trouble, answer: answerOf(old) }]
    : [...old.past]
  return {
    ...old,
    state: 'connecting',
    attempt: start.attempt,
    provider: start.provider,
    model: start.model,
    text: '',
    thinking: '',
    past,
    trouble: undefined,
    startedAt: old.startedAt ?? at,
    begunAt: at,
    firstAt: undefined,
    spokeAt: undefined,
    ...('reused' in old ? { reused: false } : {}),
  }
}

const stumble = <L extends Lane>(old: L, trouble: Trouble, at: number): L => ({
  ...old,
  trouble: { ...trouble, at },
  state: trouble.retryable ? 'retrying' : 'failed',
})

const troubleOfError = (data: {
  code: string
  message: string
  attempt: number
  retryable: boolean
  retry_in?: number
}): Trouble => {
  const { code, message, attempt, retryable } = data
  const trouble: Trouble = { attempt, code, message, retryable }
  if (typeof data.retry_in === 'number') trouble.retryIn = data.retry_in
  return trouble
}

const troubleOfTimeout = (data: {
  kind: string
  timeout: number
  attempt: number
  retryable: boolean
}): Trouble => ({
  attempt: data.attempt,
  code: `timeout:${data.kind}`,
  message: `${data.timeout} s`,
  retryable: data.retryable,
})

function append(
  view: View,
  who: Sage | 'judge',
  prose: boolean,
  { data, seq }: { data: { text: string }; seq: number },
  at: number,
): View {
  const field = prose ? 'text' : 'thinking'
  const old: Lane = who === 'judge' ? view.judge : view.sages[who]
  const { state, firstAt, spokeAt } = old
  const { length } = old[field]
  const since: Undo = { seq, who, field, length, state, firstAt, spokeAt, before: view.since }
  const change: Partial<Lane> = {
    [field]: old[field] + data.text,
    state: prose ? 'writing' : 'thinking',
    // Where a snapshot brought the beginning, nobody knows when that came.
    firstAt: firstAt ?? (old.text === '' && old.thinking === '' ? at : undefined),
    spokeAt: at,
  }
  return { ...patch(view, who, change), since }
}

/** The last tokens of an answer are its vote: they are no text, and here by now. */
const spokeLast = (old: Lane, { attempt }: { attempt: number }, at: number): Partial<Lane> =>
  attempt === old.attempt && old.spokeAt !== undefined ? { spokeAt: at } : {}

const patch = (view: View, who: Sage | 'judge', change: Partial<Lane>): View =>
  who === 'judge'
    ? { ...view, judge: { ...view.judge, ...change } }
    : { ...view, sages: { ...view.sages, [who]: { ...view.sages[who], ...change } } }

/** Takes back everything after `to`. Only deltas can be there: a milestone is shown once stored. */
function rewind(view: View, to: number): View {
  let back = view
  let undo = view.since
  while (undo && undo.seq > to) {
    const { who, field, length, state, firstAt, spokeAt } = undo
    const old: Lane = who === 'judge' ? back.judge : back.sages[who]
    back = patch(back, who, {
      [field]: old[field].slice(0, length),
      state,
      firstAt,
      spokeAt,
    })
    undo = undo.before
  }
  // A panel that was cut begins again as a whole.
  const panel = back.judge.panel.map(({ model }): Seat => ({ model, state: 'waiting' }))
  return { ...back, judge: { ...back.judge, panel } }
}

/**
 * Returns the view a snapshot stands for, so that a reader whose events are no longer kept goes on from
 * its cursor. What an earlier attempt said is in no snapshot; that it failed, and why, is.
 */
export function viewOf(snapshot: Snapshot): View {
  const { sages, judge, council, mode, verdict, cancelled, error } = snapshot
  const seq = Number(snapshot.cursor.split('.')[2] ?? 0)
  const laneOfSage = (sage: Sage): SageLane => {
    const stored = sages[sage]
    return stored ? { ...laneOf(stored), vote: stored.complete, reused: false } : sageLane
  }
  const end: End | undefined = verdict
    ? { kind: 'complete', data: verdict }
    : cancelled
      ? { kind: 'cancelled', data: cancelled }
      : error && { kind: 'error', data: error }
  return {
    ...EMPTY,
    id: snapshot.trace_id,
    seq,
    phase: snapshot.phase,
    question: snapshot.question,
    context: snapshot.context,
    lang: snapshot.lang,
    mode,
    council,
    capabilities: snapshot.capabilities,
    forkOf: snapshot.fork_of,
    conversationId: snapshot.conversation_id,
    sages: {
      caspar: laneOfSage('caspar'),
      balthasar: laneOfSage('balthasar'),
      melchior: laneOfSage('melchior'),
    },
    judge: {
      ...laneOf(judge),
      judgment: judge.complete,
      order: snapshot.judge_order,
      panel: seatsOf(judge, council),
    },
    tally: snapshot.tally,
    notes: snapshot.notes.map((noted) => noted.note),
    paused: snapshot.paused,
    end,
    startedAt: instant(snapshot.started_at),
    lastAt: instant(snapshot.updated_at),
  }
}

const instant = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Date.parse(text)

function laneOf(stored: LaneOfAgentComplete | LaneOfJudgeComplete): Lane {
  const troubles = stored.faults.map(troubleOfFault)
  const current = troubles.at(-1)
  const { attempt } = stored
  return {
    state: stored.state,
    attempt,
    provider: stored.provider ?? '',
    model: stored.model ?? '',
    text: stored.text,
    thinking: stored.thinking,
    past: troubles
      .filter((trouble) => trouble.attempt < attempt)
      .map((trouble) => ({
        attempt: trouble.attempt,
        text: '',
        thinking: '',
        trouble,
        answer: undefined,
      })),
    trouble: current?.attempt === attempt ? current : undefined,
    startedAt: instant(stored.started_at),
    begunAt: instant(stored.started_at),
    firstAt: undefined,
    spokeAt: undefined,
  }
}

const troubleOfFault = (fault: Fault): Trouble => {
  if (fault.error) return troubleOfError(fault.error)
  if (fault.timeout) return troubleOfTimeout(fault.timeout)
  return { attempt: 0, code: 'unknown', message: '', retryable: false }
}
