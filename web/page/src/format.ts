import {
  isMissing,
  sagesOf,
  type AgentComplete,
  type Decision,
  type FinalDecision,
  type JudgeComplete,
  type Listed,
  type View,
} from '@magi/stream'
import type { Lang, SealKind, Words } from './words.ts'

/** The seal that stands for where a deliberation is. A failure is never a verdict. */
export function sealOf(view: View): SealKind {
  switch (view.end?.kind) {
    case 'complete':
      return view.end.data.final_decision
    case 'cancelled':
      return 'STOPPED'
    case 'error':
      return 'FAILED'
    default:
      return 'DELIBERATING'
  }
}

/** The same for a line of the history. */
export function sealOfListed(item: Pick<Listed, 'status' | 'final_decision'>): SealKind {
  if (item.status === 'cancelled') return 'STOPPED'
  if (item.status === 'failed') return 'FAILED'
  if (item.status === 'running' || item.status === 'paused') return 'DELIBERATING'
  return item.final_decision ?? 'UNDECIDED'
}

/** The seal of a vote. One that is missing is counted with the abstentions, but is nobody's choice. */
export function sealOfVote(vote: AgentComplete): SealKind {
  if (vote.cause === 'stopped') return 'STOPPED'
  return isMissing(vote) ? 'MISSING' : vote.decision
}

/** Conditions are those of going ahead; where the council does not advise that, their title says so. */
export const conditionsTitle = ({ verdict }: Words, decision: Decision | FinalDecision): string =>
  decision === 'APPROVED' ? verdict.conditions : verdict.conditionsIf

/** The votes of a line of the history in words. */
export function votesText(words: Words, agreement: string): string {
  const [approved = 0, rejected = 0, abstained = 0] = agreement.split('-').map(Number)
  return words.verdict.sum({ approved, rejected, abstained })
}

/** How many sages have voted. A vote that is missing is none. */
export const votesIn = (view: View): number =>
  sagesOf(view).filter((sage) => {
    const { vote } = view.sages[sage]
    return vote !== undefined && !isMissing(vote)
  }).length

/** True where a panel judged and came to no majority: it decides nothing, so it overrules nothing. */
export const isSplit = ({ panel = [], final_decision: decision }: JudgeComplete): boolean =>
  panel.length > 0 && decision === 'UNDECIDED'

/** A score; a panel's median of two lies between whole numbers. */
export const scoreText = (lang: Lang, score: number): string =>
  new Intl.NumberFormat(lang, { maximumFractionDigits: 1 }).format(score)

/** Bytes of a text on the wire. */
export const byteLength = (text: string): number => new TextEncoder().encode(text).length

/** `0:07`, `12:30`: a running clock. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

/** How sure a sage said it is, as a word with its number; nothing is made up when it did not say. */
export function confidenceOf(words: Words, value: number | null | undefined): string {
  if (typeof value !== 'number') return words.verdict.notGiven
  return `${words.verdict.confidenceWord(value)}${words.aside(`${Math.round(value * 100)} %`)}`
}

/** Tokens written and read, marked where the vendor did not count them. */
export function tokensOf(
  words: Words,
  usage: { input_tokens: number; output_tokens: number; estimated?: boolean },
): string {
  const all = words.tokens(usage.input_tokens + usage.output_tokens)
  return usage.estimated ? `${all}${words.aside(words.estimated)}` : all
}
