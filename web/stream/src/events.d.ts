/* Generated from crates/magi-event/schema/events.schema.json by `npm run types:write`. Do not edit. */

/**
 * One event of a deliberation, as it stands in the `data` line of a frame. Ignore kinds and fields that are not named here.
 */
export type Event =
  | StartEvent
  | SagesStartEvent
  | AgentStartEvent
  | AgentThinkingEvent
  | AgentChunkEvent
  | AgentErrorEvent
  | AgentTimeoutEvent
  | AgentCompleteEvent
  | TallyEvent
  | JudgeStartEvent
  | JudgeThinkingEvent
  | JudgeChunkEvent
  | JudgeErrorEvent
  | JudgeTimeoutEvent
  | JudgeCompleteEvent
  | TraceEvent
  | NoteEvent
  | PausedEvent
  | ResumedEvent
  | RewindEvent
  | CompleteEvent
  | CancelledEvent
  | ErrorEvent
export type Rule = string
/**
 * One of the three sages, who analyse the question in parallel and blind to each other.
 */
export type Sage = 'caspar' | 'balthasar' | 'melchior'
export type DeliberationId = string
/**
 * How the answers of a deliberation came to be.
 */
export type Mode = 'live' | 'rehearsal' | 'replay'
/**
 * RFC 3339 in UTC with milliseconds
 */
export type Timestamp = string
/**
 * Which deadline ran out.
 */
export type TimeoutKind = 'connect' | 'first_token' | 'idle' | 'total'
/**
 * Why a sage abstained.
 */
export type Cause =
  'own' | 'rehearsal' | 'refused' | 'failed' | 'timeout' | 'unparsable' | 'stopped'
/**
 * How sure a model says it is: 0 to 1, both included, always finite.
 */
export type Confidence = number
/**
 * What a sage decides.
 */
export type Decision = 'APPROVED' | 'REJECTED' | 'ABSTAINED'
/**
 * What the council decides. A failure is never one of these: see [`Status`].
 */
export type FinalDecision = 'APPROVED' | 'REJECTED' | 'UNDECIDED'
export type Agent = 'caspar' | 'balthasar' | 'melchior' | 'solomon'
/**
 * How a deliberation stands or ended.
 */
export type Status = 'running' | 'paused' | 'completed' | 'degraded' | 'cancelled' | 'failed'
export type Cursor = string
/**
 * Where one role stands.
 */
export type LaneState =
  'waiting' | 'connecting' | 'thinking' | 'writing' | 'retrying' | 'failed' | 'done'
/**
 * How far a deliberation has come; [`Status`] says how it fares.
 */
export type Phase = 'waiting' | 'sages' | 'tally' | 'judge' | 'over'

/**
 * The three shapes a reader meets: an event, a door frame, a snapshot.
 */
export interface Wire {
  Event?: Event
  DoorFrame?: DoorFrame
  Snapshot?: Snapshot
}
/**
 * A question was put to a council.
 */
export interface StartEvent {
  data: Start
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'start'
}
/**
 * `start`: a question was put to a council.
 */
export interface Start {
  /**
   * What this door can do: `resume`, `stop`, `history`, ...
   */
  capabilities: string[]
  /**
   * More text to consider, as given.
   */
  context?: string
  /**
   * The conversation this question belongs to.
   */
  conversation_id?: string
  council: CouncilInfo
  fork_of?: DeliberationId
  /**
   * The language of prompts and answers: `ja` or `en`.
   */
  lang: string
  mode: Mode
  /**
   * The version of this contract: 1.
   */
  protocol: number
  /**
   * The question, as asked.
   */
  question: string
  trace_id: DeliberationId
}
/**
 * The council as the reader needs to know it.
 */
export interface CouncilInfo {
  /**
   * The model of each role, as `provider:model`; the keys are agents' names.
   */
  models: {
    balthasar?: string
    caspar?: string
    melchior?: string
    solomon?: string
  }
  /**
   * The preset's name, or `custom`.
   */
  name: string
  /**
   * The least number of valid votes for a decision.
   */
  quorum: number
  rule: Rule
  /**
   * The sages of this council, in the listed order.
   */
  sages: Sage[]
  /**
   * The preset's version, from 1.
   */
  version: number
}
/**
 * The sages set out.
 */
