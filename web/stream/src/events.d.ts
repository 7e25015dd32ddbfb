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
/**
 * RFC 3339 in UTC with milliseconds
 */
export type Timestamp = string
export type DeliberationId = string
export type Rule = string
/**
 * One of the three sages, who analyse the question in parallel and blind to each other.
 */
export type Sage = 'caspar' | 'balthasar' | 'melchior'
/**
 * How the answers of a deliberation came to be.
 */
export type Mode = 'live' | 'rehearsal' | 'replay'
/**
 * Which deadline ran out.
 */
export type TimeoutKind = 'connect' | 'first_token' | 'idle' | 'total'
/**
 * What a sage decides.
 */
export type Decision = 'APPROVED' | 'REJECTED' | 'ABSTAINED'
/**
 * How sure a model says it is: 0 to 1, both included, always finite.
 */
export type Confidence = number
/**
 * Why a sage abstained.
 */
export type Cause =
  'own' | 'rehearsal' | 'refused' | 'failed' | 'timeout' | 'unparsable' | 'stopped'
/**
 * What the council decides. A failure is never one of these: see [`Status`].
 */
export type FinalDecision = 'APPROVED' | 'REJECTED' | 'UNDECIDED'
/**
 * How a deliberation stands or ended.
 */
export type Status = 'running' | 'paused' | 'completed' | 'degraded' | 'cancelled' | 'failed'
export type Agent = 'caspar' | 'balthasar' | 'melchior' | 'solomon'
export type Cursor = string
/**
 * How far a deliberation has come; [`Status`] says how it fares.
 */
export type Phase = 'waiting' | 'sages' | 'tally' | 'judge' | 'over'
/**
 * Where one role stands.
 */
export type LaneState =
  'waiting' | 'connecting' | 'thinking' | 'writing' | 'retrying' | 'failed' | 'done'

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
  type: 'start'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: Start
}
/**
 * `start`: a question was put to a council.
 */
export interface Start {
  /**
   * The version of this contract: 1.
   */
  protocol: number
  trace_id: DeliberationId
  /**
   * The question, as asked.
   */
  question: string
  /**
   * More text to consider, as given.
   */
  context?: string
  /**
   * The language of prompts and answers: `ja` or `en`.
   */
  lang: string
  council: CouncilInfo
  mode: Mode
  /**
   * What this door can do: `resume`, `stop`, `history`, ...
   */
  capabilities: string[]
  /**
   * The conversation this question belongs to.
   */
  conversation_id?: string
  fork_of?: DeliberationId
}
/**
 * The council as the reader needs to know it.
 */
export interface CouncilInfo {
  /**
   * The preset's name, or `custom`.
   */
  name: string
  /**
   * The preset's version, from 1.
   */
  version: number
  rule: Rule
  /**
   * The least number of valid votes for a decision.
   */
  quorum: number
  /**
   * The sages of this council, in the listed order.
   */
  sages: Sage[]
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
   * The models that follow each role's own where those before have failed, in their order.
   */
  fallbacks?: {
    balthasar?: string[]
    caspar?: string[]
    melchior?: string[]
    solomon?: string[]
  }
  /**
   * The models that judge together where all of the judge's have failed.
   */
  panel?: string[]
}
/**
 * The sages set out.
 */
export interface SagesStartEvent {
  type: 'sages_start'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: SagesStart
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
  type: 'agent_start'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: AgentStart
  agentId: Sage
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
   * The vendor's API.
   */
  provider: string
  /**
   * The model at that vendor.
   */
  model: string
}
/**
 * A piece of a sage's own reasoning.
 */
export interface AgentThinkingEvent {
  type: 'agent_thinking'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: Delta
  agentId: Sage
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
  type: 'agent_chunk'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: Delta
  agentId: Sage
}
/**
 * An attempt of a sage failed.
 */
export interface AgentErrorEvent {
  type: 'agent_error'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: AttemptError
  agentId: Sage
}
/**
 * `agent_error` and `judge_error`: an attempt failed.
 */
