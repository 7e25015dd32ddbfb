/** What a person writes beside a verdict, as one plain text that people read and the page reads back. */
import type { Lang } from './words.ts'

export interface Mine {
  /** What they leaned to before the council spoke. */
  leaning: string
  /** `follow`: as the verdict. `other`: what `instead` says. */
  choice: 'follow' | 'other' | undefined
  instead: string
  why: string
  /** The conditions that are seen to. */
  met: readonly string[]
}

export const NOTHING: Mine = { leaning: '', choice: undefined, instead: '', why: '', met: [] }

const LABELS = {
  leaning: { en: 'Leaning before', ja: '事前の考え' },
  decision: { en: 'Decision', ja: '決定' },
  why: { en: 'Why', ja: '理由' },
} as const
const FOLLOW = { en: 'as the verdict', ja: '評決に従う' } as const

type Field = keyof typeof LABELS

/** Lines after the first stand further in, so that no line of a person's own is taken for a label. */
const indented = (text: string): string => text.trim().split('\n').join('\n  ')

/** Writes it down; empty when there is nothing to say. */
export function compose(mine: Mine, conditions: readonly string[], lang: Lang): string {
  const lines: string[] = []
  const put = (field: Field, text: string): void => {
    if (text.trim() !== '') lines.push(`${LABELS[field][lang]}: ${indented(text)}`)
  }
  put('leaning', mine.leaning)
  if (mine.choice === 'follow') put('decision', FOLLOW[lang])
  if (mine.choice === 'other') put('decision', mine.instead)
  put('why', mine.why)
  if (mine.met.length > 0)
    for (const one of [...conditions, ...mine.met.filter((one) => !conditions.includes(one))])
      lines.push(`[${mine.met.includes(one) ? 'x' : ' '}] ${indented(one)}`)
  return lines.join('\n')
}

const LINE = new RegExp(
  `^(${Object.values(LABELS)
    .flatMap((label) => Object.values(label))
    .join('|')}): (.*)$`,
)
const BOX = /^\[([ x])\] (.*)$/

/** Reads it back. What was written elsewhere, in any other form, is the decision itself. */
export function parse(text: string): Mine {
  const read: Record<Field, string> = { leaning: '', decision: '', why: '' }
  const met: string[] = []
  let more: ((line: string) => void) | undefined
  for (const line of text.trim().split('\n')) {
    const label = LINE.exec(line)
    const box = BOX.exec(line)
    if (line.startsWith('  ') && more) more(line.slice(2))
    else if (label) {
      const field = fieldOf(label[1] ?? '')
      read[field] = label[2] ?? ''
      more = (next) => (read[field] += `\n${next}`)
    } else if (box) {
      const ticked = box[1] === 'x'
      if (ticked) met.push(box[2] ?? '')
      more = (next) => {
        if (ticked) met.push(`${met.pop() ?? ''}\n${next}`)
      }
    } else {
      read.decision += read.decision === '' ? line : `\n${line}`
      more = undefined
    }
  }
  const { leaning, decision, why } = read
  const follow = decision === FOLLOW.en || decision === FOLLOW.ja
  const choice = follow ? 'follow' : decision === '' ? undefined : 'other'
  return { leaning, choice, instead: follow ? '' : decision, why, met }
}

const fieldOf = (label: string): Field =>
  (Object.keys(LABELS) as Field[]).find(
    (field) => LABELS[field].en === label || LABELS[field].ja === label,
  ) ?? 'decision'
