import 'fake-indexeddb/auto'
import type { Event } from '@magi/stream'
import { IDBObjectStore as Store } from 'fake-indexeddb'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { frameOf, Log } from '../../dev/log.ts'
import { SCENES } from '../../dev/scenes.ts'
import { perform, type Script } from '../../dev/script.ts'
import { Archive, type Trouble } from '../src/archive.ts'

const SCENE = SCENES['ekimae'] as Script
const id = (last: string): string => `01JD3ZK8M0000000000000000${last}`

let name = 0
beforeEach(() => void name++)
afterEach(() => vi.restoreAllMocks())
const opened = (): Archive => new Archive(`test-${name}`)

function written(of: string, at: string, forkOf?: string): Log {
  const log = new Log(of)
  let time = Date.parse(at)
  for (const { draft, wait } of perform(SCENE, of)) {
    if (draft.type === 'start' && forkOf) draft.data['fork_of'] = forkOf
    log.append(draft, (time += wait))
  }
  return log
}

const rawOf = (event: Event): string => JSON.stringify(event)

async function keep(archive: Archive, log: Log, follows?: string, from = 0): Promise<void> {
  for (const entry of log.entries.slice(from))
    archive.keep(entry.event, { cursor: entry.id, raw: rawOf(entry.event) }, follows)
  await archive.flush()
}

test('what came is what is there after a reload, with its session, in order', async () => {
  const log = written(id('0'), '2026-11-23T01:00:00Z')
  const first = opened()
  first.bind(id('0'), 'session-0')
  await keep(first, log)
  const [part] = await opened().story(id('0'))
  expect(part?.lines.map((line) => line.raw)).toEqual(log.entries.map((one) => rawOf(one.event)))
  expect(part?.lines.at(-1)?.cursor).toBe(/id: (\S+)/.exec(frameOf(log.entries.at(-1)!))?.[1])
  expect(part?.row).toMatchObject({
    session: 'session-0',
    question: SCENE.question,
    status: 'completed',
    final_decision: 'REJECTED',
    agreement: '1-2-0',
  })
})

test('a deliberation of an earlier visit is gone on with, not begun again', async () => {
  const log = written(id('0'), '2026-11-23T01:00:00Z')
  const half = new Log(id('0'))
  half.entries.push(...log.entries.slice(0, 20))
  await keep(opened(), half)
  const later = opened()
  expect((await later.story(id('0')))[0]?.lines).toHaveLength(20)
  await keep(later, log, undefined, 20)
  expect((await opened().story(id('0')))[0]?.lines).toHaveLength(log.entries.length)
})

test('it is found by what the sages said, across a reload, and by what a person wrote', async () => {
  const log = written(id('0'), '2026-11-23T01:00:00Z')
  const spoken = log.entries
    .map(({ event }) =>
      event.type === 'agent_chunk' && event.agentId === 'caspar' ? event.data.text : '',
    )
    .join('')
  const cut = log.entries.findIndex(({ event }) => event.type === 'agent_complete') - 5
  const half = new Log(id('0'))
  half.entries.push(...log.entries.slice(0, cut))
  await keep(opened(), half)
  const later = opened()
  await later.story(id('0'))
  const found = async (q: string): Promise<number> =>
    (await opened().list({ q: q.replaceAll(/\s+/g, ' ') })).items.length
  expect(await found(spoken.slice(40, 60))).toBe(0)
  await keep(later, log, undefined, cut)
  for (const q of [spoken.slice(40, 60), spoken.slice(-20)]) expect(await found(q), q).toBe(1)
  await later.patch(id('0'), { my_decision: '春まで待つ', outcome: 'good: 火事を免れた' })
  for (const q of ['春まで', '火事']) expect(await found(q), q).toBe(1)
  expect(await found('夏まで')).toBe(0)
})

test('a story stands once, under its newest part, and is opened and deleted whole', async () => {
  const archive = opened()
  await keep(archive, written(id('0'), '2026-11-23T01:00:00Z'))
  await keep(archive, written(id('1'), '2026-11-23T01:05:00Z', id('0')), id('0'))
  await keep(archive, written(id('2'), '2026-11-23T00:00:00Z'))
  const listed = await archive.list({ limit: 8 })
  expect(listed.items.map((item) => item.id)).toEqual([id('1'), id('2')])
  for (const any of [id('0'), id('1')])
    expect((await opened().story(any)).map((part) => part.row.id)).toEqual([id('0'), id('1')])
  await archive.remove(id('1'))
  expect(await opened().story(id('0'))).toEqual([])
  expect((await opened().list({ limit: 8 })).items.map((item) => item.id)).toEqual([id('2')])
})

test('older ones come page by page', async () => {
  const archive = opened()
  for (const last of '01234') await keep(archive, written(id(last), `2026-11-23T0${last}:00:00Z`))
  const first = await archive.list({ limit: 2 })
  const second = await archive.list({ limit: 2, cursor: first.next! })
  const third = await archive.list({ limit: 2, cursor: second.next! })
  const ids = [first, second, third].map((page) => page.items.map((item) => item.id.at(-1)))
  expect(ids).toEqual([['4', '3'], ['2', '1'], ['0']])
  expect(third.next).toBeUndefined()
})

test('no room is told once; when there is some again, nothing is missing', async () => {
  const archive = opened()
  const told: Trouble[] = []
  archive.onTrouble = (trouble) => told.push(trouble)
  const log = written(id('0'), '2026-11-23T01:00:00Z')
  const full = vi.spyOn(Store.prototype, 'put').mockImplementation(() => {
    throw new DOMException('no room', 'QuotaExceededError')
  })
  const half = new Log(id('0'))
  half.entries.push(...log.entries.slice(0, 30))
  await keep(archive, half)
  expect(told).toEqual(['full'])
  expect(archive.trouble).toBe('full')
  full.mockRestore()
  await keep(archive, log, undefined, 30)
  expect(archive.trouble).toBeUndefined()
  expect((await opened().story(id('0')))[0]?.lines).toHaveLength(log.entries.length)
})

test('a browser that keeps nothing is told as such', async () => {
  const told: Trouble[] = []
  vi.spyOn(indexedDB, 'open').mockImplementation(() => {
    throw new DOMException('not allowed here', 'SecurityError')
  })
  const archive = opened()
  archive.onTrouble = (trouble) => told.push(trouble)
  await keep(archive, written(id('0'), '2026-11-23T01:00:00Z'))
  expect(told).toEqual(['unavailable'])
})
