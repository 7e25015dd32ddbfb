import 'fake-indexeddb/auto'
import type { Listed, Snapshot } from '@magi/stream'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Log } from '../../dev/log.ts'
import { SCENES } from '../../dev/scenes.ts'
import { perform, type Script } from '../../dev/script.ts'
import { Archive } from '../src/archive.ts'
import { againOf, carried, contextOf, followOf } from '../src/carry.ts'
import { cell, csvOf } from '../src/csv.ts'
import { Deletions, UNDO_MS } from '../src/deletions.ts'
import { ownLibrary, type Library } from '../src/library.ts'
import { parseOutcome, writeOutcome } from '../src/outcome.ts'
import { hashOf, parse, type Route } from '../src/route.ts'
import { NO_FILTERS, queryOf } from '../src/use-history.ts'

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const ID = '01JD3ZK8M00000000000000000'

test('an address says the same when it is read and written; a strange one is the start page', () => {
  const routes: Route[] = [
    { name: 'home' },
    { name: 'history' },
    { name: 'presets' },
    { name: 'connection' },
    { name: 'preset', preset: 'strict' },
    { name: 'deliberation', id: ID },
    { name: 'trace', id: ID },
    { name: 'compare', left: ID, right: ID },
  ]
  for (const route of routes) expect(parse(hashOf(route))).toEqual(route)
  for (const strange of ['#/d/', '#/d/<b>', '#/compare/a', '#/d/a/b', '#/x', '', '#/d/a/trace/x'])
    expect(parse(strange), strange).toEqual({ name: 'home' })
})

test.each([
  ['good', { word: 'good', note: '' }],
  ['bad: nobody was on call', { word: 'bad', note: 'nobody was on call' }],
  ['mixed：半分だけ', { word: 'mixed', note: '半分だけ' }],
  ['Good enough', { word: 'good', note: 'enough' }],
  ['goodness knows', { word: undefined, note: 'goodness knows' }],
  ['it held', { word: undefined, note: 'it held' }],
  [undefined, { word: undefined, note: '' }],
] as const)('an outcome is read: %s', (text, outcome) => {
  expect(parseOutcome(text)).toEqual(outcome)
})

test('an outcome is written as it is read, and nothing said clears it', () => {
  for (const text of ['good', 'bad: why', 'it held'])
    expect(writeOutcome(parseOutcome(text))).toBe(text)
  expect(writeOutcome({ word: undefined, note: '  ' })).toBeNull()
})

test('a cell is never a formula, and quotes what a reader would break', () => {
  expect(cell('=HYPERLINK("http://x")')).toBe(`"'=HYPERLINK(""http://x"")"`)
  for (const sign of ['+1', '-1', '@x', '\tx']) expect(cell(sign)).toMatch(/^'|^"'/)
  expect(cell('a,b\n"c"')).toBe('"a,b\n""c"""')
  expect(cell(-0.5)).toBe('-0.5')
})

test('the list as CSV: a cell for each field of what a person wrote', () => {
  const written =
    'Leaning before: rather not\nDecision: as the verdict\nWhy: =1+1\n[x] a\n[ ] b\n[x] c'
  const items: Listed[] = [
    { ...row('1'), agreement: '2-1-0', cost_usd: 0.01, my_decision: written, outcome: 'good: yes' },
    { ...row('2'), my_decision: 'we wait, "all" of us', outcome: 'it held' },
    row('3'),
  ]
  const [head = '', ...lines] = csvOf(items, 'ja').trimEnd().split('\r\n')
  expect(head.startsWith('\ufeffid,')).toBe(true)
  expect(head).toContain(',leaning,my_decision,why,conditions_met,outcome,outcome_note,')
  expect(lines[0]).toContain(',2–1–0,')
  expect(lines[0]).toContain(",rather not,評決に従う,'=1+1,2 of 3,good,yes,")
  expect(lines[1]).toContain(',"we wait, ""all"" of us",,,,it held,')
  for (const line of lines)
    expect(line.replace(/"(?:[^"]|"")*"/g, '').split(',')).toHaveLength(head.split(',').length)
})

function row(id: string): Listed {
  const created_at = '2026-11-20T09:00:00.000Z'
  const question = 'Ship on Friday?'
  return { id, question, title: '', lang: 'en', preset: 'default', status: 'completed', created_at }
}

test('days are the person’s own, and the last one counts whole', () => {
  const query = queryOf({ ...NO_FILTERS, from: '2026-11-20', to: '2026-11-20', q: '  a ' })
  expect(query.q).toBe('a')
  expect(Date.parse(query.to ?? '') - Date.parse(query.from ?? '')).toBe(86_400_000)
  expect(new Date(query.from ?? '').getHours()).toBe(0)
  expect(queryOf(NO_FILTERS)).toEqual({})
})

test('nothing is deleted before its time, and never after it was taken back', async () => {
  vi.useFakeTimers()
  const removed: string[] = []
  const deletions = new Deletions(async (id) => void removed.push(id))
  deletions.ask('a', 'A')
  deletions.ask('b', 'B')
  deletions.ask('a', 'A')
  expect(deletions.list().map((one) => one.id)).toEqual(['a', 'b'])
  await vi.advanceTimersByTimeAsync(UNDO_MS - 1)
  expect(removed).toEqual([])
  deletions.undo('a')
  await vi.advanceTimersByTimeAsync(UNDO_MS)
  expect(removed).toEqual(['b'])
  expect(deletions.list()).toEqual([])
  expect([...deletions.gone()]).toEqual(['b'])
})

