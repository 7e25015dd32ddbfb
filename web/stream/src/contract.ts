/**
 * The words of the wire: every event of a deliberation, as `crates/magi-event` writes it. The types are
 * generated from its JSON Schema. A reader ignores types and fields it does not know.
 */
import type { Event, Sage } from './events.d.ts'

export type * from './events.d.ts'

export type EventType = Event['type']

/** The three sages, in the order every front end shows them. */
export const SAGES: readonly Sage[] = ['caspar', 'balthasar', 'melchior']

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

const ENDED: ReadonlySet<unknown> = new Set(['completed', 'degraded', 'cancelled', 'failed'])

/** True for a status after which nothing more happens. */
export const isLastStatus = (status: unknown): boolean => ENDED.has(status)

/** True for an event that only becomes visible once it is stored, so that no rewind takes it back. */
export const isMilestone = (type: string): boolean => !DELTAS.has(type)

/** True for a name that is one of the three sages. */
export const isSage = (name: unknown): name is Sage => SAGES.includes(name as Sage)
