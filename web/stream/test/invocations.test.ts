import { describe, expect, test } from 'vitest'
import { frameOf, Log } from '../../dev/log.ts'
import { perform, type Script } from '../../dev/script.ts'
import type { Entry, State } from '../src/connect.ts'
import type { Reader } from '../src/connect.ts'
import { doneOf } from '../src/door.ts'
import { EMPTY, fold } from '../src/fold.ts'
import { Invocations, SESSION_HEADER } from '../src/invocations.ts'
import { Problem } from '../src/problem.ts'
import { stream, World } from './world.ts'

const FIRST = '01JD3ZK8M00000000000000000'
const SECOND = '01JD3ZK8M00000000000000001'
const SCRIPT: Script = {
  question: 'Ship?',
  lang: 'en',
  mode: 'live',
  parts: {
    caspar: { text: 'No rollback.', decision: 'REJECTED' },
    balthasar: { text: 'People wait for it, and they have waited long.', decision: 'APPROVED' },
    melchior: { text: 'Five of five checks ran.', decision: 'APPROVED' },
  },
  judge: { text: 'Two against one.', decision: 'APPROVED' },
}

type Body = Record<string, unknown>
type Answer = (body: Body, session: string) => Response | Promise<Response>

/** A log of the script; with `until`, up to and with the first vote and a pause. */
function written(
  id: string,
  options: { capabilities?: string[]; forkOf?: string; pace?: number } = {},
): Log {
  const log = new Log(id)
  let at = Date.parse('2026-11-23T01:00:00.000Z')
  for (const { draft, wait } of perform(SCRIPT, id, options.pace)) {
    if (draft.type === 'start' && options.capabilities)
      draft.data['capabilities'] = options.capabilities
    if (draft.type === 'start' && options.forkOf) draft.data['fork_of'] = options.forkOf
    log.append(draft, (at += wait))
  }
  return log
}

/** The log cut after `votes` votes, with the pause of a deadline at its end. */
function paused(id: string, votes: number, state: string | undefined, forkOf?: string): Log {
  const whole = written(id, forkOf === undefined ? {} : { forkOf })
  const log = new Log(id)
  let seen = 0
  for (const { event } of whole.entries) {
    if (votes === 0 && event.type === 'agent_chunk') break
    log.append({ ...event, data: event.data as unknown as Body }, Date.parse(event.timestamp))
    if (event.type === 'agent_complete' && ++seen === votes) break
  }
  const data = { by: 'magi', reason: 'deadline', ...(state === undefined ? {} : { state }) }
  log.append({ type: 'paused', data }, Date.parse('2026-11-23T01:10:00.000Z'))
  return log
}

const sse = (log: Log, from = 1, to = Infinity): string[] =>
  log.entries.filter((one) => one.seq >= from && one.seq <= to).map(frameOf)

function door(world: World, answer: Answer) {
  const calls: { body: Body; session: string }[] = []
  world.fetch = async (url, init) => {
    expect(url).toBe('https://door.example/invocations')
    expect(init.method).toBe('POST')
    const headers = init.headers as Record<string, string>
    const body = JSON.parse(init.body as string) as Body
    const session = headers[SESSION_HEADER] ?? ''
    calls.push({ body, session })
    return answer(body, session)
  }
  const magi = new Invocations({ url: 'https://door.example/invocations', env: world.env })
  return { magi, calls, actions: () => calls.map(({ body }) => body['action']) }
}

async function readAll(reader: Reader): Promise<{ entries: Entry[]; problem?: Problem }> {
  const entries: Entry[] = []
  try {
    for await (const entry of reader) entries.push(entry)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return { entries, problem: error }
  }
  return { entries }
}

const events = (entries: Entry[]) =>
  entries.flatMap((entry) => (entry.kind === 'event' ? [entry.event] : []))

const capabilities = (list: string[]): Response => Response.json({ capabilities: list })

