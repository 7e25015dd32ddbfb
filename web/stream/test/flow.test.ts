import { expect, test } from 'vitest'
import { Flow, type Held } from '../src/flow.ts'

/** Feeds pairs of (said, arrived), in milliseconds, and asks at the end. */
const fed = (pairs: [number, number][], over = true): Held | undefined => {
  const flow = new Flow()
  for (const [sent, at] of pairs) flow.take(sent, at)
  return flow.held(over)
}

const spoken = Array.from({ length: 60 }, (_, index) => index * 500)

test('what arrives as it is said is not held, however wrong the clock is', () => {
  for (const skew of [0, -3_600_000, 7_200_000])
    expect(fed(spoken.map((sent) => [sent, sent + skew + 40]))).toBeUndefined()
})

test('everything at once at the end was held whole, and for how long', () => {
  const held = fed(spoken.map((sent, index) => [sent, 29_600 + index]))
  expect(held?.kind).toBe('whole')
  expect(held?.heldMs).toBe(29_500 - 59)
})

test('a hop that lets go every four seconds comes in lumps, and is told before the end', () => {
  const held = fed(
    spoken.map((sent) => [sent, Math.ceil((sent + 1) / 4000) * 4000]),
    false,
  )
  expect(held?.kind).toBe('lumps')
  expect(held?.heldMs).toBe(3500)
})

test('a machine that slept once, and an answer that is over in a moment, are no finding', () => {
  expect(
    fed(spoken.map((sent) => [sent, sent < 9000 ? sent : Math.max(sent, 20_000)])),
  ).toBeUndefined()
  expect(fed([0, 100, 900].map((sent) => [sent, 1000]))).toBeUndefined()
  expect(fed([])).toBeUndefined()
})
