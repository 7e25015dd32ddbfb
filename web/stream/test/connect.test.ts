import { describe, expect, test } from 'vitest'
import { frameOf, Log } from '../../dev/log.ts'
import { perform, seeded, type Script } from '../../dev/script.ts'
import { Client } from '../src/client.ts'
import { connect, type Connection, type Entry, type State } from '../src/connect.ts'
import type { Event, Snapshot } from '../src/contract.ts'
import { EMPTY, fold } from '../src/fold.ts'
import { Problem } from '../src/problem.ts'
import { refusal, stream, World } from './world.ts'

const ID = '01JD3ZK8M00000000000000000'
const SCRIPT: Script = {
  question: '移行しますか?',
  lang: 'ja',
  mode: 'live',
  parts: {
    caspar: { text: '夜間に戻せる人がいません。\n\nしたがって否決です。', decision: 'REJECTED' },
    balthasar: {
      thinking: 'People wait for this.',
      text: 'Users have waited for it long enough. Approve, with a named person on call.',
      decision: 'APPROVED',
      confidence: 0,
      breakAt: 20,
    },
    melchior: { text: 'Five of five checks ran. 証拠は十分です。', decision: 'APPROVED' },
  },
  judge: { text: 'Two against one, and the one is answered.', decision: 'APPROVED' },
}

function written(seed = 1): Log {
  const log = new Log(ID)
  let at = Date.parse('2026-11-23T01:00:00.000Z')
  for (const beat of perform(SCRIPT, ID, 30, seed)) log.append(beat.draft, (at += beat.wait))
  return log
}

type Read = { entries: Entry[]; states: State[]; problem: Problem | undefined }

async function readAll(connection: Connection, states: State[]): Promise<Read> {
  const entries: Entry[] = []
  try {
    for await (const entry of connection) entries.push(entry)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return { entries, states, problem: error }
  }
  return { entries, states, problem: undefined }
}

const events = (entries: Entry[]): Event[] =>
  entries.flatMap((entry) => (entry.kind === 'event' ? [entry.event] : []))
const seqs = (entries: Entry[]): number[] => events(entries).map((event) => event.seq)
const names = (states: State[]): string[] => states.map((state) => state.name)

/** Reads from a list of answers, one per request; the last one repeats. */
function against(world: World, answers: (() => Response | Promise<Response>)[], more = {}) {
  const calls: { url: string; init: RequestInit }[] = []
  world.fetch = async (url, init) => {
    calls.push({ url, init })
    const answer = answers[Math.min(calls.length, answers.length) - 1]
    return (answer as () => Response | Promise<Response>)()
  }
  const states: State[] = []
  const onState = (state: State): void => void states.push(state)
  const connection = connect({ url: '/e', env: world.env, onState, ...more })
  const read = (): Promise<Read> => world.drive(readAll(connection, states))
  return { connection, calls, states, read }
}

const frames = (log: Log, from = 1, to = Infinity): string[] =>
  log.entries.filter((one) => one.seq >= from && one.seq <= to).map(frameOf)

const cursorOf = (init: RequestInit): string | undefined =>
  (init.headers as Record<string, string>)['last-event-id']

