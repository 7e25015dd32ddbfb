/** The history behind the fake server: rows that are only listed, and deliberations that are whole. */
import type { Listed, Remarks } from '../stream/src/client.ts'
import type { Event, FinalDecision } from '../stream/src/contract.ts'
import type { Log } from './log.ts'
import { seeded, type Script } from './script.ts'

/** What a person wrote beside it, and what only the list knows. */
export type Beside = Partial<
  Pick<Listed, 'title' | 'my_decision' | 'outcome' | 'fork_of' | 'conversation_id' | 'cost_usd'>
>

/** The line of a deliberation with its log. */
export function lineOf(log: Log, script: Script, created: string, beside: Beside): Listed {
  const last = log.entries.at(-1)?.event as Event | undefined
  const end = last?.type === 'complete' ? last.data : undefined
  const status =
    end?.status ??
    (last?.type === 'cancelled' ? 'cancelled' : last?.type === 'error' ? 'failed' : 'running')
  const { approved = 0, rejected = 0, abstained = 0 } = end?.voting_result ?? {}
  return {
    id: log.id,
    title: '',
    question: script.question,
    lang: script.lang,
    preset: 'default',
    status,
    mode: script.mode,
    created_at: created,
    ...(end
      ? {
          final_decision: end.final_decision,
          agreement: `${approved}-${rejected}-${abstained}`,
          summary: end.summary,
          usage: end.usage,
          ...(end.cost_usd === undefined ? {} : { cost_usd: end.cost_usd }),
        }
      : {}),
    ...beside,
  }
}

const SUBJECTS: readonly (readonly [string, string])[] = [
  ['Move billing to the new database in December?', 'en'],
  ['駅前の再開発に市の予算を投じるべきか?', 'ja'],
  ['Drop support for clients older than two years?', 'en'],
  ['週四日勤務を来年度から試行するか?', 'ja'],
  ['Hire before the audit, or after it?', 'en'],
  ['障害対応の当番を外部に委託するか?', 'ja'],
  ['Rewrite the importer in another language?', 'en'],
  ['監査の前に経費規程を改めるべきか?', 'ja'],
]
const DECISIONS: readonly FinalDecision[] = ['APPROVED', 'REJECTED', 'UNDECIDED']
const VOTES: Readonly<Record<FinalDecision, readonly string[]>> = {
  APPROVED: ['2-1-0', '3-0-0', '2-0-1'],
  REJECTED: ['1-2-0', '0-3-0', '0-2-1'],
  UNDECIDED: ['1-1-1', '0-0-3'],
}

/** So many lines of the past, newest first, an hour apart: the same ones every time. */
export function past(count: number, before: number): Listed[] {
  const random = seeded(7)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
  return Array.from({ length: count }, (_, index) => {
    const [question, lang] = pick(SUBJECTS)
    const decision = pick(DECISIONS)
    return {
      id: `01JPAST${String(count - index).padStart(19, '0')}`,
      title: '',
      question: `${question} (${count - index})`,
      lang,
      preset: pick(['default', 'default', 'strict', 'brainstorm']),
      status: 'completed',
      mode: 'live',
      final_decision: decision,
      agreement: pick(VOTES[decision]),
      summary:
        lang === 'ja'
          ? '根拠は揃っているが、戻し方が試されていない。条件つきで進める。'
          : 'The evidence speaks for it; the way back has not been tried, so it comes with conditions.',
      cost_usd: Math.round(random() * 400) / 10_000,
      created_at: new Date(before - index * 3_600_000).toISOString(),
    }
  })
}

/** One page of the lines that are asked for, as the server pages them. */
export function paged(all: readonly Listed[], search: URLSearchParams): Record<string, unknown> {
  const text = (name: string): string => search.get(name) ?? ''
  const words = text('q').toLowerCase().split(/\s+/).filter(Boolean)
  const wanted = all.filter((item) => {
    const said = `${item.title} ${item.question} ${item.summary ?? ''}`.toLowerCase()
    return (
      words.every((word) => said.includes(word)) &&
      (text('verdict') === '' || item.final_decision === text('verdict')) &&
      (text('fork_of') === '' || item.fork_of === text('fork_of')) &&
      (text('conversation_id') === '' || item.conversation_id === text('conversation_id')) &&
      (text('preset') === '' || item.preset === text('preset')) &&
      (text('from') === '' || Date.parse(item.created_at) >= Date.parse(text('from'))) &&
      (text('to') === '' || Date.parse(item.created_at) < Date.parse(text('to')))
    )
  })
  const from = text('cursor') === '' ? 0 : wanted.findIndex((one) => one.id === text('cursor')) + 1
  const limit = Number(search.get('limit') ?? 20)
  const items = wanted.slice(from, from + limit)
  const next = from + limit < wanted.length ? { next: items.at(-1)?.id } : {}
  return { items, ...next }
}

/** A line after a change: null clears. */
export function changed<T extends object>(line: T, change: Remarks): T {
  const next = { ...line, ...change } as Record<string, unknown>
  for (const [name, value] of Object.entries(next)) if (value === null) delete next[name]
  return next as unknown as T
}