export interface AttemptError {
  /**
   * The kind of failure: `throttled`, `overloaded`, `unauthorised`, `truncated`, ...
   */
  code: string
  /**
   * What happened, for a person to read; the vendor's reason, without secrets.
   */
  message: string
  /**
   * Which try failed, from 1.
   */
  attempt: number
  /**
   * Whether another try follows.
   */
  retryable: boolean
  /**
   * Seconds until the next try.
   */
  retry_in?: number
}
/**
 * An attempt of a sage took too long.
 */
export interface AgentTimeoutEvent {
  type: 'agent_timeout'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: AttemptTimeout
  agentId: Sage
}
/**
 * `agent_timeout` and `judge_timeout`: an attempt took too long.
 */
export interface AttemptTimeout {
  kind: TimeoutKind
  /**
   * That deadline, in seconds.
   */
  timeout: number
  /**
   * Seconds since the attempt began.
   */
  elapsed: number
  /**
   * Up to 200 characters of what had come, or null.
   */
  partial_response: string | null
  /**
   * Which try ran out of time, from 1.
   */
  attempt: number
  /**
   * Whether another try follows.
   */
  retryable: boolean
}
/**
 * A sage is done.
 */
export interface AgentCompleteEvent {
  type: 'agent_complete'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: AgentComplete
  agentId: Sage
}
/**
 * `agent_complete`: a sage is done. Every sage of the council ends with one.
 */
export interface AgentComplete {
  decision: Decision
  /**
   * The vote's own reasoning, or the prose when it has none.
   */
  reasoning: string
  /**
   * What must hold for the decision to stand.
   */
  conditions: string[]
  /**
   * What would change the decision.
   */
  would_change: string[]
  confidence?: Confidence
  cause?: Cause
  /**
   * The attempt that ended, from 1.
   */
  attempt: number
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
   * Cost over all attempts, where the price is known.
   */
  cost_usd?: number
  /**
   * Milliseconds from the attempt's start to its first token.
   */
  first_token_ms?: number
  /**
   * Milliseconds over all attempts.
   */
  execution_time: number
}
/**
 * Tokens of one or more model calls, as the vendor counted them.
 */
export interface Usage {
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
}
/**
 * The votes were counted.
 */
export interface TallyEvent {
  type: 'tally'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: Tally
}
/**
 * `tally`: the votes counted in code.
 */
export interface Tally {
  /**
   * Sages for the proposal.
   */
  approved: number
  /**
   * Sages against the proposal.
   */
  rejected: number
  /**
   * Sages who abstained, cast or missing.
   */
  abstained: number
  /**
   * The least number of valid votes for a decision.
   */
  quorum: number
  outcome: FinalDecision
  /**
   * `approved-rejected-abstained`, as in "2-1-0".
   */
  agreement: string
}
/**
 * An attempt of the judge begins.
 */
export interface JudgeStartEvent {
  type: 'judge_start'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: JudgeStart
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
   * The vendor's API.
   */
  provider: string
  /**
   * The model at that vendor.
   */
  model: string
  /**
   * The seed of the order in which the judge sees the sages.
   */
  order_seed: number
  /**
   * Who is Sage A, B and C to the judge.
   */
  order: Sage[]
}
/**
 * A piece of the judge's own reasoning.
 */
export interface JudgeThinkingEvent {
  type: 'judge_thinking'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: Delta
}
/**
 * A piece of the judge's visible prose.
 */
export interface JudgeChunkEvent {
  type: 'judge_chunk'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: Delta
}
/**
 * An attempt of the judge failed.
 */
export interface JudgeErrorEvent {
  type: 'judge_error'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: AttemptError
}
/**
 * An attempt of the judge took too long.
 */
export interface JudgeTimeoutEvent {
  type: 'judge_timeout'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: AttemptTimeout
}
/**
 * The judge is done.
 */
export interface JudgeCompleteEvent {
  type: 'judge_complete'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: JudgeComplete
}
/**
 * `judge_complete`: the judge is done.
 */
