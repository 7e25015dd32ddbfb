import type { Complete, JudgeComplete } from '@magi/stream'

/** The most characters that are shown of a sentence. */
const MOST = 200

/** Where a sentence ends: a full stop of the East, a line's end, or one of the West before white space. */
const END = /[。！？]|[.!?](?=\p{White_Space}|$)|\n/u

const OUTER = /^\p{White_Space}+|\p{White_Space}+$/gu

/** Trims what the server takes for white space, which is not all of what JavaScript does. */
export const trim = (text: string): string => text.replace(OUTER, '')

/** The text up to its first sentence's end. It is the twin of `magi_event::first_sentence`. */
export function firstSentence(text: string): string {
  const whole = trim(text)
  const end = END.exec(whole)
  const sentence = !end
    ? whole
    : whole.slice(0, end[0] === '\n' ? end.index : end.index + end[0].length)
  const characters = [...sentence]
  return characters.length > MOST ? `${characters.slice(0, MOST).join('')}…` : sentence
}

/**
 * What the judge said for its decision, whole; none where no judge spoke. Before the words of a panel's
 * speaker stands a line that says how the panel came to judge: that is no reason.
 */
export function groundsOf(judgment: JudgeComplete): string | undefined {
  const { judge_agrees: agrees, panel = [], reasoning } = judgment
  if (typeof agrees !== 'boolean') return undefined
  const gap = panel.length > 0 ? reasoning.indexOf('\n\n') : -1
  const said = trim(gap < 0 ? reasoning : reasoning.slice(gap + 2))
  return said === '' ? undefined : said
}

/** True where the judge came to what was decided: only then do its grounds say why. */
export const isOwn = ({ final_decision, solomon_judgment }: Complete): boolean =>
  final_decision === solomon_judgment.final_decision

/** Why it was decided so, in a sentence: the judge's, else the votes in words. */
export function whyOf(verdict: Complete): string {
  const grounds = isOwn(verdict) ? groundsOf(verdict.solomon_judgment) : undefined
  return grounds === undefined ? verdict.summary : firstSentence(grounds)
}