describe('random cuts', () => {
  /** Serves a log over connections that are cut at any byte, sliced anywhere. */
  function cutting(world: World, log: Log, random: () => number, cuts: number) {
    let left = cuts
    const seen = { requests: 0, cuts: 0, fruitless: 0 }
    world.fetch = async (_url, init) => {
      seen.requests++
      const answer = log.after(cursorOf(init))
      if (answer.status !== 200) return new Response(null, { status: answer.status })
      const bytes = new TextEncoder().encode(
        `retry: 20\n\n: hb\n\n${answer.entries.map(frameOf).join('')}`,
      )
      // A cut that never lets one event through would go on for ever, as it would for anyone.
      const long = seen.fruitless > 2
      const reach = long ? bytes.length : Math.min(bytes.length, 4000)
      const end = left > 0 ? Math.floor(random() * reach) : bytes.length
      const whole = end >= bytes.length
      if (!whole) {
        left--
        seen.cuts++
        seen.fruitless = end < 400 ? seen.fruitless + 1 : 0
      }
      const pieces: Uint8Array[] = []
      for (let at = 0; at < end;) {
        const size = 1 + Math.floor(random() * 300)
        pieces.push(bytes.slice(at, Math.min(end, at + size)))
        at += size
      }
      return stream(pieces, whole || random() < 0.5 ? 'close' : 'cut')
    }
    return seen
  }

  test('400 cuts over twenty deliberations: none lost, none doubled, none reordered', async () => {
    let cuts = 0
    for (let seed = 1; seed <= 20; seed++) {
      const world = new World()
      const random = seeded(seed)
      world.random = random
      const log = written(seed)
      const seen = cutting(world, log, random, 20)
      const states: State[] = []
      const connection = connect({ url: '/e', env: world.env, maxAttempts: 40 })
      const { entries, problem } = await world.drive(readAll(connection, states))
      expect(problem).toBeUndefined()
      expect(events(entries)).toEqual(log.entries.map((one) => one.event))
      expect(world.listeners).toBe(0)
      cuts += seen.cuts
    }
    expect(cuts).toBe(400)
  })

  test('cuts and crashes together: what is shown at the end is what the log holds', async () => {
    let rewinds = 0
    for (let seed = 1; seed <= 80; seed++) {
      const world = new World()
      const random = seeded(seed * 7919)
      world.random = random
      const beats = perform(SCRIPT, ID, 30, seed)
      const log = new Log(ID)
      let next = 0
      let crashes = 0
      let milestone = 0
      world.fetch = async (_url, init) => {
        const answer = log.after(cursorOf(init))
        if (answer.status !== 200) return new Response(null, { status: answer.status })
        const pieces = answer.entries.map(frameOf)
        const more = Math.floor(random() * 40)
        for (let count = 0; count < more && next < beats.length; count++) {
          const { draft } = beats[next++] as (typeof beats)[number]
          const stored = log.append(draft, world.time)
          if (!/chunk|thinking/.test(draft.type)) milestone = stored.seq
          pieces.push(frameOf(stored))
        }
        // The owner dies after these were shown; only what was stored up to some point survives.
        const end = log.entries.at(-1)?.seq ?? 0
        if (crashes < 6 && end > milestone && !log.over && random() < 0.6) {
          crashes++
          const to = milestone + Math.floor(random() * (end - milestone))
          next -= end - to
          log.crash(to, world.time)
          milestone = to + 1
        }
        return stream(pieces, 'cut')
      }
      const states: State[] = []
      const connection = connect({ url: '/e', env: world.env, maxAttempts: 60 })
      const { entries, problem } = await world.drive(readAll(connection, states))
      expect(problem).toBeUndefined()
      rewinds += crashes
      const shown = events(entries).reduce(fold, EMPTY)
      const stored = log.entries.map((one) => one.event).reduce(fold, EMPTY)
      expect({ ...shown, startedAt: 0, lastAt: 0 }).toEqual({ ...stored, startedAt: 0, lastAt: 0 })
      for (const sage of ['caspar', 'balthasar', 'melchior'] as const)
        expect(shown.sages[sage].text).toBe(SCRIPT.parts[sage]?.text)
    }
    expect(rewinds).toBeGreaterThan(100)
  })
})

describe('the end', () => {
  test('a last event is never followed by a request, even when the body stays open', async () => {
    const log = written()
    const world = new World()
    const { read, calls } = against(world, [() => stream(frames(log), 'open')])
    const { entries, states } = await read()
    expect(calls).toHaveLength(1)
    expect(entries).toHaveLength(log.entries.length)
    expect(names(states)).toEqual(['connecting', 'live', 'over'])
    expect(world.listeners).toBe(0)
  })

  test('nothing after the last event is handed on', async () => {
    const log = written()
    const more = frameOf(log.append({ type: 'note', data: { from: 'x', to: 'all', text: '' } }, 0))
    const { read } = against(new World(), [() => stream([...frames(log), more])])
    expect((await read()).entries).toHaveLength(log.entries.length - 1)
  })

  test('204 is the end', async () => {
    const { read, calls } = against(new World(), [() => new Response(null, { status: 204 })])
    expect(names((await read()).states)).toEqual(['connecting', 'over'])
    expect(calls).toHaveLength(1)
  })

  test('a byte stream that ends after a signed pause is not asked again', async () => {
    const log = new Log(ID)
    for (const beat of perform(SCRIPT, ID).slice(0, 9)) log.append(beat.draft, 0)
    log.append({ type: 'paused', data: { by: 'door', reason: 'deadline', state: 'signed' } }, 0)
    const { read, calls } = against(new World(), [() => stream(frames(log))])
    expect(names((await read()).states).at(-1)).toBe('paused')
    expect(calls).toHaveLength(1)
  })

  test('a stream that ends otherwise was cut', async () => {
    const log = written()
    const { read, calls } = against(new World(), [
      () => stream(frames(log, 1, 4)),
      () => stream(frames(log, 5)),
    ])
    const { entries, states } = await read()
    expect(seqs(entries)).toEqual(log.entries.map((one) => one.seq))
    expect(names(states)).toEqual(['connecting', 'live', 'waiting', 'connecting', 'live', 'over'])
    expect(states[4]).toEqual({ name: 'live', resumed: true })
    expect(cursorOf(calls[1]?.init as RequestInit)).toBe(`${ID}.1.4`)
  })
})