export interface SagesStartEvent {
  data: SagesStart
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'sages_start'
}
/**
 * `sages_start`: the sages set out.
 */
export interface SagesStart {
  /**
   * How many sages the council has.
   */
  sage_count: number
}
/**
 * An attempt of a sage begins.
 */
export interface AgentStartEvent {
  agentId: Sage
  data: AgentStart
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'agent_start'
}
/**
 * `agent_start`: an attempt begins; one above 1 resets what was shown of the sage.
 */
export interface AgentStart {
  /**
   * Which try this is, from 1.
   */
  attempt: number
  /**
   * The model at that vendor.
   */
  model: string
  /**
   * The vendor's API.
   */
  provider: string
}
/**
 * A piece of a sage's own reasoning.
 */
export interface AgentThinkingEvent {
  agentId: Sage
  data: Delta
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'agent_thinking'
}
/**
 * A piece of text, as it came.
 */
export interface Delta {
  /**
   * What was added since the last piece of the same kind in the same attempt.
   */
  text: string
}
/**
 * A piece of a sage's visible prose.
 */
export interface AgentChunkEvent {
  agentId: Sage
  data: Delta
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'agent_chunk'
}
/**
 * An attempt of a sage failed.
 */
export interface AgentErrorEvent {
  agentId: Sage
  data: AttemptError
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'agent_error'
}
/**
 * `agent_error` and `judge_error`: an attempt failed.
 */
export interface AttemptError {
  /**
   * Which try failed, from 1.
   */
  attempt: number
  /**
   * The kind of failure: `throttled`, `overloaded`, `unauthorised`, `truncated`, ...
   */
  code: string
  /**
   * What happened, for a person to read; the vendor's reason, without secrets.
   */
  message: string
  /**
   * Seconds until the next try.
   */
  retry_in?: number
  /**
   * Whether another try follows.
   */
  retryable: boolean
}
/**
 * An attempt of a sage took too long.
 */
export interface AgentTimeoutEvent {
  agentId: Sage
  data: AttemptTimeout
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'agent_timeout'
}
/**
 * `agent_timeout` and `judge_timeout`: an attempt took too long.
 */
export interface AttemptTimeout {
  /**
   * Which try ran out of time, from 1.
   */
  attempt: number
  /**
   * Seconds since the attempt began.
   */
  elapsed: number
  kind: TimeoutKind
  /**
   * Up to 200 characters of what had come, or null.
   */
  partial_response: string | null
  /**
   * Whether another try follows.
   */
  retryable: boolean
  /**
   * That deadline, in seconds.
   */
  timeout: number
}
/**
 * A sage is done.
 */
export interface AgentCompleteEvent {
  agentId: Sage
  data: AgentComplete
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'agent_complete'
}
/**
 * `agent_complete`: a sage is done. Every sage of the council ends with one.
 */
export interface AgentComplete {
  /**
   * The attempt that ended, from 1.
   */
  attempt: number
  cause?: Cause
  /**
   * What must hold for the decision to stand.
   */
  conditions: string[]
  confidence?: Confidence
  /**
   * Cost over all attempts, where the price is known.
   */
  cost_usd?: number
  decision: Decision
  /**
   * Milliseconds over all attempts.
   */
  execution_time: number
  /**
   * Milliseconds from the attempt's start to its first token.
   */
  first_token_ms?: number
  /**
   * The vote's own reasoning, or the prose when it has none.
   */
  reasoning: string
  /**
   * Bytes of this attempt's chunks.
   */
  text_bytes: number
  /**
   * SHA-256 of this attempt's chunks, 64 lower-case hex digits.
   */
  text_sha256: string
  usage?: Usage
  /**
   * What would change the decision.
   */
  would_change: string[]
}
/**
 * Tokens of one or more model calls, as the vendor counted them.
 */
