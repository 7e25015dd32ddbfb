import { Problem, type Beat, type Door } from '@magi/stream'
import { expect, test } from 'vitest'
import { check, STEPS, type Found } from '../src/check.ts'
import { CHECK } from '../src/words-check.ts'

const NOW = 1_000_000
const about = { version: '0.1.0', trust: 'local' }
const models = { roles: { caspar: 'openai:m', solomon: 'openai:m' } }
const beats = (gap: number, skew = 20): Beat[] =>
  [0, 1, 2].map((n) => ({ sent: NOW + n * 300, came: NOW + n * gap + skew }))

interface Faked {
  about?: () => Promise<Record<string, unknown>>
  probe?: () => Promise<{ acked: boolean; beats: Beat[] }>
  models?: () => Promise<Record<string, unknown>>
}

async function checked(
  fake: Faked = {},
  online = true,
  keeps = true,
  local = false,
): Promise<Found[]> {
  const door = {
    about: async () => about,
    probe: async () => ({ acked: true, beats: beats(300) }),
    models: async () => models,
    ...fake,
  } as unknown as Door
  const found: Found[] = []
  const world = {
    door,
    online: () => online,
    local: () => local,
    now: () => NOW,
    keeps: async () => keeps,
  }
  await check(world, (one) => found.push(one))
  return found
}

const outcome = (found: readonly Found[]): string =>
  STEPS.map((step) => found.find((one) => one.step === step)?.outcome).join(' ')

const refuse =
  (status: number, code = '', message = 'no') =>
  () =>
    Promise.reject(new Problem({ status, code, message }))

test('each step is told once, and an open way is in order', async () => {
  const found = await checked()
  expect(found).toHaveLength(STEPS.length)
  expect(outcome(found)).toBe('ok ok ok ok ok ok ok')
})

test('a door that is not there leaves the rest untried; one that refuses was reached', async () => {
  expect(outcome(await checked({ about: refuse(0, 'cors') }))).toBe(
    'ok fail skip skip skip skip ok',
  )
  expect(outcome(await checked({ about: refuse(401) }))).toBe('ok ok fail skip skip skip ok')
  expect(outcome(await checked({}, false))).toMatch(/^fail ok/)
  // A server on the machine itself needs no network.
  expect(outcome(await checked({}, false, true, true))).toMatch(/^warn ok/)
})

test('a hop that holds back is found, whether words reach the door or not', async () => {
  const stream = async (fake: Faked) => (await checked(fake)).find((one) => one.step === 'stream')
  for (const held of [refuse(409, 'conflict'), refuse(504), refuse(0, 'held')])
    expect(await stream({ probe: held })).toMatchObject({ outcome: 'fail', why: 'held' })
  const lump = async () => ({ acked: false, beats: beats(1) })
  expect(await stream({ probe: lump })).toMatchObject({ outcome: 'fail', why: 'held' })
  const spread = async () => ({ acked: false, beats: beats(300) })
  expect(await stream({ probe: spread })).toMatchObject({ outcome: 'ok', frames: 3 })
  expect(await stream({ probe: refuse(404, 'not_found') })).toMatchObject({
    outcome: 'warn',
    why: 'elsewhere',
  })
  expect(await stream({ probe: refuse(500, 'x', 'boom') })).toMatchObject({ why: 'broken' })
})

test('clocks are compared both ways, and a small difference is none', async () => {
  const clock = async (skew: number) =>
    (await checked({ probe: async () => ({ acked: true, beats: beats(300, skew) }) })).find(
      (one) => one.step === 'clock',
    )
  expect(await clock(4000)).toMatchObject({ outcome: 'ok' })
  const ahead = await clock(90_000)
  const behind = await clock(-90_000)
  expect(ahead).toMatchObject({ outcome: 'warn' })
  for (const lang of ['en', 'ja'] as const) {
    const said = [ahead, behind].map(
      (one) => CHECK[lang].say(one as Found & { step: 'clock' }).what,
    )
    expect(said[0]).toContain('90')
    expect(said[0]).not.toBe(said[1])
  }
})

test('no model, and a browser that keeps nothing, are worth knowing', async () => {
  const rehearsal = async () => ({ roles: { caspar: 'rehearsal', solomon: 'rehearsal' } })
  const found = await checked({ models: rehearsal }, true, false)
  expect(outcome(found)).toBe('ok ok ok ok ok warn warn')
  for (const one of found.filter(({ outcome: how }) => how === 'warn'))
    expect(CHECK.en.say(one as Parameters<typeof CHECK.en.say>[0]).fix).toBeTruthy()
})
