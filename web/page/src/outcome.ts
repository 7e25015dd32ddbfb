/** How it turned out, as it is kept: one of three words and a note, or a note alone. */
export const OUTCOMES = ['good', 'bad', 'mixed'] as const

export type OutcomeWord = (typeof OUTCOMES)[number]

export interface Outcome {
  word: OutcomeWord | undefined
  note: string
}

/** Reads what is kept. Words that came another way (from the command line, by hand) are the note. */
export function parseOutcome(text: string | undefined): Outcome {
  const found = /^(good|bad|mixed)(?:\s*[:：]\s*|\s+|$)([\s\S]*)$/i.exec(text?.trim() ?? '')
  if (!found) return { word: undefined, note: text?.trim() ?? '' }
  return { word: found[1]?.toLowerCase() as OutcomeWord, note: found[2]?.trim() ?? '' }
}

/** Writes what is to be kept; nothing said is null, which clears it. */
export function writeOutcome({ word, note }: Outcome): string | null {
  const said = note.trim()
  if (word === undefined) return said === '' ? null : said
  return said === '' ? word : `${word}: ${said}`
}
