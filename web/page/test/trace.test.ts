import type { Event, State } from '@magi/stream'
import { expect, test } from 'vitest'
import { Log, type Draft } from '../../dev/log.ts'
import { SCENES } from '../../dev/scenes.ts'
import { perform, type Script } from '../../dev/script.ts'
import panel from '../../stream/test/panel.ndjson?raw'
import { noted, replayed, type NetMark } from '../src/net.ts'
import { Reel } from '../src/reel.ts'
import { lastOf } from '../src/trace-screen.tsx'
import { density, ticks, traceOf, type Trace } from '../src/trace.ts'

const ID = '01JD3ZK8M00000000000000000'
const START = Date.parse('2026-11-20T01:00:00Z')

function logOf(script: Script): Log {
  const log = new Log(ID)
  let at = START
  for (const { draft, wait } of perform(script, ID)) log.append(draft, (at += wait))
  return log
}

function traced(events: readonly Event[], net: readonly NetMark[] = []): Trace {
  const reel = new Reel(events)
  return traceOf(events, reel.times, net)
}

const eventsOf = (log: Log): Event[] => log.entries.map((entry) => entry.event)
const rowOf = (trace: Trace, actor: string) => trace.rows.find((row) => row.actor === actor)

test('one row for each of the council, whose stretches follow each other and never overlap', () => {
  const trace = traced(eventsOf(logOf(SCENES['billing'] as Script)))
  expect(trace.rows.map((row) => row.actor)).toEqual([
    'caspar',
    'balthasar',
    'melchior',
    'solomon',
    'net',
  ])
  for (const { bars } of trace.rows)
    bars.forEach((bar, index) => {
      expect(bar.to).toBeGreaterThanOrEqual(bar.from)
      expect(bar.from).toBeGreaterThanOrEqual(bars[index - 1]?.to ?? 0)
      expect(bar.to).toBeLessThanOrEqual(trace.length)
    })
  expect(trace.over).toBe(true)
  expect(trace.phases.map((phase) => phase.name)).toEqual(['sages', 'judge'])
  expect(trace.phases[0]?.to).toBe(trace.phases[1]?.from)
  expect(rowOf(trace, 'net')?.marks.map((mark) => mark.kind)).toEqual(['tally', 'verdict'])
})

test('a broken attempt is marked, waited for, and counted; all that was said is there', () => {
  const events = eventsOf(logOf(SCENES['billing'] as Script))
  const caspar = rowOf(traced(events), 'caspar')
  expect(caspar?.attempts).toBe(2)
  expect(caspar?.bars.map((bar) => `${bar.kind} ${bar.attempt}`)).toEqual([
    'connecting 1',
    'writing 1',
    'retrying 1',
    'connecting 2',
    'writing 2',
  ])
  expect(caspar?.marks.map((mark) => mark.kind)).toEqual(['fault', 'vote'])
  const said = events.reduce(
    (sum, event) =>
      event.type === 'agent_chunk' && event.agentId === 'caspar'
        ? sum + event.data.text.length
        : sum,
    0,
  )
  expect(caspar?.said.reduce((sum, one) => sum + one.chars, 0)).toBe(said)
  expect(caspar?.bars.reduce((sum, bar) => sum + bar.chars, 0)).toBe(said)
  expect(rowOf(traced(events), 'balthasar')?.bars.map((bar) => bar.kind)).toEqual([
    'connecting',
    'thinking',
    'writing',
  ])
})

test('a log that still runs is open at its end', () => {
  const events = eventsOf(logOf(SCENES['billing'] as Script))
  const cut = events.findIndex((event) => event.type === 'agent_complete')
  const trace = traced(events.slice(0, cut))
  expect(trace.over).toBe(false)
  expect(trace.phases).toEqual([{ name: 'sages', from: 0, to: trace.length }])
  for (const actor of ['balthasar', 'melchior'])
    expect(rowOf(trace, actor)?.bars.at(-1)?.to).toBe(trace.length)
})

