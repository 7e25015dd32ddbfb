/** How a script speaks: a text cut as a model would, its size and its hash. */
import { createHash } from 'node:crypto'
import type { Draft } from './log.ts'

/** One draft and the milliseconds to wait before it. */
export interface Beat {
  wait: number
  draft: Draft
}

export const sha = (text: string): string => createHash('sha256').update(text).digest('hex')
export const bytes = (text: string): number => Buffer.byteLength(text)

/** Cuts a text as a model would: words, or two or three characters of Japanese. */
export function tokens(text: string, random: () => number): string[] {
  const cut: string[] = []
  for (const word of text.match(/[\x20-\x7e\n]+|[^\x20-\x7e\n]+/g) ?? []) {
    if (/^[\x20-\x7e\n]/.test(word)) {
      cut.push(...(word.match(/\s*\S+|\s+/g) ?? []))
    } else {
      const characters = [...word]
      for (let at = 0; at < characters.length;) {
        const size = 1 + Math.floor(random() * 3)
        cut.push(characters.slice(at, at + size).join(''))
        at += size
      }
    }
  }
  return cut
}
