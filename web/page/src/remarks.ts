/** What a person wrote beside a deliberation, and what is linked to it, wherever that is kept. */
import { Client, type Listed, type Remarks } from '@magi/stream'
import { useCallback, useEffect, useState } from 'react'
import { useWay, type Way } from './way.ts'

/** Where remarks are kept. */
export interface Keeper {
  kind: 'server' | 'own'
  item: (id: string) => Promise<Listed | undefined>
  write: (id: string, change: Remarks) => Promise<void>
  /** Those that go on from this one, newest first. */
  linked: (id: string) => Promise<Listed[]>
  /** What was asked before and after this one in its conversation. */
  beside: (id: string, conversation: string | undefined) => Promise<Beside>
}

/** The neighbours in a conversation. */
export interface Beside {
  /** The newest of those before. */
  before: Listed | undefined
  /** Those after, oldest first. */
  after: readonly Listed[]
}

/** The most links that are shown; more are in the history. */
const MOST = 20

/** The server's history, this browser's own, or nothing. `history` is whether the door has one. */
export function keeperOf({ door, archive }: Way, history: boolean): Keeper | undefined {
  if (archive)
    return {
      kind: 'own',
      item: (id) => archive.item(id),
      write: (id, change) => archive.patch(id, change),
      linked: async (id) => (await archive.linked(id)).slice(0, MOST),
      // A door without a history has no conversations: what goes along stands in the context.
      beside: () => Promise.resolve({ before: undefined, after: [] }),
    }
  if (!history || !(door instanceof Client)) return undefined
  return {
    kind: 'server',
    item: (id) => door.item(id),
    write: async (id, change) => void (await door.patch(id, change)),
    linked: async (id) => (await door.list({ fork_of: id, limit: MOST })).items,
    beside: (id, conversation) => besideOf(door, id, conversation),
  }
}

/** The most of a conversation that is looked through for the neighbours. */
const LONGEST = 200

/** A conversation that is called by a deliberation's id began with that one, which does not name it. */
async function besideOf(door: Client, id: string, conversation: string = id): Promise<Beside> {
  const { items } = await door.list({ conversation_id: conversation, limit: LONGEST })
  const earlier = items.filter((item) => item.id < id)
  const after = items.filter((item) => item.id > id && item.fork_of === undefined).reverse()
  const before = earlier[0] ?? (await rootOf(door, id, conversation))
  return { before, after: after.slice(0, MOST) }
}

const rootOf = async (
  door: Client,
  id: string,
  conversation: string,
): Promise<Listed | undefined> =>
  conversation < id && DELIBERATION.test(conversation) ? door.item(conversation) : undefined

/** A deliberation's id: a ULID. */
const DELIBERATION = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/

export function useKeeper(history: boolean): Keeper | undefined {
  const way = useWay()
  const [keeper, setKeeper] = useState(() => keeperOf(way, history))
  useEffect(() => setKeeper(keeperOf(way, history)), [way, history])
  return keeper
}

/** Something asked for, and asked for again by `again`. */
export interface Loaded<T> {
  value: T | undefined
  /** The answer is there, which may be that there is nothing. */
  done: boolean
  failed: boolean
  again: () => void
}

/** Asks while `ask` is there; its answer is dropped when another question came in between. */
export function useLoaded<T>(ask: (() => Promise<T>) | undefined, key: string): Loaded<T> {
  const [state, setState] = useState<{ key: string; value?: T; failed: boolean }>()
  const [round, setRound] = useState(0)
  useEffect(() => {
    if (!ask) return undefined
    let here = true
    ask().then(
      (value) => here && setState({ key, value, failed: false }),
      () => here && setState({ key, failed: true }),
    )
    return () => {
      here = false
    }
    // `key` stands for `ask`.
  }, [key, round, ask === undefined])
  const again = useCallback(() => {
    setState(undefined)
    setRound((old) => old + 1)
  }, [])
  const mine = state?.key === key ? state : undefined
  const failed = mine?.failed ?? false
  return { value: mine?.value, done: mine !== undefined && !failed, failed, again }
}
