import { expect, test } from 'vitest'
import { decode, MAX_CONTEXT, withFiles } from '../src/material.ts'

const file = (name: string, content: string | Uint8Array<ArrayBuffer>): File =>
  new File([content], name)

test('files stand behind what was written, each under its name, in their order', async () => {
  const read = await withFiles('Notes.\n', [file('a.md', '一\r\n二\n\n'), file('b.csv', 'x,y')])
  expect(read).toEqual({
    text: 'Notes.\n\n--- a.md ---\n一\n二\n\n\n--- b.csv ---\nx,y\n',
    unread: [],
  })
})

test('what is no text, or does not fit, is left out whole and named', async () => {
  const read = await withFiles('', [
    file('image.png', new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0xff])),
    file('huge.txt', 'x'.repeat(MAX_CONTEXT + 1)),
    file('nearly.txt', 'x'.repeat(MAX_CONTEXT - 4)),
    file('small.txt', 'fits'),
  ])
  expect(read.text).toBe('--- small.txt ---\nfits\n')
  expect(read.unread).toEqual([
    { name: 'image.png', why: 'binary' },
    { name: 'huge.txt', why: 'large' },
    { name: 'nearly.txt', why: 'large' },
  ])
})

test('text is UTF-8 without a null', () => {
  expect(decode(new TextEncoder().encode('港'))).toBe('港')
  expect(decode(new Uint8Array([0x8d, 0x60]))).toBeUndefined()
  expect(decode(new Uint8Array([65, 0, 66]))).toBeUndefined()
})
