/** What two texts have in common, by longest common subsequence: paragraphs first, then words. */

export type Step = { kind: 'same'; text: string } | { kind: 'left' | 'right'; text: string }

/** Above so many pairs the middle of two lists is not compared, but taken as replaced. */
const MOST_PAIRS = 4_000_000

/** The steps from one list to the other; equal ends are taken off first. */
export function diff(left: readonly string[], right: readonly string[]): Step[] {
  let head = 0
  while (head < left.length && head < right.length && left[head] === right[head]) head++
  let tail = 0
  while (
    tail < left.length - head &&
    tail < right.length - head &&
    left[left.length - 1 - tail] === right[right.length - 1 - tail]
  )
    tail++
  const same = (part: readonly string[]): Step[] => part.map((text) => ({ kind: 'same', text }))
  return [
    ...same(left.slice(0, head)),
    ...middle(left.slice(head, left.length - tail), right.slice(head, right.length - tail)),
    ...same(left.slice(left.length - tail)),
  ]
}

function middle(left: readonly string[], right: readonly string[]): Step[] {
  const width = right.length + 1
  if (left.length * right.length > MOST_PAIRS)
    return [
      ...left.map((text): Step => ({ kind: 'left', text })),
      ...right.map((text): Step => ({ kind: 'right', text })),
    ]
  // common[i, j]: the longest common subsequence of left from i and right from j.
  const common = new Uint32Array((left.length + 1) * width)
  const at = (i: number, j: number): number => common[i * width + j] as number
  for (let i = left.length - 1; i >= 0; i--)
    for (let j = right.length - 1; j >= 0; j--)
      common[i * width + j] =
        left[i] === right[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
  const steps: Step[] = []
  let i = 0
  let j = 0
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      steps.push({ kind: 'same', text: left[i] as string })
      i++
      j++
    } else if (j >= right.length || (i < left.length && at(i + 1, j) >= at(i, j + 1)))
      steps.push({ kind: 'left', text: left[i++] as string })
    else steps.push({ kind: 'right', text: right[j++] as string })
  }
  return steps
}

/** One line of two texts side by side; an absent side has nothing there. */
export interface Pair {
  kind: 'same' | 'changed'
  left: string | undefined
  right: string | undefined
}

const paragraphs = (text: string): string[] =>
  text
    .replaceAll('\r\n', '\n')
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim())
    .filter((paragraph) => paragraph !== '')

/** Two texts by paragraphs: what stands in both on one line, what was changed beside what it was. */
export function sideBySide(left: string, right: string): Pair[] {
  const pairs: Pair[] = []
  let gone: string[] = []
  let come: string[] = []
  const flush = (): void => {
    for (let index = 0; index < Math.max(gone.length, come.length); index++)
      pairs.push({ kind: 'changed', left: gone[index], right: come[index] })
    gone = []
    come = []
  }
  for (const step of diff(paragraphs(left), paragraphs(right))) {
    if (step.kind === 'left') gone.push(step.text)
    else if (step.kind === 'right') come.push(step.text)
    else {
      flush()
      pairs.push({ kind: 'same', left: step.text, right: step.text })
    }
  }
  flush()
  return pairs
}

/** Words where the language has spaces, and what a reader takes for words where it has none. */
export function wordsOf(text: string, lang: string): string[] {
  if (typeof Intl.Segmenter === 'undefined') return text.split(/(\s+)/).filter(Boolean)
  return [...new Intl.Segmenter(lang, { granularity: 'word' }).segment(text)].map(
    (one) => one.segment,
  )
}

/** A part of one side's paragraph, and whether the other side has it too. */
export interface Piece {
  text: string
  own: boolean
}

/** Marks in two paragraphs what the other has not. Nothing is marked where they share too little. */
export function marked(left: string, right: string, lang: string): [Piece[], Piece[]] {
  const steps = diff(wordsOf(left, lang), wordsOf(right, lang))
  const shared = steps.reduce((sum, { kind, text }) => sum + (kind === 'same' ? text.length : 0), 0)
  if (shared * 3 < Math.max(left.length, right.length))
    return [[{ text: left, own: false }], [{ text: right, own: false }]]
  const side = (mine: 'left' | 'right'): Piece[] => {
    const pieces: Piece[] = []
    for (const { kind, text } of steps) {
      if (kind !== 'same' && kind !== mine) continue
      const last = pieces.at(-1)
      const own = kind === mine
      if (last?.own === own) last.text += text
      else pieces.push({ text, own })
    }
    return pieces
  }
  return [side('left'), side('right')]
}