test('every verb is an action, and carries the session its deliberation was asked under', async () => {
  const world = new World()
  const log = written(FIRST)
  const { magi, calls } = door(world, ({ action }) =>
    action === 'ask' ? stream(sse(log)) : Response.json({ id: SECOND, status: 'completed' }),
  )
  await world.drive(readAll(magi.ask({ question: 'Ship?' })))
  await magi.stop(FIRST, 'caspar')
  await magi.verb('note', FIRST, { text: 'The budget is cut.' })
  await magi.get(FIRST)
  expect(await magi.resume(FIRST)).toBe(SECOND)
  await magi.stop(SECOND)
  expect(calls.map(({ body }) => body)).toEqual([
    { action: 'ask', question: 'Ship?' },
    { action: 'stop', id: FIRST, agent: 'caspar' },
    { action: 'note', id: FIRST, text: 'The budget is cut.' },
    { action: 'snapshot', id: FIRST },
    { action: 'resume', id: FIRST },
    { action: 'stop', id: SECOND },
  ])
  const sessions = new Set(calls.map(({ session }) => session))
  expect(sessions.size).toBe(1)
  expect([...sessions][0]).toMatch(/^[a-zA-Z0-9][a-zA-Z0-9-_]{32,99}$/)
})

test('what a verb links is told, and lives in the session of the one it goes on from', async () => {
  const world = new World()
  const told: [string, string][] = []
  const calls: { body: Body; session: string }[] = []
  world.fetch = async (_, init) => {
    const body = JSON.parse(init.body as string) as Body
    const session = (init.headers as Record<string, string>)[SESSION_HEADER] ?? ''
    calls.push({ body, session })
    if (body['action'] === 'ask') return stream(sse(written(FIRST)))
    return Response.json({ id: SECOND, changed: true, ids: [SECOND, '01JD3ZK8M00000000000000002'] })
  }
  const magi = new Invocations({
    url: 'https://door.example/invocations',
    env: world.env,
    onDeliberation: (id, session) => told.push([id, session]),
  })
  await world.drive(readAll(magi.ask({ question: 'Ship?' })))
  const done = doneOf(await magi.verb('rejudge', FIRST, { stability: 2 }), FIRST)
  expect(done).toEqual({
    id: SECOND,
    changed: true,
    ids: [SECOND, '01JD3ZK8M00000000000000002'],
  })
  const session = calls[0]?.session
  expect(told.map(([id]) => id)).toEqual([FIRST, SECOND, '01JD3ZK8M00000000000000002'])
  expect(new Set(told.map(([, of]) => of))).toEqual(new Set([session]))
  await magi.stop(SECOND)
  expect(calls.at(-1)?.session).toBe(session)
})

test('one conversation, one session: another question is another one, and the first wakes the door', async () => {
  const world = new World()
  const { magi, calls } = door(world, ({ action }) =>
    action === 'ask' ? stream(sse(written(FIRST))) : capabilities(['resume', 'stop']),
  )
  await magi.models()
  await magi.scenes()
  await world.drive(readAll(magi.ask({ question: 'a' })))
  await world.drive(readAll(magi.ask({ question: 'b' })))
  const [about, first, second] = calls.map(({ session }) => session)
  expect(calls).toHaveLength(3)
  expect(first).toBe(about)
  expect(second).not.toBe(first)
  expect(magi.capabilities).toEqual(['resume', 'stop'])
})

describe('asking twice', () => {
  test('a door without keys gets none, and a lost question is not asked again', async () => {
    const world = new World()
    const { magi, calls } = door(world, ({ action }) =>
      action === 'capabilities' ? capabilities([]) : stream([': hb\n\n'], 'cut'),
    )
    await magi.models()
    const states: State[] = []
    const asked = magi.ask(
      { question: 'q', idempotency_key: 'k' },
      { onState: (s) => states.push(s) },
    )
    const { problem } = await world.drive(readAll(asked))
    expect(problem).toMatchObject({ status: 0 })
    expect(states.at(-1)?.name).toBe('failed')
    expect(calls).toHaveLength(2)
    expect(calls[1]?.body).not.toHaveProperty('idempotency_key')
  })

  test('one that was turned away before it began is asked again', async () => {
    const world = new World()
    const log = written(FIRST)
    let tries = 0
    const { magi } = door(world, () =>
      ++tries < 3
        ? Response.json(
            { message: 'starting' },
            { status: 409, headers: { 'x-amzn-errortype': 'RetryableConflictException' } },
          )
        : stream(sse(log)),
    )
    const { entries, problem } = await world.drive(readAll(magi.ask({ question: 'q' })))
    expect(problem).toBeUndefined()
    expect(entries).toHaveLength(log.entries.length)
  })

  test('with keys it is asked again under the same one', async () => {
    const world = new World()
    const log = written(FIRST)
    const { magi, calls } = door(world, ({ action }) => {
      if (action === 'capabilities') return capabilities(['resume', 'idempotency'])
      return calls.length < 3 ? stream([], 'cut') : stream(sse(log))
    })
    await magi.models()
    await world.drive(readAll(magi.ask({ question: 'q' })))
    const keys = calls.slice(1).map(({ body }) => body['idempotency_key'])
    expect(keys).toHaveLength(2)
    expect(keys[0]).toBe(keys[1])
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/)
  })
})

