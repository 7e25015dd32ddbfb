import { expect, test } from 'vitest'
import { FrameTooLarge, SseDecoder, type Frame } from '../src/sse.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

const CORPUS = [
  '\uFEFFretry: 1500\n\n',
  ': hb\n\n',
  'id: D.1.1\ndata: {"text":"可決 😀"}\n\n',
  'id: D.1.2\r\ndata: crlf\r\n\r\n',
  'id: D.1.3\rdata: cr\r\r',
  'data: first\ndata: second\n\n',
  'data:no space\n\n',
  'event: ignored\nunknown: field\ndata\n\n',
  'id: bad\0id\ndata: nul in its id\n\n',
  'retry: soon\n\n',
  'id: alone\n\n',
  'data: after an id that stood alone\n\n',
  ': hb\n\n',
  'data: never finished',
].join('')

const EXPECTED: Frame[] = [
  { id: 'D.1.1', data: '{"text":"可決 😀"}' },
  { id: 'D.1.2', data: 'crlf' },
  { id: 'D.1.3', data: 'cr' },
  { data: 'first\nsecond' },
  { data: 'no space' },
  { data: 'nul in its id' },
  { data: 'after an id that stood alone' },
]

function decode(pieces: Uint8Array[]): { frames: Frame[]; decoder: SseDecoder } {
  const decoder = new SseDecoder()
  return { frames: pieces.flatMap((piece) => decoder.push(piece)), decoder }
}

test('reads frames, comments and retry from whole bytes', () => {
  const { frames, decoder } = decode([encode(CORPUS)])
  expect(frames).toEqual(EXPECTED)
  expect(decoder.retry).toBe(1500)
  expect(decoder.comments).toBe(2)
})

test('reads the same frames from single bytes', () => {
  const bytes = encode(CORPUS)
  expect(decode(Array.from(bytes, (byte) => Uint8Array.of(byte))).frames).toEqual(EXPECTED)
})

test('reads the same frames wherever two cuts fall', () => {
  const bytes = encode(CORPUS)
  for (let first = 0; first <= bytes.length; first++)
    for (let second = first; second <= bytes.length; second++) {
      const pieces = [bytes.slice(0, first), bytes.slice(first, second), bytes.slice(second)]
      const { frames } = decode(pieces)
      // One comparison per cut would take a minute; a string is as strict and a hundred times faster.
      if (JSON.stringify(frames) !== JSON.stringify(EXPECTED))
        expect(frames, `cut at ${first} and ${second}`).toEqual(EXPECTED)
    }
})

test('one event of a mebibyte arrives whole', () => {
  const text = '審'.repeat(350_000)
  const bytes = encode(`data: ${text}\n\n`)
  const pieces: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += 4093) pieces.push(bytes.slice(at, at + 4093))
  expect(decode(pieces).frames).toEqual([{ data: text }])
})

test('a line or an event above the limit is an error, not a growing heap', () => {
  const line = new SseDecoder(64)
  expect(() => line.push(encode(`data: ${'x'.repeat(80)}`))).toThrow(FrameTooLarge)
  const lines = new SseDecoder(64)
  expect(() => lines.push(encode('data: 123456789\n'.repeat(8)))).toThrow(FrameTooLarge)
})