export interface Usage {
  /**
   * Tokens read from the vendor's prompt cache.
   */
  cache_read_tokens?: number
  /**
   * Tokens written to the vendor's prompt cache.
   */
  cache_write_tokens?: number
  /**
   * True where the vendor did not tell and the number is bytes / 4.
   */
  estimated?: boolean
  /**
   * Tokens read, those from a cache included.
   */
  input_tokens: number
  /**
   * Tokens written, reasoning included.
   */
  output_tokens: number
  /**
   * Tokens of reasoning among those written, where the vendor tells.
   */
  reasoning_tokens?: number
}
/**
 * The votes were counted.
 */
export interface TallyEvent {
  data: Tally
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'tally'
}
/**
 * `tally`: the votes counted in code.
 */
export interface Tally {
  /**
   * Sages who abstained, cast or missing.
   */
  abstained: number
  /**
   * `approved-rejected-abstained`, as in "2-1-0".
   */
  agreement: string
  /**
   * Sages for the proposal.
   */
  approved: number
  outcome: FinalDecision
  /**
   * The least number of valid votes for a decision.
   */
  quorum: number
  /**
   * Sages against the proposal.
   */
  rejected: number
}
/**
 * An attempt of the judge begins.
 */
export interface JudgeStartEvent {
  data: JudgeStart
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'judge_start'
}
/**
 * `judge_start`: an attempt of the judge begins.
 */
export interface JudgeStart {
  /**
   * Which try this is, from 1.
   */
  attempt: number
  /**
   * The model at that vendor.
   */
  model: string
  /**
   * Who is Sage A, B and C to the judge.
   */
  order: Sage[]
  /**
   * The seed of the order in which the judge sees the sages.
   */
  order_seed: number
  /**
   * The vendor's API.
   */
  provider: string
}
/**
 * A piece of the judge's own reasoning.
 */
export interface JudgeThinkingEvent {
  data: Delta
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'judge_thinking'
}
/**
 * A piece of the judge's visible prose.
 */
export interface JudgeChunkEvent {
  data: Delta
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'judge_chunk'
}
/**
 * An attempt of the judge failed.
 */
export interface JudgeErrorEvent {
  data: AttemptError
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'judge_error'
}
/**
 * An attempt of the judge took too long.
 */
export interface JudgeTimeoutEvent {
  data: AttemptTimeout
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'judge_timeout'
}
/**
 * The judge is done.
 */
export interface JudgeCompleteEvent {
  data: JudgeComplete
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'judge_complete'
}
/**
 * `judge_complete`: the judge is done.
 */
export interface JudgeComplete {
  /**
   * The attempt that ended, from 1; 0 where no judge was called.
   */
  attempt: number
  /**
   * The merged conditions.
   */
  conditions: string[]
  confidence?: Confidence
  /**
   * Cost over all attempts, where the price is known.
   */
  cost_usd?: number
  dissent?: Dissent
  /**
   * Milliseconds over all attempts.
   */
  execution_time: number
  final_decision: FinalDecision
  /**
   * Milliseconds from the attempt's start to its first token.
   */
  first_token_ms?: number
  /**
   * Whether the judge agrees with the tally; null without a judge.
   */
  judge_agrees: boolean | null
  /**
   * The synthesis, or why there is no judgment.
   */
  reasoning: string
  /**
   * 0 to 100 per sage; a sage the judge did not score is absent.
   */
  sage_scores: {
    [k: string]: number
  }
  /**
   * One line per score.
   */
  score_reasons: {
    [k: string]: string
  }
  /**
   * Bytes of this attempt's chunks.
   */
  text_bytes: number
  /**
   * SHA-256 of this attempt's chunks, 64 lower-case hex digits.
   */
  text_sha256: string
  usage?: Usage
  /**
   * What would change the verdict.
   */
  would_change: string[]
}
/**
 * The strongest argument against the verdict, and whose it is.
 */
export interface Dissent {
  agent?: Sage
  /**
   * The argument.
   */
  text: string
}
/**
 * A span of work started or ended.
 */
export interface TraceEvent {
  agentId?: Sage
  data: Trace
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'trace'
}
/**
 * `trace`: one started or ended span of work.
 */
