import { expect, test } from 'vitest'
import { diff, marked, sideBySide, wordsOf, type Step } from '../src/diff.ts'

const side = (steps: readonly Step[], mine: 'left' | 'right'): string[] =>
  steps.filter(({ kind }) => kind === 'same' || kind === mine).map(({ text }) => text)

/** A small seeded generator, so that a failure can be met again. */
function random(seed: number): () => number {
  let state = seed
  return () => (state = (state * 48271) % 2147483647) / 2147483647
}

test('whatever two lists are, each can be read back, and nothing common is lost', () => {
  const next = random(11)
  const list = (): string[] =>
    Array.from({ length: Math.floor(next() * 14) }, () => 'abcd'.charAt(Math.floor(next() * 4)))
  const longest = (left: string[], right: string[]): number => {
    const table = Array.from({ length: left.length + 1 }, () =>
      new Array<number>(right.length + 1).fill(0),
    )
    left.forEach((one, i) =>
      right.forEach((other, j) => {
        table[i + 1]![j + 1] =
          one === other ? table[i]![j]! + 1 : Math.max(table[i]![j + 1]!, table[i + 1]![j]!)
      }),
    )
    return table[left.length]![right.length]!
  }
  for (let turn = 0; turn < 400; turn++) {
    const [left, right] = [list(), list()]
    const steps = diff(left, right)
    expect(side(steps, 'left')).toEqual(left)
    expect(side(steps, 'right')).toEqual(right)
    expect(steps.filter(({ kind }) => kind === 'same')).toHaveLength(longest(left, right))
  }
})

test('lists too long to compare are taken as replaced, between their equal ends', () => {
  const many = (mark: string): string[] => Array.from({ length: 2100 }, (_, n) => `${mark}${n}`)
  const steps = diff(['same', ...many('a'), 'end'], ['same', ...many('b'), 'end'])
  expect(steps[0]).toEqual({ kind: 'same', text: 'same' })
  expect(steps.at(-1)).toEqual({ kind: 'same', text: 'end' })
  expect(steps).toHaveLength(4202)
})

test('paragraphs stand beside what they were; one without a partner stands alone', () => {
  expect(sideBySide('One.\n\nTwo.\r\n\r\nThree.', 'One.\n\n2.\n\nThree.\n\nFour.')).toEqual([
    { kind: 'same', left: 'One.', right: 'One.' },
    { kind: 'changed', left: 'Two.', right: '2.' },
    { kind: 'same', left: 'Three.', right: 'Three.' },
    { kind: 'changed', left: undefined, right: 'Four.' },
  ])
  expect(sideBySide('', ' \n\n ')).toEqual([])
})

test('words are marked where two paragraphs are the same thought, in Japanese too', () => {
  const [left, right] = marked('Move billing in December.', 'Move billing in January.', 'en')
  expect(left.filter((piece) => piece.own).map((piece) => piece.text)).toEqual(['December'])
  expect(right.filter((piece) => piece.own).map((piece) => piece.text)).toEqual(['January'])
  const [vor, nach] = marked('図書館を終夜開館にする。', '図書館を二十二時まで開館にする。', 'ja')
  expect(vor.map((piece) => piece.text).join('')).toBe('図書館を終夜開館にする。')
  expect(nach.some((piece) => piece.own)).toBe(true)
  expect(vor.find((piece) => !piece.own)?.text).toContain('図書館を')
})

test('where two paragraphs share almost nothing, no word is marked', () => {
  const [left, right] = marked(
    'It rains and it pours.',
    'Budget first, then people, then tools.',
    'en',
  )
  expect([...left, ...right].some((piece) => piece.own)).toBe(false)
  expect(wordsOf('a b', 'en').join('')).toBe('a b')
})
