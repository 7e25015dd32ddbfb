import type { Listed } from '@magi/stream'
import { allConditions, decided, parse } from './mine.ts'
import { parseOutcome } from './outcome.ts'
import type { Lang } from './words.ts'

const COLUMNS = [
  'id',
  'asked_at',
  'title',
  'question',
  'status',
  'verdict',
  'votes',
  'preset',
  'mode',
  'summary',
  'input_tokens',
  'output_tokens',
  'tokens_estimated',
  'cost_usd',
  'leaning',
  'my_decision',
  'why',
  'conditions_met',
  'outcome',
  'outcome_note',
  'fork_of',
  'conversation_id',
] as const

/** A cell that a spreadsheet takes as text: quoted where it must be, and never as a formula. */
export function cell(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text = String(value)
  // A spreadsheet reads a leading sign as a formula, whoever wrote it.
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** What a person wrote beside it, a cell for each field. */
function beside({ my_decision: text = '', outcome }: Listed, lang: Lang): readonly unknown[] {
  const mine = parse(text)
  const { length } = allConditions(mine, [])
  const { word, note } = parseOutcome(outcome)
  return [
    mine.leaning,
    decided(text, lang),
    mine.why,
    // "2/3" alone would become a date.
    length === 0 ? undefined : `${mine.met.length} of ${length}`,
    word,
    note,
  ]
}

/** The history as CSV (RFC 4180), with the mark by which spreadsheets know UTF-8. */
export function csvOf(items: readonly Listed[], lang: Lang): string {
  const row = (item: Listed): readonly unknown[] => [
    item.id,
    item.created_at,
    item.title,
    item.question,
    item.status,
    item.final_decision,
    // "2-1-0" alone would become a date.
    item.agreement?.replaceAll('-', '–'),
    item.preset,
    item.mode,
    item.summary,
    item.usage?.input_tokens,
    item.usage?.output_tokens,
    item.usage?.estimated,
    item.cost_usd,
    ...beside(item, lang),
    item.fork_of,
    item.conversation_id,
  ]
  const lines = [COLUMNS, ...items.map(row)].map((cells) => cells.map(cell).join(','))
  return `\ufeff${lines.join('\r\n')}\r\n`
}
