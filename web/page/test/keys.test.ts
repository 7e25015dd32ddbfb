import { expect, test } from 'vitest'
import { isSend, type Key } from '../src/keys.ts'

const enter: Key = {
  key: 'Enter',
  keyCode: 13,
  isComposing: false,
  shiftKey: false,
  altKey: false,
  ctrlKey: false,
  metaKey: false,
}

test('Enter sends', () => {
  expect(isSend(enter)).toBe(true)
})

test.each<[string, Partial<Key>]>([
  ['a line break with Shift', { shiftKey: true }],
  ['a line break with Alt', { altKey: true }],
  ['a conversion, as Chromium and Firefox say it', { isComposing: true }],
  ['the Enter that ended a conversion, as Safari says it', { keyCode: 229 }],
  ['a conversion key', { key: 'Process', keyCode: 229, isComposing: true }],
  ['another key', { key: 'a', keyCode: 65 }],
])('%s does not', (_, change) => {
  expect(isSend({ ...enter, ...change })).toBe(false)
})

test('where Ctrl or Cmd is wanted, Enter alone starts a new line', () => {
  expect(isSend(enter, 'mod')).toBe(false)
  expect(isSend({ ...enter, ctrlKey: true }, 'mod')).toBe(true)
  expect(isSend({ ...enter, metaKey: true }, 'mod')).toBe(true)
  expect(isSend({ ...enter, ctrlKey: true, isComposing: true }, 'mod')).toBe(false)
})
