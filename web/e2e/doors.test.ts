/**
 * Every verb in every phase, said by the page's client: the same table that the Rust client is held to, over a real
 * server whose models hold each answer at each step until it is let go.
 */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import {
  Client,
  doneOf,
  Invocations,
  isLast,
  Problem,
  SAGES,
  type Done,
  type Door,
  type Event,
  type Reader,
  type Verb,
} from '../stream/src/index.ts'
import { Holder, PHASES, type Phase } from './holder.ts'
import { Magi } from './magi.ts'

const real = inject('real')
const TABLE = new URL('../../crates/magi/tests/e2e/doors.txt', import.meta.url)
/** What a deliberation comes to that nothing happens to. */
const PLAIN = 'completed 3-0-0 A/A/A judge 1'

interface Cell {
  verb: string
  phase: Phase
  answer: string
  log: string
}

const cells: readonly Cell[] = readFileSync(TABLE, 'utf8')
  .trim()
  .split('\n')
  .flatMap((line) => {
    const [verb = '', phases = '', answer = '', log = ''] = line
      .split('|')
      .map((part) => part.trim())
    return phases.split(/\s+/).map((phase) => ({ verb, phase: phase as Phase, answer, log }))
  })

const DOORS: readonly [string, (base: string) => Door][] = [
  ['HTTP', (base) => new Client({ base })],
  ['actions', (base) => new Invocations({ url: `${base}/invocations` })],
]

let holder: Holder
let magi: Magi
beforeAll(async () => {
  if (!real) return
  holder = await Holder.start()
  magi = await Magi.start({
    OPENAI_BASE_URL: holder.url,
    OPENAI_API_KEY: 'test',
    MAGI_MODEL: 'openai:held',
  })
})
afterAll(async () => {
  if (!real) return
  await magi.end()
  await holder.stop()
})

const named = (log: readonly Event[], name: string): number =>
  log.filter(({ type }) => type === name).length
const isOver = (log: readonly Event[]): boolean => isLast(log.at(-1)?.type ?? '')
const isCall = (event: Event): boolean =>
  event.type === 'trace' && event.data.name === 'model.call' && event.data.duration_ms === undefined

/** A paused one has nothing left that goes on by itself: the sages have ended and the judge is not called. */
const rests = (log: readonly Event[]): boolean =>
  named(log, 'paused') > named(log, 'resumed') &&
  named(log, 'agent_complete') === 3 &&
  log.filter(isCall).length === 3

/** A reader has seen that a phase is reached. That a vendor has accepted stands in no log. */
const SEEN: Record<Phase, (log: readonly Event[]) => boolean> = {
  queued: (log) => named(log, 'agent_start') === 3,
  token: (log) => named(log, 'agent_start') === 3,
  writing: (log) => named(log, 'agent_chunk') === 3,
  voting: (log) => named(log, 'agent_complete') === 2,
  counted: (log) => named(log, 'judge_start') === 1,
  judging: (log) => named(log, 'judge_chunk') === 1,
  ended: isOver,
}

/** Somebody who reads a deliberation as far as wanted. */
class Seen {
  readonly log: Event[] = []
  readonly #entries

  constructor(reader: Reader) {
    this.#entries = reader[Symbol.asyncIterator]()
  }

  async until(is: (log: readonly Event[]) => boolean): Promise<void> {
    while (!is(this.log)) {
      const { done, value } = await this.#entries.next()
      if (done) throw new Error(`it ends after ${this.log.at(-1)?.type}`)
      if (value.kind === 'event') this.log.push(value.event)
    }
  }
}

