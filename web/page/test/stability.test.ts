import { EMPTY, fold, type Door, type Entry, type Event } from '@magi/stream'
import { expect, test } from 'vitest'
import { Log } from '../../dev/log.ts'
import { SCENES } from '../../dev/scenes.ts'
import { perform, type Script } from '../../dev/script.ts'
import { decisionOf, followed, stabilityOf, turnOf, type Turn } from '../src/stability.ts'
import { STABILITY } from '../src/words-stability.ts'

const ID = '01JD3ZK8M00000000000000000'

function eventsOf(script: Script): Event[] {
  const log = new Log(ID)
  for (const { draft } of perform(script, ID)) log.append(draft, 0)
  return log.entries.map((entry) => entry.event)
}

const viewOf = (script: Script) => eventsOf(script).reduce(fold, EMPTY)
const billing = SCENES['billing'] as Script

const doorOf = (events: readonly Event[], end?: Error): Pick<Door, 'follow'> => ({
  follow: () => ({
    cursor: undefined,
    state: { name: 'live', resumed: false },
    retryNow: () => {},
    close: () => {},
    async *[Symbol.asyncIterator](): AsyncGenerator<Entry> {
      for (const event of events)
        yield { kind: 'event', id: undefined, event, raw: '', replay: false }
      if (end) throw end
    },
  }),
})
const never = new AbortController().signal

test('what the judge decided counts, not what the votes did', () => {
  const dissents = { ...billing, judge: { ...billing.judge!, decision: 'REJECTED' as const } }
  const view = viewOf(dissents)
  expect(view.end).toMatchObject({ data: { final_decision: 'APPROVED' } })
  expect(decisionOf(view)).toBe('REJECTED')
  expect(turnOf(ID, view)).toEqual({
    id: ID,
    state: 'judged',
    decision: 'REJECTED',
    order: ['melchior', 'balthasar', 'caspar'],
  })
})

test('a judge who failed gave no judgment, and a panel has no one order', () => {
  expect(turnOf(ID, viewOf(SCENES['degraded'] as Script))).toMatchObject({ state: 'none' })
  expect(turnOf(ID, viewOf(SCENES['quay'] as Script))).toMatchObject({
    decision: 'APPROVED',
    order: [],
  })
})

test('only the same decision is the same; no judgment is neither the same nor another', () => {
  const turn = (state: Turn['state'], decision?: 'APPROVED' | 'REJECTED'): Turn => ({
    id: `${state}${decision}`,
    state,
    decision,
    order: [],
  })
  const turns = [
    turn('judged', 'APPROVED'),
    turn('judged', 'REJECTED'),
    turn('none'),
    turn('unread'),
    turn('judging'),
  ]
  expect(stabilityOf('APPROVED', turns)).toEqual({ same: 1, judged: 2, failed: 2, ended: 4, of: 5 })
  const said = (same: number, judged: number, failed: number) =>
    (['en', 'ja'] as const).map((lang) =>
      STABILITY[lang].over({ same, judged, failed, ended: 3, of: 3 }),
    )
  expect(said(3, 3, 0)).toEqual(['stable 3/3', '安定 3/3'])
  expect(said(2, 3, 0)).toEqual(['unstable: 2/3', '不安定 2/3'])
  expect(said(2, 2, 1)).toEqual(['stable 2/2, 1 failed', '安定 2/2、失敗 1回'])
  expect(said(0, 0, 3)).toEqual(['no judgment was made', '裁定は一度も行われませんでした'])
  expect(stabilityOf('APPROVED', [])).toEqual({ same: 0, judged: 0, failed: 0, ended: 0, of: 0 })
})

test('one is followed to its end; one that cannot be read is not taken for a judgment', async () => {
  const events = eventsOf(billing)
  expect(await followed(doorOf(events), ID, never)).toMatchObject({ decision: 'APPROVED' })
  const cut = await followed(doorOf(events.slice(0, -1)), ID, never)
  expect(cut).toMatchObject({ state: 'unread', decision: undefined })
  const broken = await followed(doorOf(events.slice(0, 9), new Error('gone')), ID, never)
  expect(broken).toMatchObject({ state: 'unread', decision: undefined })
})