describe('going on after a cut', () => {
  test('the cursor stands in the body, where every front lets it through', async () => {
    const world = new World()
    const log = written(FIRST)
    const { magi, calls } = door(world, ({ action }) =>
      action === 'ask' ? stream(sse(log, 1, 9), 'cut') : stream(sse(log, 10)),
    )
    const { entries } = await world.drive(readAll(magi.ask({ question: 'q' })))
    expect(events(entries).map((event) => event.seq)).toEqual(log.entries.map((one) => one.seq))
    expect(calls[1]?.body).toEqual({ action: 'events', id: FIRST, after: `${FIRST}.1.9` })
  })

  test('an empty answer is a cut until the status says that it is over', async () => {
    const world = new World()
    const log = written(FIRST)
    const end = log.entries.length
    const half = `${FIRST}.1.9`
    let asked = 0
    const { magi, actions } = door(world, ({ action, after }) => {
      if (action === 'status') {
        asked++
        const over = { id: FIRST, status: 'completed', cursor: `${FIRST}.1.${end}` }
        return Response.json(asked === 1 ? { ...over, status: 'running', cursor: half } : over)
      }
      if (after === half && asked < 2) return stream(['retry: 10\n\n'])
      // The last event is left out: only the status tells that nothing more comes.
      return after === half ? stream(sse(log, 10, end)) : stream(['retry: 10\n\n'])
    })
    const states: State[] = []
    const reader = magi.follow(FIRST, { after: half, onState: (state) => states.push(state) })
    const { entries, problem } = await world.drive(readAll(reader))
    expect(problem).toBeUndefined()
    expect(events(entries).at(-1)?.type).toBe('complete')
    expect(actions().slice(0, 4)).toEqual(['events', 'status', 'events', 'status'])
    const again = magi.follow(FIRST, { after: `${FIRST}.1.${end}`, onState: (s) => states.push(s) })
    expect((await world.drive(readAll(again))).entries).toEqual([])
    expect(states.at(-1)).toEqual({ name: 'over' })
  })

  test('where the door keeps nothing, a cut is the end and says so', async () => {
    const world = new World()
    const log = written(FIRST, { capabilities: [] })
    const { magi, calls } = door(world, () => stream(sse(log, 1, 9), 'cut'))
    const { entries, problem } = await world.drive(readAll(magi.ask({ question: 'q' })))
    expect(entries).toHaveLength(9)
    expect(problem?.code).toBe('cut_for_good')
    expect(calls).toHaveLength(1)
  })

  test('door frames are the problems they stand for, as a stream, as JSON, and for a stream as JSON', async () => {
    const frame = {
      type: 'error',
      error: 'no such deliberation',
      data: { status: 404, code: 'not_found', message: 'no such deliberation' },
    }
    const world = new World()
    const answers = [stream([`data: ${JSON.stringify(frame)}\n\n`]), Response.json(frame)]
    const { magi } = door(world, () => answers.shift() ?? Response.json(frame))
    const expected = { status: 404, code: 'not_found', message: 'no such deliberation' }
    for (const work of [magi.follow(FIRST), magi.follow(FIRST)])
      expect((await world.drive(readAll(work))).problem).toMatchObject(expected)
    await expect(magi.stop(FIRST)).rejects.toMatchObject(expected)
  })
})

