/** What a person writes beside a verdict, as one plain text that people read and the page reads back. */
import { trim } from './why.ts'
import type { Lang, Words } from './words.ts'

export interface Mine {
  /** What they leaned to before the council spoke. */
  leaning: string
  /** `follow`: as the verdict. `other`: what `instead` says. */
  choice: 'follow' | 'other' | undefined
  instead: string
  why: string
  /** The conditions that are seen to. */
  met: readonly string[]
  /** The conditions that are not, as far as they were written down. */
  open: readonly string[]
}

export const NOTHING: Mine = {
  leaning: '',
  choice: undefined,
  instead: '',
  why: '',
  met: [],
  open: [],
}

export const LABELS = {
  leaning: { en: 'Leaning before', ja: '事前の考え' },
  decision: { en: 'Decision', ja: '決定' },
  why: { en: 'Why', ja: '理由' },
} as const
export const FOLLOW = { en: 'as the verdict', ja: '評決に従う' } as const

type Field = keyof typeof LABELS

/** Lines after the first stand further in, so that no line of a person's own is taken for a label. */
const indented = (text: string): string => text.trim().split('\n').join('\n  ')

/** Every condition that is known, once and in the order of the verdict. */
export const allConditions = (mine: Mine, conditions: readonly string[]): readonly string[] => [
  ...new Set([...conditions, ...mine.met, ...mine.open]),
]

/**
 * Writes it down; empty when there is nothing to say. Conditions stand in it as soon as one is met, and one
 * that the verdict does not name in any case.
 */
export function compose(mine: Mine, conditions: readonly string[], lang: Lang): string {
  const lines: string[] = []
  const put = (field: Field, text: string): void => {
    if (text.trim() !== '') lines.push(`${LABELS[field][lang]}: ${indented(text)}`)
  }
  put('leaning', mine.leaning)
  if (mine.choice === 'follow') put('decision', FOLLOW[lang])
  if (mine.choice === 'other') put('decision', mine.instead)
  put('why', mine.why)
  if (mine.met.length > 0 || mine.open.some((one) => !conditions.includes(one)))
    for (const one of allConditions(mine, conditions))
      lines.push(`[${mine.met.includes(one) ? 'x' : ' '}] ${indented(one)}`)
  return lines.join('\n')
}

const LINE = new RegExp(
  `^(${Object.values(LABELS)
    .flatMap((label) => Object.values(label))
    .join('|')}): (.*)$`,
  's',
)
const BOX = /^\[([ x])\] (.*)$/s

/** The decision alone, for one line of a list; empty where nothing has been decided yet. */
export function decided(text: string, lang: Lang): string {
  const { choice, instead } = parse(text)
  return choice === 'follow' ? FOLLOW[lang] : instead.trim()
}

/** What was decided, why, and how many conditions are met: a line each, as people say it. */
export function linesOf(
  text: string,
  { code, room, verdict }: Words,
  conditions: readonly string[] = [],
): string[] {
  const mine = parse(text)
  const ticking = mine.met.length + mine.open.length > 0
  const { length } = allConditions(mine, ticking ? conditions : [])
  return [
    decided(text, code),
    mine.why.trim() === '' ? '' : `${room.decision.why}: ${mine.why.trim()}`,
    length === 0 ? '' : `${verdict.conditions}: ${room.decision.met(mine.met.length, length)}`,
  ].filter((line) => line !== '')
}

/** What is kept, in its parts. */
export interface Parts {
  leaning: string
  choice: Mine['choice']
  instead: string
  why: string
  /** The conditions, each with whether it is seen to. */
  boxes: readonly { ticked: boolean; text: string }[]
}

/** Reads it back. What was written elsewhere, in any other form, is the decision itself. */
export function parse(text: string): Mine {
  const { boxes, ...said } = partsOf(text)
  const those = (wanted: boolean): string[] =>
    boxes.filter(({ ticked }) => ticked === wanted).map((box) => box.text)
  return { ...said, met: those(true), open: those(false) }
}

/**
 * Reads its parts, and loses no word of it. `crates/magi-server/src/export/mine.rs` is its twin, and one
 * table of cases holds both to the same.
 */
export function partsOf(text: string): Parts {
  const read: Record<Field, string> = { leaning: '', decision: '', why: '' }
  const boxes: { ticked: boolean; text: string }[] = []
  const add = (field: Field, words: string): void => {
    read[field] += read[field] === '' ? words : `\n${words}`
  }
  let more: ((line: string) => void) | undefined
  for (const line of trim(text).split(/\r?\n/)) {
    const label = LINE.exec(line)
    const box = BOX.exec(line)
    if (line.startsWith('  ') && more) more(line.slice(2))
    else if (label) {
      const field = fieldOf(label[1] ?? '')
      add(field, label[2] ?? '')
      more = (next) => add(field, next)
    } else if (box) {
      const one = { ticked: box[1] === 'x', text: box[2] ?? '' }
      boxes.push(one)
      more = (next) => (one.text += `\n${next}`)
    } else {
      add('decision', line)
      more = undefined
    }
  }
  const [leaning, decision, why] = [trim(read.leaning), trim(read.decision), trim(read.why)]
  const follow = decision === FOLLOW.en || decision === FOLLOW.ja
  const choice = follow ? 'follow' : decision === '' ? undefined : 'other'
  return { leaning, choice, instead: follow ? '' : decision, why, boxes }
}

const fieldOf = (label: string): Field =>
  (Object.keys(LABELS) as Field[]).find(
    (field) => LABELS[field].en === label || LABELS[field].ja === label,
  ) ?? 'decision'