test('a refused deletion says why, stays, and may be tried again or let go', async () => {
  vi.useFakeTimers()
  let refuse = true
  const deletions = new Deletions(async () => {
    if (refuse) throw new Error('it still runs')
  })
  deletions.ask('a', 'A')
  await vi.advanceTimersByTimeAsync(UNDO_MS)
  expect(deletions.list()).toMatchObject([{ id: 'a', state: 'failed', why: 'it still runs' }])
  expect(deletions.gone().size).toBe(0)
  refuse = false
  deletions.ask('a', 'A')
  await vi.advanceTimersByTimeAsync(UNDO_MS)
  expect([...deletions.gone()]).toEqual(['a'])
})

let name = 0
beforeEach(() => void name++)

async function archived(...scenes: [scene: string, at: string][]): Promise<Archive> {
  const archive = new Archive(`history-${name}`)
  for (const [index, [scene, at]] of scenes.entries()) {
    const log = new Log(`${ID.slice(0, -1)}${index}`)
    let time = Date.parse(at)
    for (const { draft, wait } of perform(SCENES[scene] as Script, log.id))
      log.append(draft, (time += wait))
    for (const { event, id } of log.entries)
      archive.keep(event, { cursor: id, raw: JSON.stringify(event) })
  }
  await archive.flush()
  return archive
}

test('this browser’s own history is searched, filtered, named and noted', async () => {
  const archive = await archived(
    ['billing', '2026-11-20T01:00:00Z'],
    ['ekimae', '2026-11-21T01:00:00Z'],
  )
  const library = ownLibrary(archive)
  const found = async (query: Parameters<Library['list']>[0]) =>
    (await library.list(query)).items.map((item) => item.id.at(-1))
  expect(await found({})).toEqual(['1', '0'])
  expect(await found({ q: '駅前' })).toEqual(['1'])
  expect(await found({ q: 'BILLING　ｄｅｃｅｍｂｅｒ' })).toEqual(['0'])
  expect(await found({ q: 'billing 駅前' })).toEqual([])
  expect(await found({ verdict: 'REJECTED' })).toEqual(['1'])
  expect(await found({ from: '2026-11-21T00:00:00.000Z' })).toEqual(['1'])
  expect(await found({ to: '2026-11-21T00:00:00.000Z' })).toEqual(['0'])
  expect(await found({ preset: 'strict' })).toEqual([])
  const first = `${ID.slice(0, -1)}0`
  await library.remark(first, { title: '課金の移行', outcome: 'good', my_decision: 'yes' })
  await library.remark(first, { my_decision: null })
  const [named] = (await library.list({ q: '課金' })).items
  expect(named).toMatchObject({ id: first, title: '課金の移行', outcome: 'good' })
  expect(named).not.toHaveProperty('my_decision')
  expect(await library.presets()).toEqual(['default'])
  expect((await library.snapshot(first)).verdict?.final_decision).toBe('APPROVED')
})

test('a remark outlives what is kept of a deliberation that still runs', async () => {
  const archive = new Archive(`history-${name}`)
  const log = new Log(ID)
  for (const { draft } of perform(SCENES['billing'] as Script, ID)) log.append(draft, 0)
  const keep = (from: number, to?: number): void => {
    for (const { event, id } of log.entries.slice(from, to))
      archive.keep(event, { cursor: id, raw: JSON.stringify(event) })
  }
  keep(0, 20)
  await archive.patch(ID, { title: 'mine' })
  keep(20)
  await archive.flush()
  const [item] = (await archive.list({})).items
  expect(item).toMatchObject({ title: 'mine', status: 'completed' })
})

const snapshot = async (): Promise<Snapshot> =>
  ownLibrary(await archived(['billing', '2026-11-20T01:00:00Z'])).snapshot(`${ID.slice(0, -1)}0`)

test('a follow-up belongs to the conversation, or to the one that it begins', async () => {
  const library = { links: true } as Library
  expect((await followOf(library, row('1'))).with).toEqual({ conversation_id: '1' })
  const known = { ...row('1'), conversation_id: 'c' }
  expect((await followOf(library, known)).with).toEqual({ conversation_id: 'c' })
})

test('where no conversation is kept, the earlier verdict goes along in words', async () => {
  const one = await snapshot()
  const library = { links: false, snapshot: async () => one } as unknown as Library
  const { with: taken } = await followOf(library, { ...row('1'), lang: 'ja' })
  expect(taken.conversation_id).toBeUndefined()
  expect(taken.context).toContain('以前の問い: Move billing to the new database in December?')
  expect(taken.context).toContain('評決: APPROVED (2-1-0)')
  expect(contextOf(one, 'en')).toContain(
    'Dissent: December is the month in which billing must not stop.',
  )
})

test('asking again takes the context and the link along; the person’s own words come after', async () => {
  const one = { ...(await snapshot()), context: 'Four people know the schema.' }
  const of = (links: boolean) => ({ links, snapshot: async () => one }) as unknown as Library
  const carry = await againOf(of(true), row('1'))
  expect(carry.with).toEqual({ fork_of: '1', preset: 'default', context: one.context })
  expect((await againOf(of(false), row('1'))).with.fork_of).toBeUndefined()
  expect(carried({ question: 'Q?', context: 'And a fifth.' }, carry)).toEqual({
    question: 'Q?',
    fork_of: '1',
    preset: 'default',
    context: 'Four people know the schema.\n\nAnd a fifth.',
  })
  expect(carried({ question: 'Q?', preset: 'strict' }, carry).preset).toBe('strict')
  expect(carried({ question: 'Q?' }, undefined)).toEqual({ question: 'Q?' })
})