export interface Trace {
  /**
   * What else is known of it.
   */
  attributes: {
    [k: string]: unknown
  }
  /**
   * How long it took; absent while it goes on.
   */
  duration_ms?: number
  /**
   * What is done: `deliberation`, `phase.sages`, `model.call`, `retry`, `repair`, `commit`, ...
   */
  name: string
  /**
   * The span this one is part of.
   */
  parent_id?: string
  /**
   * 16 lower-case hex digits, unique in the deliberation.
   */
  span_id: string
  started_at: Timestamp
}
/**
 * Somebody told the council something.
 */
export interface NoteEvent {
  data: Note
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'note'
}
/**
 * `note`: somebody told the council something.
 */
export interface Note {
  /**
   * Who told it.
   */
  from: string
  /**
   * What was told.
   */
  text: string
  /**
   * A sage's name, or `all`.
   */
  to: string
}
/**
 * Nothing is called until it is resumed.
 */
export interface PausedEvent {
  data: Paused
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'paused'
}
/**
 * `paused`: nothing is called until `resumed`.
 */
export interface Paused {
  /**
   * Who paused it.
   */
  by: string
  /**
   * Why; `deadline` ends a byte stream whose deliberation goes on elsewhere.
   */
  reason: string
  /**
   * Signed state to resume from, where the door keeps nothing itself.
   */
  state?: string
}
/**
 * It goes on.
 */
export interface ResumedEvent {
  data: Resumed
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'resumed'
}
/**
 * `resumed`: it goes on.
 */
export interface Resumed {
  /**
   * Who resumed it.
   */
  by: string
  /**
   * Why.
   */
  reason: string
}
/**
 * A new generation begins.
 */
export interface RewindEvent {
  data: Rewind
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'rewind'
}
/**
 * `rewind`: a new generation begins; what a reader saw after `to` is void.
 */
export interface Rewind {
  /**
   * The last stored seq: this event's own less 1.
   */
  to: number
}
/**
 * The verdict.
 */
export interface CompleteEvent {
  data: Complete
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'complete'
}
/**
 * `complete`: the verdict. The last event of a deliberation that came to its end.
 */
export interface Complete {
  confidence?: Confidence
  /**
   * Cost of the whole deliberation, where all prices are known.
   */
  cost_usd?: number
  /**
   * Milliseconds of the whole deliberation, time paused or down left out.
   */
  execution_time: number
  final_decision: FinalDecision
  /**
   * Whether the judge agrees with the votes; null without a judge.
   */
  judge_agrees: boolean | null
  /**
   * Whose part is missing, and why.
   */
  missing: Missing[]
  /**
   * True when the judge decided against the votes, which only rule `judge` allows.
   */
  overruled: boolean
  /**
   * What to do now.
   */
  recommendation: string
  solomon_judgment: JudgeComplete
  status: Status
  /**
   * What was decided, in one or two sentences.
   */
  summary: string
  trace_id: DeliberationId
  usage: Usage
  voting_result: Votes
}
/**
 * A member of the council whose part is missing, and why.
 */
export interface Missing {
  agent: Agent
  cause: Cause
  /**
   * What happened, for a person to read.
   */
  message?: string
}
/**
 * The votes counted in code; the three add up to the sages of the council.
 */
export interface Votes {
  /**
   * Sages who abstained, cast or missing.
   */
  abstained: number
  /**
   * Sages for the proposal.
   */
  approved: number
  /**
   * Sages against the proposal.
   */
  rejected: number
}
/**
 * It was ended before its verdict.
 */
export interface CancelledEvent {
  data: Cancelled
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'cancelled'
}
/**
 * `cancelled`: it was ended before its verdict; what was said is kept.
 */
export interface Cancelled {
  /**
   * Who ended it: `user`, `unwatched`, `budget`, ...
   */
  by: string
  /**
   * Cost until then, where all prices are known.
   */
  cost_usd?: number
  /**
   * Why.
   */
  reason: string
  usage?: Usage
}
/**
 * The deliberation failed.
 */
export interface ErrorEvent {
  data: Failure
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  type: 'error'
}
/**
 * `error`: the deliberation failed; there is no verdict.
 */
