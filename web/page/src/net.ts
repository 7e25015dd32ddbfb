import type { State } from '@magi/stream'

/** One thing that happened to the connection while this page was reading, on the log's clock. */
export interface NetMark {
  kind: 'live' | 'lost' | 'offline' | 'failed'
  /** Milliseconds since the epoch. */
  at: number
  /** Events that were there before the connection and came first. */
  replayed: number
}

/** Adds what a change of state means; the same list where it means nothing. */
export function noted(marks: readonly NetMark[], state: State, at: number): readonly NetMark[] {
  const last = marks.at(-1)?.kind
  const kind =
    state.name === 'live'
      ? 'live'
      : state.name === 'offline'
        ? 'offline'
        : state.name === 'failed'
          ? 'failed'
          : state.name === 'waiting'
            ? 'lost'
            : undefined
  if (kind === undefined || kind === last) return marks
  if (kind === 'lost' && last === 'offline') return marks
  return [...marks, { kind, at, replayed: 0 }]
}

/** Counts an event that was there before. */
export function replayed(marks: readonly NetMark[]): readonly NetMark[] {
  const last = marks.at(-1)
  return last ? [...marks.slice(0, -1), { ...last, replayed: last.replayed + 1 }] : marks
}