export interface JudgeComplete {
  final_decision: FinalDecision
  /**
   * The synthesis, or why there is no judgment.
   */
  reasoning: string
  confidence?: Confidence
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
  dissent?: Dissent
  /**
   * The merged conditions.
   */
  conditions: string[]
  /**
   * What would change the verdict.
   */
  would_change: string[]
  /**
   * Whether the judge agrees with the tally; null without a judge.
   */
  judge_agrees: boolean | null
  /**
   * The attempt that ended, from 1; 0 where no judge was called.
   */
  attempt: number
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
   * Cost over all attempts, where the price is known.
   */
  cost_usd?: number
  /**
   * Milliseconds from the attempt's start to its first token.
   */
  first_token_ms?: number
  /**
   * Milliseconds over all attempts.
   */
  execution_time: number
  /**
   * What each model of a panel said: its majority decided, and the scores are its medians.
   */
  panel?: PanelVote[]
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
 * What one model of a panel said, where a panel judged in the judge's place.
 */
export interface PanelVote {
  /**
   * The model, as `provider:model`.
   */
  model: string
  final_decision?: FinalDecision
  /**
   * 0 to 100 per sage; a sage it did not score is absent.
   */
  sage_scores?: {
    [k: string]: number
  }
  /**
   * Why it gave no judgment, for a person to read.
   */
  error?: string
  /**
   * Whether the words of the judgment are its own: those of one member are.
   */
  speaks?: boolean
}
/**
 * A span of work started or ended.
 */
export interface TraceEvent {
  type: 'trace'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: Trace
  agentId?: Sage
}
/**
 * `trace`: one started or ended span of work.
 */
export interface Trace {
  /**
   * 16 lower-case hex digits, unique in the deliberation.
   */
  span_id: string
  /**
   * The span this one is part of.
   */
  parent_id?: string
  /**
   * What is done: `deliberation`, `phase.sages`, `model.call`, `retry`, `repair`, `commit`, ...
   */
  name: string
  started_at: Timestamp
  /**
   * How long it took; absent while it goes on.
   */
  duration_ms?: number
  /**
   * What else is known of it.
   */
  attributes: {
    [k: string]: unknown
  }
}
/**
 * Somebody told the council something.
 */
export interface NoteEvent {
  type: 'note'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: Note
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
   * A sage's name, or `all`.
   */
  to: string
  /**
   * What was told.
   */
  text: string
}
/**
 * Nothing is called until it is resumed.
 */
export interface PausedEvent {
  type: 'paused'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: Paused
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
  usage?: Usage
  /**
   * Cost of them, where all prices are known.
   */
  cost_usd?: number
}
/**
 * It goes on.
 */
export interface ResumedEvent {
  type: 'resumed'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: Resumed
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
  type: 'rewind'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: Rewind
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
  type: 'complete'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: Complete
}
/**
 * `complete`: the verdict. The last event of a deliberation that came to its end.
 */
export interface Complete {
  trace_id: DeliberationId
  status: Status
  /**
   * Whose part is missing, and why.
   */
  missing: Missing[]
  final_decision: FinalDecision
  voting_result: Votes
  solomon_judgment: JudgeComplete
  /**
   * True when the judge decided against the votes, which only rule `judge` allows.
   */
  overruled: boolean
  /**
   * Whether the judge agrees with the votes; null without a judge.
   */
  judge_agrees: boolean | null
  /**
   * What was decided, in one or two sentences.
   */
  summary: string
  /**
   * What to do now.
   */
  recommendation: string
  confidence?: Confidence
  usage: Usage
  /**
   * Cost of the whole deliberation, where all prices are known.
   */
  cost_usd?: number
  /**
   * Milliseconds of the whole deliberation, time paused or down left out.
   */
  execution_time: number
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
   * Sages for the proposal.
   */
  approved: number
  /**
   * Sages against the proposal.
   */
  rejected: number
  /**
   * Sages who abstained, cast or missing.
   */
  abstained: number
}
/**
 * It was ended before its verdict.
 */
export interface CancelledEvent {
  type: 'cancelled'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: Cancelled
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
   * Why.
   */
  reason: string
  usage?: Usage
  /**
   * Cost until then, where all prices are known.
   */
  cost_usd?: number
}
/**
 * The deliberation failed.
 */
export interface ErrorEvent {
  type: 'error'
  /**
   * Its number in the log, rising by exactly 1.
   */
  seq: number
  timestamp: Timestamp
  trace_id: DeliberationId
  data: Failure
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
   * What happened and what to do, for a person to read.
   */
  message: string
  /**
   * Whose part is missing, and why.
   */
  missing?: Missing[]
  usage?: Usage
  /**
   * Cost until then, where all prices are known.
   */
  cost_usd?: number
}
/**
 * An error of the door itself, in no log, without `id` and `seq`: the HTTP status it names.
 */
export interface DoorFrame {
  type: 'error'
  /**
   * What happened and what to do.
   */
  error: string
  data: DoorError
}
/**
 * A door frame: an error of the door itself, in the shape of an event but in no log.
 *
 * It has neither `id` nor `seq`; clients treat it as the HTTP status it names.
 */
export interface DoorError {
  /**
   * The HTTP status this stands for.
   */
  status: number
  /**
   * What failed: `store_unavailable`, `not_found`, `bad_request`, ...
   */
  code: string
  /**
   * What happened and what to do.
   */
  message: string
  /**
   * The field at fault, as a path such as `question`.
   */
  field?: string
  first_kept?: Cursor
}
/**
 * All that is known of a deliberation at one place of its log.
 *
 * It is the JSON of `GET /v1/deliberations/{id}`: whoever reads on from its `cursor` misses
 * nothing. Two readers of the same log have equal snapshots at the same cursor, whatever void
 * deltas one of them saw.
 */
export interface Snapshot {
  trace_id: DeliberationId
  cursor: Cursor
  status: Status
  phase: Phase
  /**
   * The question, as asked.
   */
  question: string
  /**
   * More text to consider, as given.
   */
  context?: string
  /**
   * The language of prompts and answers: `ja` or `en`; empty before `start`.
   */
  lang: string
  council?: CouncilInfo
  mode?: Mode
  /**
   * What the door that asked can do.
   */
  capabilities: string[]
  /**
   * The conversation this question belongs to.
   */
  conversation_id?: string
  fork_of?: DeliberationId
  /**
   * Every sage of the council.
   */
  sages: {
    [k: string]: LaneOfAgentComplete
  }
  tally?: Tally
  judge: LaneOfJudgeComplete
  /**
   * Who is Sage A, B and C to the judge; empty before the judge is called.
   */
  judge_order: Sage[]
  /**
   * What the council was told on the way.
   */
  notes: Noted[]
  paused?: Paused
  /**
   * Whose part is missing so far, and why.
   */
  missing: Missing[]
  verdict?: Complete
  cancelled?: Cancelled
  error?: Failure
  usage: Usage
  /**
   * Cost so far; absent where a price is not known.
   */
  cost_usd?: number
  started_at?: Timestamp
  updated_at?: Timestamp
  ended_at?: Timestamp
}
/**
 * What is known of one role: the texts are those of its newest attempt.
 */
export interface LaneOfAgentComplete {
  state: LaneState
  /**
   * The newest attempt, from 1; 0 before the first.
   */
  attempt: number
  /**
   * The vendor's API of that attempt.
   */
  provider?: string
  /**
   * The model of that attempt.
   */
  model?: string
  started_at?: Timestamp
  /**
   * The model's own reasoning, as far as it came.
   */
  thinking: string
  /**
   * The visible prose, as far as it came.
   */
  text: string
  /**
   * What failed so far, over all attempts.
   */
  faults: Fault[]
  complete?: AgentComplete
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
 * What is known of one role: the texts are those of its newest attempt.
 */
export interface LaneOfJudgeComplete {
  state: LaneState
  /**
   * The newest attempt, from 1; 0 before the first.
   */
  attempt: number
  /**
   * The vendor's API of that attempt.
   */
  provider?: string
  /**
   * The model of that attempt.
   */
  model?: string
  started_at?: Timestamp
  /**
   * The model's own reasoning, as far as it came.
   */
  thinking: string
  /**
   * The visible prose, as far as it came.
   */
  text: string
  /**
   * What failed so far, over all attempts.
   */
  faults: Fault[]
  complete?: JudgeComplete
}
/**
 * A note, and when it was given.
 */
export interface Noted {
  at: Timestamp
  note: Note
}