export interface Failure {
  /**
   * What failed: `no_votes`, `interrupted`, `quarantined`, `budget`, ...
   */
  code: string
  /**
   * Cost until then, where all prices are known.
   */
  cost_usd?: number
  /**
   * What happened and what to do, for a person to read.
   */
  message: string
  /**
   * Whose part is missing, and why.
   */
  missing?: Missing[]
  usage?: Usage
}
/**
 * An error of the door itself, in no log, without `id` and `seq`: the HTTP status it names.
 */
export interface DoorFrame {
  data: DoorError
  /**
   * What happened and what to do.
   */
  error: string
  type: 'error'
}
/**
 * A door frame: an error of the door itself, in the shape of an event but in no log.
 *
 * It has neither `id` nor `seq`; clients treat it as the HTTP status it names.
 */
export interface DoorError {
  /**
   * What failed: `store_unavailable`, `not_found`, `bad_request`, ...
   */
  code: string
  /**
   * The field at fault, as a path such as `question`.
   */
  field?: string
  first_kept?: Cursor
  /**
   * What happened and what to do.
   */
  message: string
  /**
   * The HTTP status this stands for.
   */
  status: number
}
/**
 * All that is known of a deliberation at one place of its log.
 *
 * It is the JSON of `GET /v1/deliberations/{id}`: whoever reads on from its `cursor` misses
 * nothing. Two readers of the same log have equal snapshots at the same cursor, whatever void
 * deltas one of them saw.
 */
export interface Snapshot {
  cancelled?: Cancelled
  /**
   * What the door that asked can do.
   */
  capabilities: string[]
  /**
   * More text to consider, as given.
   */
  context?: string
  /**
   * The conversation this question belongs to.
   */
  conversation_id?: string
  /**
   * Cost so far; absent where a price is not known.
   */
  cost_usd?: number
  council?: CouncilInfo
  cursor: Cursor
  ended_at?: Timestamp
  error?: Failure
  fork_of?: DeliberationId
  judge: LaneOfJudgeComplete
  /**
   * Who is Sage A, B and C to the judge; empty before the judge is called.
   */
  judge_order: Sage[]
  /**
   * The language of prompts and answers: `ja` or `en`; empty before `start`.
   */
  lang: string
  /**
   * Whose part is missing so far, and why.
   */
  missing: Missing[]
  mode?: Mode
  /**
   * What the council was told on the way.
   */
  notes: Noted[]
  paused?: Paused
  phase: Phase
  /**
   * The question, as asked.
   */
  question: string
  /**
   * Every sage of the council.
   */
  sages: {
    [k: string]: LaneOfAgentComplete
  }
  started_at?: Timestamp
  status: Status
  tally?: Tally
  trace_id: DeliberationId
  updated_at?: Timestamp
  usage: Usage
  verdict?: Complete
}
/**
 * What is known of one role: the texts are those of its newest attempt.
 */
export interface LaneOfJudgeComplete {
  /**
   * The newest attempt, from 1; 0 before the first.
   */
  attempt: number
  complete?: JudgeComplete
  /**
   * What failed so far, over all attempts.
   */
  faults: Fault[]
  /**
   * The model of that attempt.
   */
  model?: string
  /**
   * The vendor's API of that attempt.
   */
  provider?: string
  started_at?: Timestamp
  state: LaneState
  /**
   * The visible prose, as far as it came.
   */
  text: string
  /**
   * The model's own reasoning, as far as it came.
   */
  thinking: string
}
/**
 * One failed attempt: exactly one of the two parts is there.
 */
export interface Fault {
  at: Timestamp
  error?: AttemptError
  timeout?: AttemptTimeout
}
/**
 * A note, and when it was given.
 */
export interface Noted {
  at: Timestamp
  note: Note
}
/**
 * What is known of one role: the texts are those of its newest attempt.
 */
export interface LaneOfAgentComplete {
  /**
   * The newest attempt, from 1; 0 before the first.
   */
  attempt: number
  complete?: AgentComplete
  /**
   * What failed so far, over all attempts.
   */
  faults: Fault[]
  /**
   * The model of that attempt.
   */
  model?: string
  /**
   * The vendor's API of that attempt.
   */
  provider?: string
  started_at?: Timestamp
  state: LaneState
  /**
   * The visible prose, as far as it came.
   */
  text: string
  /**
   * The model's own reasoning, as far as it came.
   */
  thinking: string
}