describe('places', () => {
  test('an event seen before is not handed on again', async () => {
    const log = written()
    const { read } = against(new World(), [
      () => stream(frames(log, 1, 6), 'cut'),
      () => stream(frames(log, 1)),
    ])
    expect(seqs((await read()).entries)).toEqual(log.entries.map((one) => one.seq))
  })

  test('a second cut before any new event keeps the cursor', async () => {
    const log = written()
    const { read, calls } = against(new World(), [
      () => stream(frames(log, 1, 3), 'cut'),
      () => stream([': hb\n\n'], 'cut'),
      () => stream([], 'close'),
      () => stream(frames(log, 4)),
    ])
    expect((await read()).problem).toBeUndefined()
    expect(calls.map((call) => cursorOf(call.init))).toEqual([
      undefined,
      `${ID}.1.3`,
      `${ID}.1.3`,
      `${ID}.1.3`,
    ])
  })

  test('a missing event is fetched again from the last good place', async () => {
    const log = written()
    const holed = [...frames(log, 1, 3), ...frames(log, 6)]
    const { read, calls } = against(new World(), [
      () => stream(holed),
      () => stream(frames(log, 4)),
    ])
    expect(seqs((await read()).entries)).toEqual(log.entries.map((one) => one.seq))
    expect(calls).toHaveLength(2)
  })

  test('a log that has a hole for every reader is called broken', async () => {
    const log = written()
    const { read, calls } = against(new World(), [() => stream(frames(log, 2))])
    expect((await read()).problem?.code).toBe('gap')
    expect(calls).toHaveLength(3)
  })

  test('410 brings the snapshot and goes on from its cursor', async () => {
    const log = written()
    const snapshot = { cursor: `${ID}.1.9`, question: 'q' } as Snapshot
    const { read, calls } = against(
      new World(),
      [() => refusal(410, { code: 'gone' }), () => stream(frames(log, 10))],
      { after: `${ID}.1.2`, snapshot: async () => ({ snapshot, cursor: snapshot.cursor }) },
    )
    const { entries } = await read()
    expect(entries[0]).toEqual({ kind: 'snapshot', snapshot, cursor: `${ID}.1.9` })
    expect(seqs(entries)[0]).toBe(10)
    expect(cursorOf(calls[1]?.init as RequestInit)).toBe(`${ID}.1.9`)
  })

  test('lines that are not ours are passed over', async () => {
    const log = written()
    const noise = ['data: starting the container\n\n', 'data: 12\n\n', 'data: {"type":"x"}\n\n']
    const { read } = against(new World(), [() => stream([...noise, ...frames(log)])])
    expect((await read()).entries).toHaveLength(log.entries.length)
  })

  test('an unknown kind of event keeps its place', async () => {
    const log = new Log(ID)
    const beats = perform(SCRIPT, ID)
    log.append((beats[0] as (typeof beats)[0]).draft, 0)
    log.append({ type: 'agent_hums' as 'note', data: {} }, 0)
    for (const beat of beats.slice(1)) log.append(beat.draft, 0)
    const { read } = against(new World(), [() => stream(frames(log))])
    expect((await read()).entries).toHaveLength(log.entries.length)
  })
})