/** Puts a log as the table does. */
function outline(log: readonly Event[]): string {
  const votes: Record<string, string> = {}
  let end = ''
  let others = ''
  for (const event of log) {
    if (event.type === 'agent_complete') {
      const { decision, cause } = event.data
      const letter = cause === 'stopped' ? 'x' : cause ? '?' : decision.charAt(0)
      votes[event.agentId] = (votes[event.agentId] ?? '') + letter
    } else if (event.type === 'note' || event.type === 'paused' || event.type === 'resumed')
      others += ` ${event.type}`
    else if (event.type === 'complete') {
      const { approved, rejected, abstained } = event.data.voting_result
      end = `${event.data.status} ${approved}-${rejected}-${abstained}`
    } else if (isLast(event.type)) end = event.type
  }
  const all = SAGES.map((sage) => votes[sage] ?? '').join('/')
  return `${end} ${all} judge ${named(log, 'judge_start')}${others}`
}

/** What was seen is what is stored. */
async function same(door: Door, id: string, seen: readonly Event[]): Promise<void> {
  const again = new Seen(door.follow(id))
  await again.until(isOver)
  expect(again.log).toEqual(seen)
}

async function say(door: Door, verb: string, id: string): Promise<Done | Problem> {
  const [name, agent] = verb.split(' ') as [Verb, string | undefined]
  const whom = agent === undefined || agent === 'paused' ? {} : { agent }
  const body = {
    stop: whom,
    retry: whom,
    note: { ...whom, text: 'It is Friday.' },
    pause: {},
    resume: {},
    rejudge: {},
    fork: { agent: 'caspar', note: 'It is Friday.' },
  }[name]
  try {
    return doneOf(await door.verb(name, id, body), id)
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
}

/** Puts an answer as the table does. */
function answerOf(said: Done | Problem, id: string): string {
  if (said instanceof Problem) return `${said.status} ${said.code}`
  if (said.id !== id && said.changed) return 'linked'
  return said.changed ? 'changed' : 'unchanged'
}

async function play(cell: Cell, door: Door, mark: string): Promise<void> {
  const held = holder.hold(mark, cell.phase)
  const deadlines = {
    ...{ connect: 3600, first_token: 3600, idle: 3600 },
    ...{ sage_total: 3600, judge_total: 3600, whole: 7200 },
  }
  const question = `Should we adopt it? (${mark})`
  const seen = new Seen(door.ask({ question, council: { deadlines } }))
  await seen.until(SEEN[cell.phase])
  await held.waitFor(cell.phase)
  const id = seen.log[0]?.trace_id ?? ''
  if (cell.verb === 'resume paused') {
    const paused = await say(door, 'pause', id)
    expect(paused instanceof Problem).toBe(cell.phase === 'ended')
  }
  const said = await say(door, cell.verb, id)
  expect(answerOf(said, id)).toBe(cell.answer)
  held.letGo()
  await seen.until((log) => isOver(log) || rests(log))
  if (!isOver(seen.log)) {
    expect(answerOf(await say(door, 'resume', id), id)).toBe('changed')
    await seen.until(isOver)
  }
  await same(door, id, seen.log)
  if (said instanceof Problem || said.id === id) {
    expect(outline(seen.log)).toBe(cell.log)
    return
  }
  expect(outline(seen.log)).toBe(PLAIN)
  const linked = new Seen(door.follow(said.id))
  await linked.until(isOver)
  await same(door, said.id, linked.log)
  expect(outline(linked.log)).toBe(cell.log)
  const [start] = linked.log
  expect(start?.type === 'start' && start.data.fork_of).toBe(id)
}

/** Cells at a time; every one of them has three or four open calls. */
const AT_ONCE = 6

test.runIf(real).each(DOORS)('every verb in every phase, by %s', async (name, open) => {
  expect(new Set(cells.map(({ phase }) => phase))).toEqual(new Set(PHASES))
  expect(cells).toHaveLength(98)
  const first = DOORS.findIndex(([other]) => other === name) * cells.length
  const waiting = [...cells.entries()]
  const broken: string[] = []
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [index, cell] = next
      await play(cell, open(magi.url), `case-${first + index}`).catch((error: unknown) => {
        broken.push(`${cell.verb} at ${cell.phase}: ${String(error)}`)
      })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  expect(broken).toEqual([])
})
