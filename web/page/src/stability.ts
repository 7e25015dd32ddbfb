/** Whether a judgment holds: the same votes judged again, with the sages in other orders. */
import {
  EMPTY,
  fold,
  viewOf,
  type Door,
  type FinalDecision,
  type Sage,
  type View,
} from '@magi/stream'
import { useEffect, useState } from 'react'
import { tab } from './storage.ts'

/** One of the judgements: what it came to, and in which order the judge saw the sages. */
export interface Turn {
  id: string
  state: 'judging' | 'judged' | 'none' | 'unread'
  decision: FinalDecision | undefined
  /** Empty before the judge begins, and where a panel judged: each of it has its own. */
  order: readonly Sage[]
}

/** How many of the judgements came to the same decision as the one before. */
export interface Stability {
  same: number
  /** How many were made: a judge that failed says nothing of the decision. */
  judged: number
  /** How many ended without a judgment, or could not be read. */
  failed: number
  /** How many have ended, of all. */
  ended: number
  of: number
}

/** What the judge decided, where there was one. */
export const decisionOf = ({ end }: View): FinalDecision | undefined =>
  end?.kind === 'complete' && end.data.judge_agrees !== null
    ? end.data.solomon_judgment.final_decision
    : undefined

/** Counts them as `magi rejudge --stability` does. */
export const stabilityOf = (before: FinalDecision, turns: readonly Turn[]): Stability => ({
  same: turns.filter((turn) => turn.decision === before).length,
  judged: turns.filter((turn) => turn.state === 'judged').length,
  failed: turns.filter((turn) => turn.state === 'none' || turn.state === 'unread').length,
  ended: turns.filter((turn) => turn.state !== 'judging').length,
  of: turns.length,
})

const begun = (id: string): Turn => ({ id, state: 'judging', decision: undefined, order: [] })

/** What one of them has come to by now. */
export function turnOf(id: string, view: View): Turn {
  const order = view.judge.panel.length > 0 ? [] : view.judge.order
  if (!view.end) return { ...begun(id), order }
  const decision = decisionOf(view)
  return { id, state: decision === undefined ? 'none' : 'judged', decision, order }
}

/** Follows one of them to its end. */
export async function followed(
  door: Pick<Door, 'follow'>,
  id: string,
  signal: AbortSignal,
): Promise<Turn> {
  let view = EMPTY
  try {
    for await (const entry of door.follow(id, { signal })) {
      if (entry.kind === 'event') view = fold(view, entry.event)
      else if (entry.kind === 'snapshot') view = viewOf(entry.snapshot)
    }
  } catch {
    return { ...begun(id), state: 'unread' }
  }
  const turn = turnOf(id, view)
  return turn.state === 'judging' ? { ...turn, state: 'unread' } : turn
}

/**
 * Follows all of them, one after the other: they run at the same time, and a browser has few
 * connections to one host.
 */
export function useTurns(door: Door, ids: readonly string[]): readonly Turn[] {
  const [turns, setTurns] = useState<readonly Turn[]>([])
  const all = ids.join(' ')
  useEffect(() => {
    const leaving = new AbortController()
    setTurns(ids.map(begun))
    const read = async (): Promise<void> => {
      for (const id of ids) {
        const turn = await followed(door, id, leaving.signal)
        if (leaving.signal.aborted) return
        setTurns((old) => old.map((one) => (one.id === id ? turn : one)))
      }
    }
    void read()
    return () => leaving.abort()
    // `all` stands for `ids`.
  }, [door, all])
  return turns
}

const keyOf = (id: string): string => `magi.stability.${id}`

/** The judgements that were asked for in this tab, so that a reload finds them again. */
export function useJudgedAgain(
  id: string | undefined,
): [readonly string[], (ids: readonly string[]) => void] {
  const read = (): readonly string[] =>
    id === undefined ? [] : (tab.read(keyOf(id))?.split(' ') ?? [])
  const [asked, setAsked] = useState<{ id: string | undefined; ids: readonly string[] }>()
  const ids = asked?.id === id && asked !== undefined ? asked.ids : read()
  const ask = (next: readonly string[]): void => {
    if (id !== undefined) tab.write(keyOf(id), next.join(' '))
    setAsked({ id, ids: next })
  }
  return [ids, ask]
}