describe('a deadline', () => {
  test('goes on by itself from the signed state, as one story', async () => {
    const world = new World()
    const second = written(SECOND, { forkOf: FIRST })
    const { magi, calls } = door(world, ({ action }) =>
      action === 'ask' ? stream(sse(paused(FIRST, 1, 'signed.1'))) : stream(sse(second)),
    )
    const states: State[] = []
    const reader = magi.ask({ question: 'q' }, { onState: (state) => states.push(state) })
    const { entries, problem } = await world.drive(readAll(reader))
    expect(problem).toBeUndefined()
    expect(calls[1]?.body).toEqual({ action: 'resume', state: 'signed.1' })
    expect(calls[1]?.session).toBe(calls[0]?.session)
    expect(entries.filter((entry) => entry.kind === 'linked')).toEqual([
      { kind: 'linked', from: FIRST },
    ])
    expect(states.map((state) => state.name)).not.toContain('paused')
    expect(magi.sessionOf(SECOND)).toBe(calls[0]?.session)
    const view = events(entries).reduce(fold, EMPTY)
    expect(view.end?.kind).toBe('complete')
    expect(view.id).toBe(SECOND)
    expect(view.parts).toEqual([FIRST])
    expect(view.startedAt).toBe(Date.parse(events(entries)[0]?.timestamp ?? ''))
    for (const [sage, part] of Object.entries(SCRIPT.parts))
      expect(view.sages[sage as 'caspar'].text).toBe(part.text)
    // Who had not finished is kept as an attempt that was given up; who had is there once.
    const past = Object.values(view.sages).map((lane) => lane.past.map((one) => one.trouble?.code))
    expect(past.flat().length).toBeGreaterThan(0)
    expect(new Set(past.flat())).toEqual(new Set(['deadline']))
    expect(view.paused).toBeUndefined()
  })

  test('a state may be given again, so a lost answer to it is asked for again', async () => {
    const world = new World()
    let resumes = 0
    const { magi } = door(world, ({ action }) => {
      if (action === 'ask') return stream(sse(paused(FIRST, 1, 's')))
      return ++resumes === 1 ? stream([], 'cut') : stream(sse(written(SECOND, { forkOf: FIRST })))
    })
    const { problem, entries } = await world.drive(readAll(magi.ask({ question: 'q' })))
    expect(problem).toBeUndefined()
    expect(resumes).toBe(2)
    expect(events(entries).at(-1)?.type).toBe('complete')
  })

  test('a time in which nobody ever votes is not tried for ever', async () => {
    const world = new World()
    let part = 0
    const { magi, actions } = door(world, () => {
      const id = `01JD3ZK8M0000000000000000${part++}`
      return stream(sse(paused(id, 0, 's')))
    })
    const states: State[] = []
    const reader = magi.ask({ question: 'q' }, { onState: (state) => states.push(state) })
    const { problem } = await world.drive(readAll(reader))
    expect(problem?.code).toBe('deadline_too_short')
    expect(actions()).toEqual(['ask', 'resume'])
    expect(states.at(-1)?.name).toBe('failed')
  })

  test('a deadline without a state ends with the reason, and asks nobody again', async () => {
    const world = new World()
    const { magi, actions } = door(world, () => stream(sse(paused(FIRST, 1, undefined))))
    const states: State[] = []
    const reader = magi.ask({ question: 'q' }, { onState: (state) => states.push(state) })
    const { problem } = await world.drive(readAll(reader))
    expect(problem?.code).toBe('no_state')
    expect(actions()).toEqual(['ask'])
    expect(states.at(-1)?.name).toBe('failed')
  })

  test('an expired state is told with the field it names', async () => {
    const world = new World()
    const data = {
      status: 400,
      code: 'bad_request',
      message: '`state` has expired',
      field: 'state',
    }
    const { magi } = door(world, ({ action }) =>
      action === 'ask'
        ? stream(sse(paused(FIRST, 1, 's')))
        : stream([`data: ${JSON.stringify({ type: 'error', error: data.message, data })}\n\n`]),
    )
    const { problem } = await world.drive(readAll(magi.ask({ question: 'q' })))
    expect(problem).toMatchObject({ status: 400, field: 'state' })
  })
})

test('what is held back on the way is told with the time it was held', async () => {
  const world = new World()
  const log = written(FIRST, { pace: 300 })
  const { magi } = door(world, async () => {
    // The hop collects until the council has said its last word.
    world.time = Date.parse(log.entries.at(-1)?.event.timestamp ?? '') + 50
    return stream([sse(log).join('')])
  })
  world.time = Date.parse(log.entries[0]?.event.timestamp ?? '') - 10
  const held: unknown[] = []
  await world.drive(readAll(magi.ask({ question: 'q' }, { onHeld: (one) => held.push(one) })))
  expect(held).toHaveLength(1)
  expect(held[0]).toMatchObject({ kind: 'whole' })
})
