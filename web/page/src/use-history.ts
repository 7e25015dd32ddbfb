import type { Listed, ListQuery } from '@magi/stream'
import { useEffect, useRef, useState } from 'react'
import type { Library } from './library.ts'

/** What is asked of the history. Days are the person's own. */
export interface Filters {
  q: string
  verdict: string
  preset: string
  from: string
  to: string
}

export const NO_FILTERS: Filters = { q: '', verdict: '', preset: '', from: '', to: '' }

export const isFiltered = (filters: Filters): boolean =>
  Object.values(filters).some((value) => value.trim() !== '')

/** The first instant of a day where the person is, or of the day after. */
function instant(day: string, after: number): string | undefined {
  const [year, month, date] = day.split('-').map(Number)
  if (!year || !month || !date) return undefined
  return new Date(year, month - 1, date + after).toISOString()
}

/** The same as the door takes it: `to` is the instant before which. */
export function queryOf({ q, verdict, preset, from, to }: Filters): ListQuery {
  const query: ListQuery = {}
  if (q.trim() !== '') query.q = q.trim()
  if (verdict !== '') query.verdict = verdict
  if (preset !== '') query.preset = preset
  const first = instant(from, 0)
  const last = instant(to, 1)
  if (first !== undefined) query.from = first
  if (last !== undefined) query.to = last
  return query
}

/** Rows asked for at a time. */
const PAGE = 100
/** How long typing may pause before it is a question, in milliseconds. */
const TYPING = 220

export interface HistoryList {
  items: readonly Listed[]
  state: 'asking' | 'there' | 'failed'
  /** Why, where it failed. */
  why: string
  /** More are there. */
  more: boolean
  loadMore: () => void
  again: () => void
  change: (id: string, change: Partial<Listed>) => void
}

/** Reads the history page by page; an answer to an older question is not shown. */
export function useHistory(library: Library, filters: Filters): HistoryList {
  const [items, setItems] = useState<readonly Listed[]>([])
  const [state, setState] = useState<HistoryList['state']>('asking')
  const [why, setWhy] = useState('')
  const [next, setNext] = useState<string>()
  const [tries, setTries] = useState(0)
  const turn = useRef(0)
  const loading = useRef(false)
  const first = useRef(true)

  const read = async (after: string | undefined, mine: number): Promise<void> => {
    loading.current = true
    try {
      const query = { ...queryOf(filters), limit: PAGE }
      const page = await library.list(after === undefined ? query : { ...query, cursor: after })
      if (turn.current !== mine) return
      setItems((old) => (after === undefined ? page.items : [...old, ...page.items]))
      setNext(page.next)
      setState('there')
    } catch (error) {
      if (turn.current !== mine) return
      setWhy(error instanceof Error ? error.message : String(error))
      setState('failed')
    } finally {
      if (turn.current === mine) loading.current = false
    }
  }

  useEffect(() => {
    const mine = ++turn.current
    const begin = (): void => {
      setState('asking')
      void read(undefined, mine)
    }
    // The first look waits for nobody.
    const timer = setTimeout(begin, first.current ? 0 : TYPING)
    first.current = false
    return () => clearTimeout(timer)
  }, [library, filters, tries])

  return {
    items,
    state,
    why,
    more: next !== undefined,
    loadMore: () => {
      if (next !== undefined && !loading.current) void read(next, turn.current)
    },
    again: () => setTries((before) => before + 1),
    change: (id, change) =>
      setItems((old) => old.map((item) => (item.id === id ? { ...item, ...change } : item))),
  }
}

/** Every row that is asked for, for a file. Stops at `most`. */
export async function allOf(
  library: Library,
  filters: Filters,
  most = 50_000,
): Promise<readonly Listed[]> {
  const all: Listed[] = []
  let cursor: string | undefined
  do {
    const query = { ...queryOf(filters), limit: 200 }
    const page = await library.list(cursor === undefined ? query : { ...query, cursor })
    all.push(...page.items)
    cursor = page.next
  } while (cursor !== undefined && all.length < most)
  return all
}
