import { expect, test } from 'vitest'
import { compose, decided, linesOf, NOTHING, parse, partsOf, type Mine } from '../src/mine.ts'
import { parseOutcome, writeOutcome } from '../src/outcome.ts'
import { wordsOf } from '../src/words-here.ts'
import { table } from './cases.ts'

const CONDITIONS = ['A rollback rehearsed twice', 'Two lines\nof a condition']

const every: Mine = {
  leaning: 'rather not:\nWhy: the freeze',
  choice: 'other',
  instead: 'January\n[x] not a box\nDecision: still mine',
  why: 'two people are away',
  met: ['Two lines\nof a condition'],
  open: ['A rollback rehearsed twice'],
}

test.each(['en', 'ja'] as const)('what is written is read back the same (%s)', (lang) => {
  for (const mine of [
    every,
    { ...NOTHING, choice: 'follow' as const },
    { ...NOTHING, leaning: '凍結は10日から' },
    { ...NOTHING, met: CONDITIONS.slice(0, 1), open: CONDITIONS.slice(1) },
  ])
    expect(parse(compose(mine, CONDITIONS, lang))).toEqual(mine)
})

test('a person can read it, and so can a record', () => {
  const text = compose({ ...every, instead: 'January', leaning: '' }, CONDITIONS, 'en')
  expect(text).toBe(
    'Decision: January\nWhy: two people are away\n[ ] A rollback rehearsed twice\n[x] Two lines\n  of a condition',
  )
})

test('nothing said is nothing kept', () => {
  expect(compose(NOTHING, CONDITIONS, 'en')).toBe('')
})

test('what was written elsewhere is the decision itself', () => {
  expect(parse('we wait\nfor the audit')).toEqual({
    ...NOTHING,
    choice: 'other',
    instead: 'we wait\nfor the audit',
  })
})

test('a condition that is no longer in the verdict stays ticked', () => {
  const mine = { ...NOTHING, met: ['an older condition'] }
  expect(parse(compose(mine, CONDITIONS, 'ja')).met).toEqual(['an older condition'])
})

test('what is not ticked stays, though the verdict is not at hand', () => {
  const kept = compose(every, CONDITIONS, 'en')
  expect(parse(compose(parse(kept), [], 'en'))).toEqual(parse(kept))
  const open = '[ ] an older condition'
  expect(compose(parse(open), [], 'ja')).toBe(open)
  // The verdict's own need not be written down before one of them is met.
  expect(compose({ ...NOTHING, open: CONDITIONS }, CONDITIONS, 'en')).toBe('')
})

test.each([
  [
    'Decision: January\r\nWhy: the freeze',
    { choice: 'other', instead: 'January', why: 'the freeze' },
  ],
  ['決定: 見送る\u2028半年後に', { choice: 'other', instead: '見送る\u2028半年後に' }],
  ['Decision: January\nDecision: or later', { choice: 'other', instead: 'January\nor later' }],
  [
    'we wait\n\n  and see\n[x] audit',
    { choice: 'other', instead: 'we wait\n\n  and see', met: ['audit'] },
  ],
] as const)('nothing of what came another way is lost: %j', (text, mine) => {
  expect(parse(text)).toEqual({ ...NOTHING, ...mine })
  expect(parse(compose(parse(text), [], 'en'))).toEqual(parse(text))
})

test('it is told in words, without labels that are only for keeping', () => {
  const kept = compose({ ...every, instead: 'January' }, CONDITIONS, 'ja')
  expect(linesOf(kept, wordsOf('en'))).toEqual([
    'January',
    'Why: two people are away',
    'Conditions: 1 of 2 met',
  ])
  expect(linesOf('Decision: as the verdict', wordsOf('ja'))).toEqual(['評決に従う'])
  expect(linesOf('', wordsOf('ja'))).toEqual([])
})

test('an outcome is a word that can be counted, and a note', () => {
  expect(writeOutcome({ word: 'good', note: ' no night was lost ' })).toBe(
    'good: no night was lost',
  )
  expect(writeOutcome({ word: undefined, note: ' ' })).toBeNull()
  expect(parseOutcome('mixed: slower')).toEqual({ word: 'mixed', note: 'slower' })
  expect(parseOutcome('goodness knows')).toEqual({ word: undefined, note: 'goodness knows' })
})

test('a list shows the decision alone', () => {
  const whole = (mine: Partial<Mine>) => compose({ ...every, ...mine }, CONDITIONS, 'en')
  expect(decided(whole({ choice: 'follow' }), 'ja')).toBe('評決に従う')
  expect(decided(whole({ instead: 'January' }), 'en')).toBe('January')
  expect(decided(whole({ choice: undefined }), 'en')).toBe('')
})

interface Cases {
  decisions: readonly {
    text: string
    choice: Mine['choice'] | null
    instead: string
    leaning: string
    why: string
    boxes: readonly [boolean, string][]
  }[]
  outcomes: readonly { text: string; word: string | null; note: string }[]
}

test('the server reads it in the same parts', () => {
  const { decisions, outcomes } = JSON.parse(table('cases.json')) as Cases
  for (const { text, boxes, choice, ...said } of decisions)
    expect(partsOf(text)).toEqual({
      ...said,
      choice: choice ?? undefined,
      boxes: boxes.map(([ticked, text]) => ({ ticked, text })),
    })
  for (const { text, word, note } of outcomes)
    expect(parseOutcome(text)).toEqual({ word: word ?? undefined, note })
})