describe('refusals', () => {
  test.each([400, 401, 403, 404, 409, 413, 422])(
    '%i ends the reading as a problem',
    async (status) => {
      const body = {
        type: 'about:blank',
        title: 'No',
        detail: 'not so',
        code: 'x',
        field: 'question',
      }
      const { read, calls } = against(new World(), [() => refusal(status, body)])
      const { problem, states } = await read()
      expect(problem).toMatchObject({ status, code: 'x', message: 'not so', field: 'question' })
      expect(names(states)).toEqual(['connecting', 'failed'])
      expect(calls).toHaveLength(1)
    },
  )

  test('a page instead of a stream is a problem', async () => {
    const html = (): Response =>
      new Response('<html>', { headers: { 'content-type': 'text/html' } })
    expect((await against(new World(), [html]).read()).problem?.code).toBe('not_a_stream')
  })

  test('the pauses double, are jittered, and end', async () => {
    const world = new World()
    const { read, states } = against(world, [() => refusal(503)], { maxAttempts: 8 })
    const from = world.time
    const { problem } = await read()
    expect(problem?.status).toBe(503)
    const untils = states.flatMap((state) => (state.name === 'waiting' ? [state.until - from] : []))
    const pauses = untils.map((until, index) => until - (untils[index - 1] ?? 0))
    expect(pauses).toEqual([750, 1500, 3000, 6000, 12000, 22500, 22500])
  })

  test('Retry-After is honoured in seconds and as a date', async () => {
    const log = written()
    const world = new World()
    const from = world.time
    const date = new Date(from + 60_000).toUTCString()
    const { read, states } = against(world, [
      () => refusal(429, {}, { 'retry-after': '7' }),
      () => refusal(503, {}, { 'retry-after': date }),
      () => stream(frames(log)),
    ])
    await read()
    const untils = states.flatMap((state) => (state.name === 'waiting' ? [state.until - from] : []))
    expect(untils).toEqual([7000, 60_000])
  })

  test("the stream's own retry is the base of the pause", async () => {
    const log = written()
    const world = new World()
    const { read, states } = against(world, [
      () => stream(['retry: 100\n\n', ...frames(log, 1, 2)], 'cut'),
      () => stream(frames(log, 3)),
    ])
    const from = world.time
    await read()
    const waiting = states.find((state) => state.name === 'waiting')
    expect(waiting && 'until' in waiting && waiting.until - from).toBe(75)
  })

  test('a door frame stands for the status it names', async () => {
    const door = {
      type: 'error',
      error: 'gone',
      data: { status: 404, code: 'not_found', message: 'gone' },
    }
    const { read } = against(new World(), [() => stream([`data: ${JSON.stringify(door)}\n\n`])])
    const { problem, entries } = await read()
    expect(problem).toMatchObject({ status: 404, code: 'not_found', message: 'gone' })
    expect(entries).toEqual([])
  })

  test('store_unavailable keeps the cursor, backs off and goes on', async () => {
    const log = written()
    const data = { status: 503, code: 'store_unavailable', message: 'the store does not answer' }
    const door = `data: ${JSON.stringify({ type: 'error', error: data.message, data })}\n\n`
    const { read, calls, states } = against(new World(), [
      () => stream([...frames(log, 1, 5), door], 'open'),
      () => stream(frames(log, 6)),
    ])
    const { entries } = await read()
    expect(seqs(entries)).toEqual(log.entries.map((one) => one.seq))
    expect(cursorOf(calls[1]?.init as RequestInit)).toBe(`${ID}.1.5`)
    const waiting = states.find((state) => state.name === 'waiting')
    expect(waiting).toMatchObject({ problem: { code: 'store_unavailable' } })
  })
})

