import { EMPTY, fold, type Event } from '@magi/stream'
import { expect, test } from 'vitest'
import { figuresOf, guessTokens, totalOf } from '../src/figures.ts'

const ID = '01JD3ZK8M00000000000000000'
const START = Date.parse('2026-11-23T00:00:00Z')

let seq = 0
const event = (type: string, at: number, data: object, agentId?: string): Event =>
  ({
    type,
    seq: ++seq,
    timestamp: new Date(START + at).toISOString(),
    trace_id: ID,
    ...(agentId === undefined ? {} : { agentId }),
    data,
  }) as unknown as Event

const council = { name: 'default', version: 1, rule: 'majority', quorum: 2, models: {} }
const begin = (): Event[] => [
  event('start', 0, {
    question: 'x'.repeat(40),
    council: { ...council, sages: ['caspar', 'balthasar'] },
    capabilities: [],
  }),
  event('agent_start', 100, { attempt: 1, provider: 'openai', model: 'm' }, 'caspar'),
  event('agent_chunk', 900, { text: 'a'.repeat(40) }, 'caspar'),
  event('agent_chunk', 2900, { text: 'b'.repeat(40) }, 'caspar'),
]
const vote = {
  decision: 'APPROVED',
  attempt: 1,
  usage: { input_tokens: 500, output_tokens: 30 },
  cost_usd: 0.002,
  first_token_ms: 790,
}
const PRICES = { 'openai:m': { input: 1, output: 10 } }

test('while somebody writes everything but the time is guessed, and marked so', () => {
  const view = begin().reduce(fold, EMPTY)
  const figures = figuresOf(view.sages.caspar, undefined, PRICES['openai:m'], view.question)
  expect(figures).toEqual({
    firstMs: 800,
    tokens: 20,
    rate: 10,
    cost: (10 * 1 + 20 * 10) / 1e6,
    estimated: true,
  })
})

test('without a price there is no cost, neither of one nor of all', () => {
  const view = begin().reduce(fold, EMPTY)
  expect(figuresOf(view.sages.caspar, undefined, undefined, '').cost).toBeUndefined()
  expect(totalOf(view, {}).cost).toBeUndefined()
  expect(totalOf(view, PRICES).cost).toBeGreaterThan(0)
})

test('a sum that leaves somebody out is not shown', () => {
  const view = [
    ...begin(),
    event('agent_start', 100, { attempt: 1, provider: 'other', model: 'n' }, 'balthasar'),
    event('agent_chunk', 900, { text: 'word' }, 'balthasar'),
  ].reduce(fold, EMPTY)
  expect(totalOf(view, PRICES)).toMatchObject({ tokens: 21, cost: undefined, estimated: true })
})

test('the vendor’s own count takes the place of the guess', () => {
  const view = [...begin(), event('agent_complete', 3400, vote, 'caspar')].reduce(fold, EMPTY)
  const lane = view.sages.caspar
  expect(figuresOf(lane, lane.vote, undefined, '')).toEqual({
    firstMs: 790,
    tokens: 30,
    // The vote was written after the last word: 30 tokens from 900 to 3,400.
    rate: 12,
    cost: 0.002,
    estimated: false,
  })
})

const second = (): Event[] => [
  ...begin(),
  event('agent_complete', 3000, vote, 'caspar'),
  event('agent_start', 4000, { attempt: 2, provider: 'openai', model: 'm' }, 'caspar'),
  event('agent_chunk', 4500, { text: 'c'.repeat(8) }, 'caspar'),
  event('agent_chunk', 6500, { text: 'd'.repeat(8) }, 'caspar'),
]
const usage = { input_tokens: 1100, output_tokens: 38 }

test('a later attempt is added to what was counted before it, and its speed is its own', () => {
  const view = second().reduce(fold, EMPTY)
  const lane = view.sages.caspar
  const figures = figuresOf(lane, lane.vote, PRICES['openai:m'], view.question)
  expect(figures).toMatchObject({ tokens: 34, firstMs: 500, rate: 2, estimated: true })
  expect(figures.cost).toBeCloseTo(0.002 + (10 * 1 + 4 * 10) / 1e6)
})

test('at its vote a later attempt makes no jump, and its speed is of what it wrote itself', () => {
  const end = event('agent_complete', 7000, { ...vote, attempt: 2, usage }, 'caspar')
  const view = [...second(), end].reduce(fold, EMPTY)
  const lane = view.sages.caspar
  expect(figuresOf(lane, lane.vote, undefined, '')).toMatchObject({
    tokens: 38,
    rate: 3.2,
    estimated: false,
  })
})

test('before its first word a later attempt takes nothing away', () => {
  const view = second().slice(0, -2).reduce(fold, EMPTY)
  const lane = view.sages.caspar
  expect(figuresOf(lane, lane.vote, undefined, '')).toEqual({
    firstMs: undefined,
    tokens: 30,
    rate: undefined,
    cost: undefined,
    estimated: false,
  })
})

test('no speed is told where an attempt that was given up had written too', () => {
  const fault = { code: 'network', message: '', attempt: 1, retryable: true }
  const view = [
    ...begin(),
    event('agent_error', 3000, fault, 'caspar'),
    event('agent_start', 4000, { attempt: 2, provider: 'openai', model: 'm' }, 'caspar'),
    event('agent_chunk', 4500, { text: 'c'.repeat(8) }, 'caspar'),
    event('agent_chunk', 6500, { text: 'd'.repeat(8) }, 'caspar'),
  ].reduce(fold, EMPTY)
  expect(figuresOf(view.sages.caspar, undefined, undefined, '')).toMatchObject({
    tokens: 24,
    rate: 2,
  })
  const end = event('agent_complete', 7000, { ...vote, attempt: 2, usage }, 'caspar')
  const { caspar } = fold(view, end).sages
  expect(figuresOf(caspar, caspar.vote, undefined, '')).toMatchObject({
    tokens: 38,
    rate: undefined,
  })
})

test('Japanese counts by the character', () => {
  expect(guessTokens('移行すべきか')).toBe(6)
  expect(guessTokens('')).toBe(0)
})
