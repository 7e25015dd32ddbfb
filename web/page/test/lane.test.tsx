import { EMPTY, fold, type Event, type SageLane } from '@magi/stream'
import { cleanup, render, screen } from '@testing-library/react'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Lane } from '../src/lane.tsx'
import type { Room } from '../src/room.ts'
import { SettingsProvider } from '../src/settings.tsx'
import type { Hands } from '../src/verbs.tsx'
import { WayProvider, type Way } from '../src/way.ts'

const ID = '01JD3ZK8M00000000000000000'
const NOW = Date.parse('2026-11-23T00:00:10Z')

beforeEach(() => {
  window.localStorage.setItem('magi.lang', 'en')
  vi.useFakeTimers({ now: NOW })
})
afterEach(() => {
  cleanup()
  vi.useRealTimers()
})

let seq = 0
const event = (type: string, data: object): Event =>
  ({
    type,
    seq: ++seq,
    timestamp: new Date(NOW).toISOString(),
    trace_id: ID,
    agentId: 'caspar',
    data,
  }) as unknown as Event

const start = (attempt: number): Event =>
  event('agent_start', { attempt, provider: 'openai', model: 'm' })
const failed = (code: string, more: object = {}): Event =>
  event('agent_error', { code, message: 'm', attempt: 1, retryable: true, retry_in: 12, ...more })
const vote = (more: object = {}): Event =>
  event('agent_complete', {
    decision: 'ABSTAINED',
    reasoning: '',
    conditions: [],
    would_change: [],
    attempt: 1,
    ...more,
  })

const lane = (...events: Event[]): SageLane => events.reduce(fold, EMPTY).sages.caspar

function shown(of: SageLane, options: { over?: boolean; able?: boolean } = {}): string {
  const { over = false, able = true } = options
  const hands: Hands = {
    room: {} as Room,
    doing: new Set(),
    refusals: {},
    able: { stop: able, retry: able, fork: able },
    over,
    onWish: () => {},
  }
  const figures = {
    firstMs: 800,
    tokens: 512,
    rate: 41.2,
    cost: 0.002,
    estimated: true,
  }
  render(
    <SettingsProvider>
      <WayProvider value={{} as Way}>
        <Lane
          sage="caspar"
          lane={of}
          over={over}
          enlarged={false}
          onEnlarge={() => {}}
          figures={figures}
          hands={hands}
          skew={0}
        />
      </WayProvider>
    </SettingsProvider>,
  )
  return screen.getByRole('region', { name: 'CASPAR' }).textContent ?? ''
}

const buttons = (): string[] =>
  screen.getAllByRole('button').map((button) => button.getAttribute('aria-label') ?? '')

test.each([
  ['throttled', 'the provider is limiting requests, next try in 12 s'],
  ['circuit_open', 'the provider keeps failing and is left alone, next try in 12 s'],
])('a wait says why and how long still: %s', (code, words) => {
  expect(shown(lane(start(1), failed(code)))).toContain(words)
})

test.each([
  ['stopped', 'stopped', 'was stopped', '中断 STOPPED'],
  ['timeout', 'too late', 'ran out of time', '票なし NO VOTE'],
  ['failed', 'gave no vote', 'the provider failed', '票なし NO VOTE'],
])('a sage who is missing says how, and is not said to abstain: %s', (cause, status, why, seal) => {
  const text = shown(lane(start(1), vote({ cause })))
  expect(text).toContain(status)
  expect(text).toContain(why)
  expect(text).toContain(seal)
  expect(text).not.toContain('ABSTAINED')
  expect(text).not.toContain('Confidence')
})

test('one that ended without a vote is sealed as stopped', () => {
  expect(shown(lane(start(1)), { over: true })).toContain('中断 STOPPED')
})

test('while a later attempt works, the vote before it is said to count', () => {
  const text = shown(lane(start(1), vote({ decision: 'REJECTED' }), start(2)))
  expect(text).toContain('否決 REJECTED')
  expect(text).toContain('counts until the new vote is in')
  expect(text).toContain('attempt 2')
})

test('numbers that nobody counted yet are marked', () => {
  const text = shown(lane(start(1), event('agent_chunk', { text: 'x' })))
  expect(text).toContain('first word 0.8 s')
  expect(text).toContain('≈ 512 tokens out')
  expect(text).toContain('41 tok/s')
  expect(text).toContain('≈ 0.0020 USD')
})

test('what the door cannot do is not there', () => {
  shown(lane(start(1)), { able: false })
  expect(buttons()).toEqual(['Enlarge CASPAR'])
  cleanup()
  shown(lane(start(1)))
  expect(buttons()).toEqual([
    'Enlarge CASPAR',
    'Let CASPAR try again',
    'Ask CASPAR with another model',
    'Stop CASPAR',
  ])
})

test('at the end a sage can be asked again, and nothing is left to stop', () => {
  shown(lane(start(1), vote({ decision: 'APPROVED' })), { over: true })
  expect(buttons()).toEqual(['Enlarge CASPAR', 'Ask CASPAR again in a new deliberation'])
})

const chunk = (text: string): Event => event('agent_chunk', { text })

test('an attempt that had voted was replaced; one that broke off, or gave no vote, was given up', () => {
  const cast = vote({ decision: 'APPROVED' })
  expect(shown(lane(start(1), chunk('Yes.'), cast, start(2)))).toContain('Attempt 1, replaced')
  cleanup()
  for (const end of [failed('network'), vote({ cause: 'failed' })]) {
    const text = shown(lane(start(1), chunk('Ye'), end, start(2)))
    expect(text).toContain('Attempt 1, given up')
    expect(text).not.toContain('replaced')
    cleanup()
  }
})
