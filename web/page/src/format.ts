import type { Listed, View } from '@magi/stream'
import type { Lang, SealKind } from './words.ts'

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
