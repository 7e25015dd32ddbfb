import type { Keeper } from './remarks.ts'
import { compose, NOTHING, parse } from './mine.ts'
import { tab } from './storage.ts'
import type { Lang } from './words.ts'

/**
 * What a person leaned to before the council spoke. It is never sent with the question: it waits in this
 * tab until the deliberation has an id, and is then kept beside it like everything a person writes.
 */
const KEY = 'magi.leaning'

interface Waiting {
  text: string
  /** The deliberation, once it is known. */
  id?: string
  /** It is kept beside the deliberation. It stays here until the next one: what was read before that lacks it. */
  kept?: true
}

function waiting(): Waiting | undefined {
  try {
    const read = JSON.parse(tab.read(KEY) ?? 'null') as Waiting | null
    return typeof read?.text === 'string' ? read : undefined
  } catch {
    return undefined
  }
}

/** Holds a leaning for the question that is about to be asked; an empty one forgets the last. */
export const hold = (text: string): void =>
  tab.write(KEY, text.trim() === '' ? undefined : JSON.stringify({ text: text.trim() }))

/** Says which deliberation the held leaning belongs to. */
export function belongsTo(id: string): void {
  const held = waiting()
  if (held && held.id === undefined) tab.write(KEY, JSON.stringify({ ...held, id }))
}

/** The leaning that was written for this deliberation, kept already or not. */
export function heldFor(id: string): string | undefined {
  const held = waiting()
  return held?.id === id ? held.text : undefined
}

/** Keeps the held leaning beside its deliberation; it waits on where that fails. */
export async function keepLeaning(keeper: Keeper, id: string, lang: Lang): Promise<void> {
  const held = waiting()
  if (held?.id !== id || held.kept) return
  const { text } = held
  const written = (await keeper.item(id))?.my_decision
  const mine = written === undefined ? NOTHING : parse(written)
  if (mine.leaning === '')
    await keeper.write(id, { my_decision: compose({ ...mine, leaning: text }, [], lang) })
  tab.write(KEY, JSON.stringify({ text, id, kept: true }))
}
