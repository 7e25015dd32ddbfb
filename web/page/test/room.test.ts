import { Client, EMPTY, fold, SAGES, type Env, type Event } from '@magi/stream'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { frameOf, Log } from '../../dev/log.ts'
import { SCENES } from '../../dev/scenes.ts'
import { perform, type Script } from '../../dev/script.ts'
import { later, Reel } from '../src/reel.ts'
import { Room, type Moment } from '../src/room.ts'

const ID = '01JD3ZK8M00000000000000000'
const SCENE = SCENES['ekimae'] as Script

function written(age: number): Log {
  const log = new Log(ID)
  let at = Date.now() - age
  for (const beat of perform(SCENE, ID)) log.append(beat.draft, (at += beat.wait))
  return log
}

function fetching(answers: (() => Response)[]) {
  const calls: { url: string; body: unknown }[] = []
  const fetch: Env['fetch'] = async (url, init) => {
    calls.push({ url, body: init.body })
    return (answers[Math.min(calls.length, answers.length) - 1] as () => Response)()
  }
  return { calls, client: new Client({ env: { fetch } }) }
}

const sse = (text: string): Response =>
  new Response(text, { headers: { 'content-type': 'text/event-stream' } })
const whole = (log: Log): Response => sse(log.entries.map(frameOf).join(''))

const over = (room: Room): Promise<void> =>
  vi.waitFor(() => expect(room.shown().view.end).toBeDefined(), { timeout: 5000 })

beforeEach(() => window.sessionStorage.clear())
afterEach(() => vi.restoreAllMocks())

test('however many events arrive, the screen is told once per frame', async () => {
  const log = written(60_000)
  const { client } = fetching([() => whole(log)])
  const room = new Room(client)
  let told = 0
  room.subscribe(() => told++)
  room.open(ID)
  await over(room)
  expect(log.entries.length).toBeGreaterThan(100)
  expect(told).toBeLessThan(20)
  for (const sage of SAGES) expect(room.shown().view.sages[sage].text).toBe(SCENE.parts[sage]?.text)
})

test('a replay is silent, what happens now is not', async () => {
  const said = async (age: number): Promise<number> => {
    const { client } = fetching([() => whole(written(age))])
    const room = new Room(client)
    const moments: Moment[] = []
    room.onMoment = (moment) => moments.push(moment)
    room.open(ID)
    await over(room)
    return moments.filter((moment) => 'event' in moment).length
  }
  expect(await said(3_600_000)).toBe(0)
  expect(await said(-60_000)).toBeGreaterThan(100)
})

test('a question is kept in the tab until it has an id, so that a reload asks the same once', async () => {
  const refused = fetching([() => sse('')])
  const first = new Room(refused.client)
  first.ask({ question: '移行しますか?' })
  await vi.waitFor(() => expect(refused.calls.length).toBeGreaterThan(0))
  // The tab is reloaded here: nothing but the storage is left.
  const { client, calls } = fetching([() => whole(written(0))])
  const second = new Room(client)
  const ids: string[] = []
  second.onId = (id) => ids.push(id)
  expect(second.recover()).toBe(true)
  await over(second)
  expect(calls[0]?.body).toBe(refused.calls[0]?.body)
  expect(ids).toEqual([ID])
  expect(new Room(client).recover()).toBe(false)
})

test.each([
  ['reload', -500, { id: ID }],
  ['navigate', -500, false],
  ['reload', 5000, false],
] as const)(
  'its id is kept for a reload that was under way, which takes no address along (%s, begun after %i ms)',
  async (type, after, to) => {
    vi.spyOn(performance, 'timeOrigin', 'get').mockReturnValue(Date.now() + after)
    vi.spyOn(performance, 'getEntriesByType').mockReturnValue([
      { type } as unknown as PerformanceEntry,
    ])
    const { client } = fetching([() => whole(written(0))])
    const room = new Room(client)
    room.ask({ question: '移行しますか?' })
    await over(room)
    expect(new Room(client).recover()).toEqual(to)
    expect(new Room(client).recover()).toBe(false)
    const left = new Room(fetching([() => whole(written(0))]).client)
    left.ask({ question: '移行しますか?' })
    await over(left)
    left.leave()
    expect(new Room(client).recover()).toBe(false)
    vi.restoreAllMocks()
  },
)

test('a refused question is not asked again by a reload', async () => {
  const { client } = fetching([() => new Response('{"code":"bad_request"}', { status: 400 })])
  const room = new Room(client)
  room.ask({ question: '' })
  await vi.waitFor(() => expect(room.shown().connection?.name).toBe('failed'))
  expect(new Room(client).recover()).toBe(false)
})

test('the last word of a deliberation that was left reaches no screen', async () => {
  let release: (() => void) | undefined
  const slow = (): Response =>
    new Response(
      new ReadableStream({
        start(controller) {
          release = () =>
            controller.enqueue(new TextEncoder().encode(frameOf(written(0).entries[0]!)))
        },
      }),
      { headers: { 'content-type': 'text/event-stream' } },
    )
  const { client } = fetching([slow])
  const room = new Room(client)
  room.open(ID)
  await vi.waitFor(() => expect(room.shown().connection?.name).toBe('live'))
  room.leave()
  release?.()
  await new Promise((resolve) => setTimeout(resolve, 60))
  expect(room.shown().view.id).toBeUndefined()
  expect(room.shown().connection).toBeUndefined()
})

async function opened(): Promise<Room> {
  const { client } = fetching([() => whole(written(60_000))])
  const room = new Room(client)
  room.open(ID)
  await over(room)
  return room
}

