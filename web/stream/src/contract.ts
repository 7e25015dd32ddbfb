/**
 * The words of the wire: every event of a deliberation, as `crates/magi-event` writes it.
 * A reader ignores types and fields it does not know, so unknown events are part of the type.
 */

/** The three sages, in the order every front end shows them. */
export const SAGES = ['caspar', 'balthasar', 'melchior'] as const
export type Sage = (typeof SAGES)[number]
export type Agent = Sage | 'solomon'

export type Vote = 'APPROVED' | 'REJECTED' | 'ABSTAINED'
export type Decision = 'APPROVED' | 'REJECTED' | 'UNDECIDED'
export type Mode = 'live' | 'rehearsal' | 'replay'
export type Status = 'running' | 'paused' | 'completed' | 'degraded' | 'cancelled' | 'failed'

/** Why a sage abstained. The last four are votes that are missing, not cast. */
export type Cause =
  'own' | 'rehearsal' | 'refused' | 'failed' | 'timeout' | 'unparsable' | 'stopped'

export interface Usage {
  input_tokens: number
  output_tokens: number
  reasoning_tokens?: number
  cache_read_tokens?: number
  cache_write_tokens?: number
  /** True where the vendor did not tell and the number is bytes / 4. */
  estimated?: boolean
}

export interface Council {
  name: string
  version: number
  /** `majority`, `unanimous`, `veto:<sage>` or `judge`. */
  rule: string
  quorum: number
  sages: Sage[]
  /** The model of each role, as `provider:model`. */
  models: Partial<Record<Agent, string>>
}

export interface Missing {
  agent: Agent
  cause: Cause
  message?: string
}

export interface Start {
  protocol: number
  trace_id: string
  question: string
  context?: string
  lang: string
  council: Council
  mode: Mode
  capabilities: string[]
  conversation_id?: string
  fork_of?: string
}
export interface AttemptStart {
  attempt: number
  provider: string
  model: string
}
export interface JudgeStart extends AttemptStart {
  order_seed: number
  order: Sage[]
}
export interface Delta {
  text: string
}
export interface AttemptError {
  code: string
  message: string
  attempt: number
  retryable: boolean
  retry_in?: number
}
export interface AttemptTimeout {
  kind: 'connect' | 'first_token' | 'idle' | 'total'
  timeout: number
  elapsed: number
  partial_response?: string | null
  attempt: number
  retryable: boolean
}
export interface AgentComplete {
  decision: Vote
  reasoning: string
  conditions: string[]
  would_change: string[]
  /** 0 to 1; absent when the sage did not say. */
  confidence?: number | null
  cause?: Cause | null
  attempt: number
  text_bytes: number
  text_sha256: string
  usage?: Usage | null
  cost_usd?: number | null
  first_token_ms?: number | null
  /** Milliseconds. */
  execution_time: number
}
export interface Tally {
  approved: number
  rejected: number
  abstained: number
  quorum: number
  outcome: Decision
  /** `approved-rejected-abstained`, as in "2-1-0". */
  agreement: string
}
export interface JudgeComplete {
  final_decision: Decision
  reasoning: string
  confidence?: number | null
  sage_scores: Partial<Record<Sage, number>>
  score_reasons?: Partial<Record<Sage, string>>
  dissent?: { agent?: Sage | null; text: string } | null
  conditions?: string[]
  would_change?: string[]
  judge_agrees?: boolean | null
  /** 0 where no judge was called. */
  attempt?: number
  text_bytes: number
  text_sha256: string
  usage?: Usage | null
  cost_usd?: number | null
  first_token_ms?: number | null
  execution_time?: number
}
export interface Trace {
  span_id: string
  parent_id?: string
  name: string
  started_at: string
  duration_ms?: number
  attributes?: Record<string, unknown>
}
export interface Complete {
  trace_id: string
  status: Status
  missing: Missing[]
  final_decision: Decision
  voting_result: { approved: number; rejected: number; abstained: number }
  solomon_judgment: JudgeComplete
  overruled: boolean
  judge_agrees?: boolean | null
  summary: string
  recommendation: string
  confidence?: number | null
  usage: Usage
  cost_usd?: number | null
  /** Milliseconds. */
  execution_time: number
}
export interface Cancelled {
  by: string
  reason: string
  usage?: Usage | null
  cost_usd?: number | null
}
export interface Failure {
  code: string
  message: string
  missing?: Missing[]
  usage?: Usage | null
  cost_usd?: number | null
}

interface Common {
  seq: number
  timestamp: string
  trace_id: string
}

type Of<T extends string, D> = Common & { type: T; data: D }
type BySage<T extends string, D> = Common & { type: T; agentId: Sage; data: D }

export type Event =
  | Of<'start', Start>
  | Of<'sages_start', { sage_count: number }>
  | BySage<'agent_start', AttemptStart>
  | BySage<'agent_thinking', Delta>
  | BySage<'agent_chunk', Delta>
  | BySage<'agent_error', AttemptError>
  | BySage<'agent_timeout', AttemptTimeout>
  | BySage<'agent_complete', AgentComplete>
  | Of<'tally', Tally>
  | Of<'judge_start', JudgeStart>
  | Of<'judge_thinking', Delta>
  | Of<'judge_chunk', Delta>
  | Of<'judge_error', AttemptError>
  | Of<'judge_timeout', AttemptTimeout>
  | Of<'judge_complete', JudgeComplete>
  | (Common & { type: 'trace'; agentId?: Sage; data: Trace })
  | Of<'note', { from: string; to: string; text: string }>
  | Of<'paused', { by: string; reason: string; state?: string }>
  | Of<'resumed', { by: string; reason: string }>
  | Of<'rewind', { to: number }>
  | Of<'complete', Complete>
  | Of<'cancelled', Cancelled>
  | Of<'error', Failure>
export type EventType = Event['type']

const LAST: ReadonlySet<string> = new Set(['complete', 'cancelled', 'error'])
const DELTAS: ReadonlySet<string> = new Set([
  'agent_thinking',
  'agent_chunk',
  'judge_thinking',
  'judge_chunk',
  'trace',
])

/** True for the one event after which a log has nothing more. */
export const isLast = (type: string): boolean => LAST.has(type)

/** True for an event that only becomes visible once it is stored, so that no rewind takes it back. */
export const isMilestone = (type: string): boolean => !DELTAS.has(type)

/** True for a name that is one of the three sages. */
export const isSage = (name: unknown): name is Sage => SAGES.includes(name as Sage)
