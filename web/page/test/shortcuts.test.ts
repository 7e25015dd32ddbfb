import { expect, test } from 'vitest'
import { isWriting, Reader, type Pressed } from '../src/shortcuts.ts'

const press = (key: string, change: Partial<Pressed> = {}): Pressed => ({
  key,
  isComposing: false,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  ...change,
})

test('a key alone, and two in a row', () => {
  const reader = new Reader()
  expect(reader.read(press('f'), 0)).toBe('f')
  expect(reader.read(press('g'), 100)).toBeUndefined()
  expect(reader.read(press('h'), 400)).toBe('g h')
  expect(reader.read(press('h'), 500)).toBeUndefined()
})

test('the first of two is forgotten after a while, and by another key', () => {
  const reader = new Reader()
  reader.read(press('g'), 0)
  expect(reader.read(press('t'), 2000)).toBeUndefined()
  reader.read(press('g'), 3000)
  expect(reader.read(press('1'), 3100)).toBe('1')
  expect(reader.read(press('t'), 3200)).toBeUndefined()
})

test.each<[string, Partial<Pressed>]>([
  ['Ctrl', { ctrlKey: true }],
  ['Cmd', { metaKey: true }],
  ['Alt', { altKey: true }],
  ['a composition', { isComposing: true }],
])('with %s it is the browser’s, not ours', (_, change) => {
  expect(new Reader().read(press('f', change), 0)).toBeUndefined()
})

test('Esc is no single-character key', () => {
  expect(new Reader().read(press('Escape'), 0)).toBeUndefined()
})

test('where a letter is written or chooses, it is no shortcut', () => {
  document.body.innerHTML = `<input id="a"><textarea id="b"></textarea><div role="menu"><button id="c"></button></div>
    <input type="checkbox" id="d"><button id="e"></button><dialog><button id="f"></button></dialog>`
  const at = (id: string): boolean => isWriting(document.getElementById(id))
  expect(['a', 'b', 'c', 'f'].map(at)).toEqual([true, true, true, true])
  expect(['d', 'e'].map(at)).toEqual([false, false])
})
