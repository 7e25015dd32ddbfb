import { expect, test } from 'vitest'
import { findPassage } from '../src/passage.ts'

const SAID =
  'December is the month in which billing must not stop.\nThe rollback has been written, but **never rehearsed**. I would move in January.'

const found = (text: string, wanted: string): string | undefined => {
  const place = findPassage(text, wanted)
  return place && text.slice(place.start, place.end)
}

test('a passage is found whole, whatever its quotation marks, white space and case', () => {
  expect(found(SAID, '“the rollback has been  written, but never rehearsed.”')).toBe(
    'The rollback has been written, but **never rehearsed**.',
  )
  expect(found(SAID, 'must not stop. The rollback has been written')).toBe(
    'must not stop.\nThe rollback has been written',
  )
})

test('of a quotation in other words the longest sentence that was said is found', () => {
  const wanted = 'It warns of risk. I would move in January. And much more that nobody said at all.'
  expect(found(SAID, wanted)).toBe('I would move in January.')
})

test('Japanese is found without spaces, full width as half', () => {
  const text = '夜間の開館でまず問題になるのは人員です。警備と光熱費は年間で約2400万円増えます。'
  expect(found(text, '「警備と光熱費は年間で約２４００万円増えます」')).toBe(
    '警備と光熱費は年間で約2400万円増えます',
  )
})

test('what was not said is not found, and neither is a scrap', () => {
  expect(found(SAID, 'The audit begins in March and nobody is ready for it.')).toBeUndefined()
  expect(found(SAID, 'stop.')).toBeUndefined()
})

test('characters of two units are taken whole', () => {
  const text = 'we ship it tomorrow 🚀 then rest'
  expect(found(text, 'ship it tomorrow 🚀')).toBe('ship it tomorrow 🚀')
})