test('what concerns all stands in one row: pauses, notes, verbs, crashes, the connection', () => {
  const log = new Log(ID)
  const events = eventsOf(logOf(SCENES['billing'] as Script))
  log.append({ type: 'start', data: events[0]?.data as unknown as Draft['data'] }, START)
  const add = (type: Draft['type'], data: Draft['data'], at: number): void =>
    void log.append({ type, data }, START + at)
  add('paused', { by: 'user', reason: '' }, 1000)
  add('resumed', { by: 'user', reason: '' }, 3000)
  add('note', { from: 'user', to: 'all', text: 'Five people.' }, 4000)
  add('trace', { name: 'verb', span_id: 'a', started_at: '', attributes: { verb: 'retry' } }, 5000)
  add('trace', { name: 'call', span_id: 'b', started_at: '', attributes: {} }, 5500)
  add('rewind', { to: 3 }, 6000)
  add('cancelled', { by: 'user', reason: '' }, 9000)
  const net: NetMark[] = [
    { kind: 'live', at: START, replayed: 0 },
    { kind: 'lost', at: START + 7000, replayed: 0 },
    { kind: 'live', at: START + 7500, replayed: 14 },
  ]
  const row = rowOf(traced(eventsOf(log), net), 'net')
  expect(row?.bars).toEqual([{ kind: 'paused', from: 1000, to: 3000, attempt: 1, chars: 0 }])
  expect(row?.marks.map(({ kind, at, what }) => [kind, at, what])).toEqual([
    ['note', 4000, 'all'],
    ['verb', 5000, 'retry'],
    ['rewind', 6000, '3'],
    ['stopped', 9000, 'user'],
    ['lost', 7000, ''],
    ['back', 7500, '14'],
  ])
})

test('a panel is a stretch of its own, with a mark for each who has ended', () => {
  const events = panel
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Event)
  const row = rowOf(traced(events), 'solomon')
  expect(row?.bars.map(({ kind, attempt }) => `${kind} ${attempt}`)).toEqual([
    'connecting 1',
    'retrying 1',
    'panel 2',
    'writing 2',
  ])
  const members = row?.marks.filter(({ kind }) => kind === 'member')
  expect(members?.map(({ what, detail }) => [what, detail])).toEqual([
    ['openai:down-c', 'unauthorised'],
    ['openai:yes-a', ''],
    ['openai:no-b', ''],
    ['openai:yes-slow', ''],
  ])
})

test('the connection is noted when it changes, and what was caught up is counted', () => {
  const states: State[] = [
    { name: 'connecting', attempt: 1 },
    { name: 'live', resumed: false },
    { name: 'waiting', attempt: 1, until: 0, problem: undefined },
    { name: 'connecting', attempt: 2 },
    { name: 'waiting', attempt: 2, until: 0, problem: undefined },
    { name: 'offline' },
    { name: 'live', resumed: true },
  ]
  const start: readonly NetMark[] = []
  const marks = states.reduce((all, state, at) => noted(all, state, at), start)
  expect(marks.map((mark) => `${mark.kind} ${mark.at}`)).toEqual([
    'live 1',
    'lost 2',
    'offline 5',
    'live 6',
  ])
  expect(replayed(replayed(marks)).at(-1)?.replayed).toBe(2)
  expect(replayed([])).toEqual([])
})

test('the fullest part of the axis is 1, and nothing said is lost at its end', () => {
  const said = [
    { at: 0, chars: 5 },
    { at: 1000, chars: 10 },
  ]
  expect(density(said, 1000, 4)).toEqual([0.5, 0, 0, 1])
  expect(density([], 1000, 2)).toEqual([0, 0])
})

test('the axis has round marks however short or long it is', () => {
  expect(ticks(60, 8)).toEqual([0, 50])
  expect(ticks(1000, 8)).toEqual([0, 200, 400, 600, 800, 1000])
  expect(ticks(21_000, 8)).toEqual([0, 5000, 10_000, 15_000, 20_000])
  expect(ticks(7_200_000, 8).length).toBeLessThanOrEqual(9)
})

test('the end of a speech begins with a sentence, or at least with a word', () => {
  const long = `${'x'.repeat(300)} first. ${'word '.repeat(80)}end`
  expect(lastOf('short')).toBe('short')
  expect(lastOf(long)).toMatch(/^… word word/)
  expect(lastOf(`${'あ'.repeat(500)}。${'い'.repeat(400)}`)).toBe(`… ${'い'.repeat(400)}`)
  expect(lastOf('長'.repeat(600))).toHaveLength(422)
})