test('a playback ends with the view it began with, and may be taken back from there', async () => {
  const room = await opened()
  const before = room.shown().view
  room.play(8)
  const { length } = room.reel
  room.seek(length - 20)
  await vi.waitFor(() =>
    expect(room.shown().playback).toMatchObject({ at: length, playing: false }),
  )
  expect(room.shown().view).toEqual(before)
  room.seek(0)
  await vi.waitFor(() => expect(room.shown().view.seq).toBe(room.reel.countAt(0)))
  room.endPlay()
  await vi.waitFor(() => expect(room.shown().playback).toBeUndefined())
  expect(room.shown().view).toEqual(before)
})

test('any moment is the fold of what had happened by then; instant is the end at once', async () => {
  const room = await opened()
  const { reel } = room
  for (const share of [0.9, 0.1, 0.5, 0.51, 1]) {
    const at = reel.length * share
    const count = reel.events.filter((_, index) => (reel.times[index] ?? 0) <= at).length
    expect(reel.countAt(at)).toBe(count)
    expect(reel.viewAt(at)).toEqual(reel.events.slice(0, count).reduce(fold, EMPTY))
  }
  room.play('instant')
  const over = { at: reel.length, playing: false, pace: 'instant' }
  await vi.waitFor(() => expect(room.shown().playback).toMatchObject(over))
  expect(room.shown().view.end).toBeDefined()
})

test('a long silence is passed in four seconds, and time before it as it was', () => {
  const at = (ms: number) => ({ timestamp: new Date(ms).toISOString() }) as Event
  const reel = new Reel([at(0), at(1000), at(41_000), at(42_000)])
  expect(later(reel, 0, 500)).toBe(500)
  expect(later(reel, 0, 1000)).toBe(1000)
  expect(later(reel, 1000, 2000)).toBe(21_000)
  expect(later(reel, 1000, 4000)).toBe(41_000)
  expect(later(reel, 0, 60_000)).toBe(42_000)
})

/** A door whose stream stays open, and whose verbs are answered by hand. */
function held() {
  const said: { verb: string; body: Record<string, unknown> }[] = []
  const answers: ((response: Response) => void)[] = []
  let push: (text: string) => void = () => {}
  const fetch: Env['fetch'] = async (url, init) => {
    const verb = /\/(stop|retry|note|pause|fork)$/.exec(url)?.[1]
    if (verb !== undefined) {
      said.push({ verb, body: JSON.parse(String(init.body)) as Record<string, unknown> })
      return new Promise((resolve) => answers.push(resolve))
    }
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        push = (text) => controller.enqueue(new TextEncoder().encode(text))
      },
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }
  const room = new Room(new Client({ env: { fetch } }))
  const log = written(0)
  const say = (count: number): void => push(log.entries.splice(0, count).map(frameOf).join(''))
  const answer = (status: number, body: object): void =>
    answers.shift()?.(new Response(JSON.stringify(body), { status }))
  return { room, said, answer, say }
}

const live = (room: Room): Promise<void> =>
  vi.waitFor(() => expect(room.shown().connection?.name).toBe('live'))

test('a stop wished for before there is an id is said as soon as there is one, once', async () => {
  const { room, said, say } = held()
  room.ask({ question: 'x' })
  await live(room)
  void room.stop()
  void room.stop()
  expect(said).toEqual([])
  say(3)
  await vi.waitFor(() => expect(said).toEqual([{ verb: 'stop', body: {} }]))
  void room.stop()
  expect(said).toHaveLength(1)
  expect(room.shown().doing.has('stop:all')).toBe(true)
})

test('a verb pressed twice is said once; another target is another verb', async () => {
  const { room, said, answer } = held()
  room.open(ID)
  await live(room)
  const first = room.act('caspar', 'retry', { agent: 'caspar', attempt: 1 })
  expect(await room.act('caspar', 'retry', { agent: 'caspar', attempt: 1 })).toBeUndefined()
  void room.act('melchior', 'retry', { agent: 'melchior', attempt: 1 })
  await vi.waitFor(() =>
    expect(said.map(({ body }) => body['agent'])).toEqual(['caspar', 'melchior']),
  )
  answer(200, { id: ID, changed: true })
  expect(await first).toEqual({ id: ID, changed: true, ids: [] })
  expect(room.shown().doing.has('retry:melchior')).toBe(true)
})

test('a refusal stands beside its target, until it is read or the verb is said again', async () => {
  const { room, said, answer } = held()
  room.open(ID)
  await live(room)
  const told = room.act('note', 'note', { text: 'x' })
  await vi.waitFor(() => expect(said).toHaveLength(1))
  answer(409, { code: 'conflict', detail: 'the judge has begun to speak' })
  expect(await told).toBeUndefined()
  await vi.waitFor(() =>
    expect(room.shown().refusals.note?.problem.message).toBe('the judge has begun to speak'),
  )
  expect(room.shown().refusals.all).toBeUndefined()
  room.forgive('note')
  await vi.waitFor(() => expect(room.shown().refusals.note).toBeUndefined())
})

test('the answer to a verb of a deliberation that was left reaches no screen', async () => {
  const { room, said, answer } = held()
  room.open(ID)
  await live(room)
  const forked = room.act('after', 'fork', { agent: 'caspar' })
  await vi.waitFor(() => expect(said).toHaveLength(1))
  room.leave()
  answer(200, { id: '01JD3ZK8M00000000000000001', changed: true })
  expect(await forked).toBeUndefined()
  expect(room.shown().refusals).toEqual({})
})
