import { expect, test } from 'vitest'
import { bearer } from '../src/authorise.ts'
import { Client } from '../src/client.ts'
import { bornAt } from '../src/cursor.ts'
import { Problem } from '../src/problem.ts'
import { questionOf } from '../src/question.ts'
import { refusal, World } from './world.ts'

const json = (body: unknown, status = 200): Response =>
  new Response(JSON.stringify(body), { status })

function client(answer: Response) {
  const world = new World()
  const calls: string[] = []
  const bodies: unknown[] = []
  const sent: (string | undefined)[] = []
  world.fetch = async (url, init) => {
    calls.push(`${init.method} ${url}`)
    bodies.push(init.body)
    sent.push((init.headers as Record<string, string>)['authorization'])
    return answer
  }
  const authoriser = bearer(() => 't')
  return { calls, bodies, sent, client: new Client({ base: '', authoriser, env: world.env }) }
}

test('the history is one page with the place of the next', async () => {
  const item = { trace_id: 'A', question: 'q', status: 'completed' }
  const { calls, client: magi } = client(json({ items: [item, {}], next: 'c' }))
  expect(await magi.list({ limit: 5, q: '移行' })).toEqual({
    items: [{ ...item, id: 'A' }],
    next: 'c',
  })
  expect(calls).toEqual(['GET /v1/deliberations?limit=5&q=%E7%A7%BB%E8%A1%8C'])
})

test('the verbs go where the contract says', async () => {
  const stop = client(json({}))
  await stop.client.stop('A', 'caspar')
  expect(stop.calls).toEqual(['POST /v1/deliberations/A/stop'])
  expect(stop.bodies).toEqual(['{"agent":"caspar"}'])
  expect(stop.sent).toEqual(['Bearer t'])
  const remove = client(new Response(null, { status: 204 }))
  await remove.client.remove('A')
  expect(remove.calls).toEqual(['DELETE /v1/deliberations/A'])
  const resume = client(json({ id: 'B' }))
  expect(await resume.client.resume('A')).toBe('B')
  expect(resume.client.exportUrl('A', 'md')).toBe('/v1/deliberations/A/export?format=md')
})

test('a refusal is a typed problem', async () => {
  const problem = {
    type: 'https://magi.example/problems/not_found',
    title: 'Gone',
    detail: 'It is gone.',
    fix: 'ask again',
  }
  const { client: magi } = client(refusal(404, problem))
  const error = await magi.get('A').catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Problem)
  expect(error).toMatchObject({
    status: 404,
    code: 'not_found',
    message: 'It is gone.',
    fix: 'ask again',
    transient: false,
  })
})

test('an answer that is no JSON, and no answer at all, are problems too', async () => {
  await expect(client(new Response('<html>')).client.scenes()).rejects.toMatchObject({
    code: 'not_json',
  })
  const world = new World()
  const magi = new Client({ env: world.env })
  await expect(magi.models()).rejects.toMatchObject({
    status: 0,
    code: 'no_answer',
    transient: true,
  })
})

test('a scene is asked in its own words under its own preset, with every role rehearsed', () => {
  const scene = { name: 'ferry', lang: 'ja', question: '渡しますか?', preset: 'strict' }
  expect(questionOf(scene)).toEqual({
    question: '渡しますか?',
    preset: 'strict',
    lang: 'ja',
    council: {
      roles: {
        caspar: { model: 'rehearsal' },
        balthasar: { model: 'rehearsal' },
        melchior: { model: 'rehearsal' },
        solomon: { model: 'rehearsal' },
      },
    },
  })
})

test('one line of the history is asked for by the instant in its id, which must be its own', async () => {
  const id = '01KQ0000000000000000000000'
  const at = bornAt(id)
  const { calls, client: magi } = client(
    json({ items: [{ id: 'other' }, { id, my_decision: 'x' }] }),
  )
  expect(await magi.item(id)).toEqual({ id, my_decision: 'x' })
  const from = encodeURIComponent(new Date(at).toISOString())
  const to = encodeURIComponent(new Date(at + 1).toISOString())
  expect(calls).toEqual([`GET /v1/deliberations?from=${from}&to=${to}&limit=200`])
  expect(await client(json({ items: [{ id: 'other' }] })).client.item(id)).toBeUndefined()
})

test('the instant in an id is its first ten digits, in base 32', () => {
  expect(bornAt('01ARZ3NDEKTSV4RRFFQ69G5FAV')).toBe(1469922850259)
  expect(bornAt('01arz3ndektsv4rrffq69g5fav')).toBe(1469922850259)
})
