/** A panel in the judge's place, folded from what a server sent: its own model was refused, four judged. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Event } from '../src/contract.ts'
import { EMPTY, fold, viewOf, type View } from '../src/fold.ts'

const sent = readFileSync(new URL('panel.ndjson', import.meta.url), 'utf8')
const events = sent
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Event)

const until = (found: (event: Event) => boolean): View =>
  events.slice(0, events.findIndex(found) + 1).reduce(fold, EMPTY)

const seats = (view: View): string[] =>
  view.judge.panel.map(({ model, state }) => `${model} ${state}`)

test('while the judge’s own model judges there is no panel', () => {
  expect(seats(until((event) => event.type === 'judge_start'))).toEqual([])
})

test('who of a panel has ended is known, and what they decided is not told before the end', () => {
  const second = (event: Event) => event.type === 'judge_start' && event.data.attempt === 2
  expect(seats(until(second))).toEqual([
    'openai:yes-a waiting',
    'openai:no-b waiting',
    'openai:down-c waiting',
    'openai:yes-slow waiting',
  ])
  const ended = (model: string) => (event: Event) =>
    event.type === 'trace' &&
    event.data.duration_ms !== undefined &&
    event.data.attributes['model'] === model
  expect(seats(until(ended('down-c')))).toEqual([
    'openai:yes-a judging',
    'openai:no-b judging',
    'openai:down-c failed',
    'openai:yes-slow judging',
  ])
  const late = until(ended('no-b'))
  expect(seats(late)).toEqual([
    'openai:yes-a judged',
    'openai:no-b judged',
    'openai:down-c failed',
    'openai:yes-slow judging',
  ])
  expect(JSON.stringify(late.judge)).not.toContain('REJECTED')
})

test('a crash begins the panel again as a whole, live and from the log alike', () => {
  const at = events.findIndex((event) => event.type === 'judge_chunk')
  const live = events.slice(0, at).reduce(fold, EMPTY)
  const rewind = {
    ...events[at],
    type: 'rewind',
    data: { to: live.seq - 2 },
  } as unknown as Event
  const stored = events.slice(0, at).filter((event) => event.seq <= live.seq - 2)
  const again = fold(live, rewind)
  expect(new Set(again.judge.panel.map((seat) => seat.state))).toEqual(new Set(['waiting']))
  expect(again.judge.panel).toEqual(fold(stored.reduce(fold, EMPTY), rewind).judge.panel)
})

test('the judgment lists every member; the next attempt of the judge’s own model has no panel', () => {
  const view = events.reduce(fold, EMPTY)
  expect(view.judge.judgment?.panel).toMatchObject([
    { model: 'openai:yes-a', final_decision: 'APPROVED', speaks: true },
    { model: 'openai:no-b', final_decision: 'REJECTED' },
    { model: 'openai:down-c', error: expect.stringContaining('401') },
    { model: 'openai:yes-slow', final_decision: 'APPROVED' },
  ])
  const own = events.find((event) => event.type === 'judge_start') as Event
  expect(seats(fold(view, own))).toEqual([])
})

test('a snapshot names the panel, though nothing in it tells who has ended', () => {
  const { council } = until((event) => event.type === 'start')
  const snapshot = {
    trace_id: 'x',
    cursor: 'x.1.9',
    status: 'running',
    phase: 'judge',
    question: '',
    lang: 'en',
    capabilities: [],
    council,
    sages: {},
    judge: {
      state: 'connecting',
      attempt: 2,
      provider: 'panel',
      model: 'openai:yes-a, openai:no-b',
      thinking: '',
      text: '',
      faults: [],
    },
    judge_order: [],
    notes: [],
    missing: [],
    usage: { input_tokens: 0, output_tokens: 0 },
  } as unknown as Parameters<typeof viewOf>[0]
  expect(seats(viewOf(snapshot))).toHaveLength(4)
  const own = { ...snapshot, judge: { ...snapshot.judge, provider: 'openai', model: 'down' } }
  expect(seats(viewOf(own as typeof snapshot))).toEqual([])
})
