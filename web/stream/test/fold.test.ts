import { expect, test } from 'vitest'
import { Log } from '../../dev/log.ts'
import { perform, type Script } from '../../dev/script.ts'
import type { Event } from '../src/contract.ts'
import { EMPTY, fold, sagesOf, type View } from '../src/fold.ts'

const ID = '01JD3ZK8M00000000000000000'
const SCRIPT: Script = {
  question: 'Ship on Friday?',
  lang: 'en',
  mode: 'rehearsal',
  parts: {
    caspar: { text: 'Nobody is on call at the weekend.', decision: 'REJECTED', breakAt: 10 },
    balthasar: { thinking: 'Who waits?', text: 'Users have waited.', decision: 'APPROVED' },
    melchior: { text: '', decision: 'ABSTAINED', cause: 'failed' },
  },
  judge: {
    text: 'A tie.',
    decision: 'REJECTED',
    dissent: { agent: 'balthasar', text: 'They wait.' },
  },
}

function events(script = SCRIPT): Event[] {
  const log = new Log(ID)
  for (const beat of perform(script, ID)) log.append(beat.draft, 1000)
  return log.entries.map((entry) => entry.event)
}

const at = (all: Event[], type: string): View => {
  const index = all.findIndex((event) => event.type === type)
  return all.slice(0, index + 1).reduce(fold, EMPTY)
}

test('the whole log folds to what was said, voted and decided', () => {
  const view = events().reduce(fold, EMPTY)
  expect(view.sages.caspar.text).toBe('Nobody is on call at the weekend.')
  expect(view.sages.balthasar.thinking).toBe('Who waits?')
  expect(view.sages.melchior).toMatchObject({ state: 'failed', vote: { cause: 'failed' } })
  expect(view.tally?.agreement).toBe('1-1-1')
  expect(view.judge).toMatchObject({ state: 'done', text: 'A tie.' })
  expect(view.end).toMatchObject({
    kind: 'complete',
    data: { status: 'degraded', final_decision: 'UNDECIDED' },
  })
  expect(view).toMatchObject({ id: ID, mode: 'rehearsal', phase: 'over', since: undefined })
})

test('an attempt that broke is set aside, not glued on', () => {
  const all = events()
  const broken = at(all, 'agent_error')
  expect(broken.sages.caspar).toMatchObject({
    state: 'retrying',
    text: 'Nobody is ',
    trouble: { code: 'network', retryIn: 0.5 },
  })
  const restarted = all.reduce(fold, EMPTY).sages.caspar
  expect(restarted.attempt).toBe(2)
  expect(restarted.past).toMatchObject([
    { attempt: 1, text: 'Nobody is ', trouble: { code: 'network' } },
  ])
})

test('a rewind to any place since the last milestone gives the view of that place', () => {
  const all = events()
  let tried = 0
  for (let from = 1; from < all.length; from++) {
    const before = all.slice(0, from).reduce(fold, EMPTY)
    const deltas: Event[] = []
    for (const event of all.slice(from)) {
      if (!/chunk|thinking/.test(event.type)) break
      deltas.push(event)
    }
    if (deltas.length === 0) continue
    const shown = deltas.reduce(fold, before)
    const rewind = {
      ...(all[0] as Event),
      seq: from + 1,
      type: 'rewind',
      data: { to: from },
    } as Event
    const back = fold(shown, rewind)
    expect({ ...back, seq: 0, lastAt: 0, since: 0 }).toEqual({
      ...before,
      seq: 0,
      lastAt: 0,
      since: 0,
    })
    tried++
  }
  expect(tried).toBeGreaterThan(15)
})

test('a retry keeps the earlier vote until its own end', () => {
  const all = events()
  const view = all.reduce(fold, EMPTY)
  const again = all.findLast((event) => event.type === 'agent_start' && event.agentId === 'caspar')
  const retried = fold(view, again as Event).sages.caspar
  expect(retried).toMatchObject({ state: 'connecting', text: '', vote: { decision: 'REJECTED' } })
})

test('an unknown event moves the place and nothing else', () => {
  const view = events().slice(0, 5).reduce(fold, EMPTY)
  const odd = {
    type: 'agent_hums',
    seq: 6,
    timestamp: '1970-01-01T00:00:01.000Z',
    trace_id: ID,
    data: {},
  }
  expect(fold(view, odd as unknown as Event)).toEqual({ ...view, seq: 6, since: undefined })
})

test('a council of two shows two sages', () => {
  const { caspar, melchior } = SCRIPT.parts
  const two = { ...SCRIPT, parts: { caspar, melchior } } as Script
  expect(sagesOf(events(two).reduce(fold, EMPTY))).toEqual(['caspar', 'melchior'])
})

test('a vote that was kept from an earlier deliberation is known as such, until its sage is asked again', () => {
  let seq = 0
  const event = (type: string, data: object, agentId?: string): Event =>
    ({
      type,
      seq: ++seq,
      timestamp: '2026-11-23T01:00:00.000Z',
      trace_id: '01JD3ZK8M00000000000000001',
      ...(agentId === undefined ? {} : { agentId }),
      data,
    }) as unknown as Event
  const start = { attempt: 1, provider: 'p', model: 'm' }
  const span = { span_id: '1', name: 'sage', started_at: '', attributes: { reused: true } }
  const inherited = [
    event('start', { question: 'q', capabilities: [], fork_of: '01JD3ZK8M00000000000000000' }),
    event('agent_start', start, 'caspar'),
    event('agent_chunk', { text: 'said before' }, 'caspar'),
    event('trace', span, 'caspar'),
    event('agent_complete', { decision: 'APPROVED', attempt: 1 }, 'caspar'),
  ].reduce(fold, EMPTY)
  expect(inherited.forkOf).toBe('01JD3ZK8M00000000000000000')
  expect(inherited.sages.caspar.reused).toBe(true)
  expect(inherited.sages.melchior.reused).toBe(false)
  const again = fold(inherited, event('agent_start', { ...start, attempt: 2 }, 'caspar'))
  expect(again.sages.caspar.reused).toBe(false)
})