describe('surroundings', () => {
  test('a silent connection counts as cut; heartbeats count as life', async () => {
    const log = written()
    const world = new World()
    const { read, states } = against(world, [
      () => stream(frames(log, 1, 3), 'open'),
      () => stream(frames(log, 4)),
    ])
    const from = world.time
    await read()
    const waiting = states.find((state) => state.name === 'waiting')
    expect(waiting && 'until' in waiting && waiting.until - from).toBe(20_750)
  })

  test('a fetch that never answers is cut as well', async () => {
    const log = written()
    const { read, calls } = against(new World(), [
      () => new Promise<Response>(() => {}),
      () => stream(frames(log)),
    ])
    expect((await read()).problem).toBeUndefined()
    expect(calls).toHaveLength(2)
  })

  test('a wake-up ends the pause', async () => {
    const log = written()
    const world = new World()
    const { connection, states } = against(world, [
      () => stream(frames(log, 1, 3), 'cut'),
      () => stream(frames(log, 4)),
    ])
    const from = world.time
    const reading = readAll(connection, states)
    await world.settle()
    expect(connection.state.name).toBe('waiting')
    world.wake()
    await reading
    expect(world.time).toBe(from)
    expect(names(states).at(-1)).toBe('over')
  })

  test('without a network it waits for the network, and says so', async () => {
    const log = written()
    const world = new World()
    const { connection, states, calls } = against(world, [
      () => stream(frames(log, 1, 3), 'cut'),
      () => stream(frames(log, 4)),
    ])
    const reading = readAll(connection, states)
    await world.settle()
    world.isOnline = false
    connection.retryNow()
    await world.settle()
    expect(connection.state.name).toBe('offline')
    expect(calls).toHaveLength(1)
    world.isOnline = true
    world.wake()
    await reading
    expect(names(states).at(-1)).toBe('over')
  })

  test('closing ends the reading at once and leaves nothing behind', async () => {
    const log = written()
    const world = new World()
    const { connection, states } = against(world, [() => stream(frames(log, 1, 3), 'open')])
    const reading = readAll(connection, states)
    await world.settle()
    connection.close()
    const { entries, problem } = await reading
    expect([entries.length, problem]).toEqual([3, undefined])
    expect(names(states).at(-1)).toBe('closed')
    expect(world.listeners).toBe(0)
  })

  test('what was there before us is marked as replay, what comes after is not', async () => {
    const log = new Log(ID)
    const world = new World()
    const beats = perform(SCRIPT, ID)
    beats.forEach((beat, index) => log.append(beat.draft, world.time + (index < 30 ? -60_000 : 10)))
    const { read } = against(world, [() => stream(frames(log))])
    const { entries } = await read()
    const marks = entries.map((entry) => entry.kind === 'event' && entry.replay)
    expect(marks.lastIndexOf(true)).toBe(29)
    expect(marks.indexOf(false)).toBe(30)
  })

  test("a server's clock that is ahead does not hide the replay", async () => {
    const log = new Log(ID)
    const world = new World()
    const ahead = world.time + 3_600_000
    for (const beat of perform(SCRIPT, ID)) log.append(beat.draft, ahead - 60_000)
    const headers = { date: new Date(ahead).toUTCString() }
    const { read } = against(world, [() => stream(frames(log), 'close', headers)])
    expect((await read()).entries.every((entry) => entry.kind === 'event' && entry.replay)).toBe(
      true,
    )
  })

  test('an answer that was held back and is dated at its end is no replay', async () => {
    for (const ahead of [0, 3_600_000, -3_600_000]) {
      const log = new Log(ID)
      const world = new World()
      const asked = world.time + ahead
      perform(SCRIPT, ID).forEach((beat, index) => log.append(beat.draft, asked + index * 100))
      const { read } = against(world, [
        () => {
          world.time += 10_000
          const headers = { date: new Date(world.time + ahead).toUTCString() }
          return stream(frames(log), 'close', headers)
        },
      ])
      const { entries } = await read()
      expect(entries.some((entry) => entry.kind === 'event' && entry.replay)).toBe(false)
    }
  })
})

describe('asking', () => {
  test('a question whose answer is cut off is asked again under the same key, then followed', async () => {
    const log = written()
    const world = new World()
    const calls: { url: string; init: RequestInit }[] = []
    const answers = [
      (): Response => stream([], 'cut'),
      (): Response => stream(frames(log, 1, 4), 'cut'),
      (): Response => stream(frames(log, 5)),
    ]
    world.fetch = async (url, init) => {
      calls.push({ url, init })
      return (answers[calls.length - 1] as () => Response)()
    }
    const client = new Client({ base: 'http://magi.test/', env: world.env })
    const connection = client.ask({ question: '移行しますか?' })
    const { entries } = await world.drive(readAll(connection, []))
    expect(seqs(entries)).toEqual(log.entries.map((one) => one.seq))
    expect(calls.map((call) => `${call.init.method} ${call.url}`)).toEqual([
      'POST http://magi.test/v1/deliberations',
      'POST http://magi.test/v1/deliberations',
      `GET http://magi.test/v1/deliberations/${ID}/events`,
    ])
    expect(calls[0]?.init.body).toBe(calls[1]?.init.body)
    expect(JSON.parse(calls[0]?.init.body as string)).toMatchObject({
      question: '移行しますか?',
      idempotency_key: expect.stringMatching(/^[0-9a-f]{32}$/),
    })
  })
})
