import { createHash, createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { contentSha256, type Outgoing } from '../src/authorise.ts'
import { IdentityPool } from '../src/identity.ts'
import { Problem } from '../src/problem.ts'
import { sender } from '../src/send.ts'
import { signed } from '../src/sign.ts'
import { World } from './world.ts'

const REGION = 'us-east-1'
const URL_ = 'https://x.lambda-url.us-east-1.on.aws/invocations'

/** A pool and a door; the door's clock is `ahead` milliseconds ahead, and it refuses wrong times. */
function cloud(world: World, { ahead = 0, lifeMs = 3_600_000, exposed = true } = {}) {
  const seen = { ids: 0, keys: 0, signed: [] as Outgoing[] }
  let deny: Response | undefined
  world.fetch = async (url, init) => {
    const now = world.time + ahead
    const date: Record<string, string> = exposed ? { date: new Date(now).toUTCString() } : {}
    const headers = init.headers as Record<string, string>
    const target = headers['x-amz-target'] ?? ''
    if (target.endsWith('.GetId')) {
      seen.ids++
      return Response.json({ IdentityId: 'us-east-1:i' }, { headers: date })
    }
    if (target.endsWith('.GetCredentialsForIdentity')) {
      seen.keys++
      const Expiration = (now + lifeMs) / 1000
      const keys = { AccessKeyId: `AK${seen.keys}`, SecretKey: 's', SessionToken: 't', Expiration }
      return Response.json({ Credentials: keys }, { headers: date })
    }
    seen.signed.push({ url, method: init.method ?? '', headers, body: init.body as string })
    if (deny) return deny
    const stamp = headers['x-amz-date'] ?? ''
    const at = Date.parse(stamp.replace(/(....)(..)(..)T(..)(..)(..)Z/, '$1-$2-$3T$4:$5:$6Z'))
    if (Math.abs(at - now) > 900_000)
      return Response.json({ message: 'Signature expired' }, { status: 403, headers: date })
    return Response.json({ ok: true }, { headers: date })
  }
  const options = { pool: 'us-east-1:p', region: REGION, service: 'lambda', env: world.env }
  const pool = new IdentityPool(options)
  const send = sender(world.env, pool)
  const call = () => send({ url: URL_, method: 'POST', headers: {}, body: '{"a":1}' })
  return { seen, call, pool, refuse: (response: Response) => (deny = response) }
}

/** AWS Signature Version 4 as the specification writes it, for one request with the given headers. */
function expected(request: Outgoing, secret: string, service: string): string {
  const url = new URL(request.url)
  const { headers } = request
  const names = /SignedHeaders=([^,]+)/.exec(headers['authorization'] ?? '')?.[1] ?? ''
  const all: Record<string, string> = { ...headers, host: url.host }
  const canonical = names.split(';').map((name) => `${name}:${all[name]}\n`)
  const path = url.pathname.split('/').map(encodeURIComponent).join('/')
  const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
  const query = url.search.replace(/^\?/, '')
  const text = ['POST', path, query, canonical.join(''), names, hash(request.body ?? '')].join('\n')
  const stamp = headers['x-amz-date'] ?? ''
  const scope = `${stamp.slice(0, 8)}/${REGION}/${service}/aws4_request`
  const key = scope
    .split('/')
    .reduce<Buffer | string>(
      (last, part) => createHmac('sha256', last).update(part).digest(),
      `AWS4${secret}`,
    )
  const toSign = ['AWS4-HMAC-SHA256', stamp, scope, hash(text)].join('\n')
  return createHmac('sha256', key).update(toSign).digest('hex')
}

test.each([
  ['lambda', URL_],
  [
    'bedrock-agentcore',
    `https://bedrock-agentcore.us-east-1.amazonaws.com/runtimes/${encodeURIComponent('arn:aws:bedrock-agentcore:us-east-1:1:runtime/magi')}/invocations?qualifier=DEFAULT`,
  ],
])('the signature is the one the specification gives: %s', async (service, url) => {
  const keys = { accessKeyId: 'AK', secretAccessKey: 'secret', sessionToken: 't', expires: 0 }
  const headers = {
    accept: 'text/event-stream',
    'content-type': 'application/json',
    'x-amzn-bedrock-agentcore-runtime-session-id': 'magi-0123456789012345678901234567890',
  }
  const request = { url, method: 'POST', headers, body: '{"question":"移行しますか?"}' }
  const out = await signed(request, keys, { region: REGION, service }, Date.UTC(2026, 10, 23))
  expect(out.headers['authorization']).toContain(`Signature=${expected(out, 'secret', service)}`)
  expect(out.headers['authorization']).toMatch(
    /SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token;x-amzn-bedrock-agentcore-runtime-session-id,/,
  )
  expect(out.headers).not.toHaveProperty('host')
  expect(out.headers['accept']).toBe('text/event-stream')
})

test('keys are fetched once for all who wait, and again before they end', async () => {
  const world = new World()
  const { seen, call } = cloud(world)
  await Promise.all([call(), call(), call()])
  expect([seen.ids, seen.keys]).toEqual([1, 1])
  world.time += 50 * 60_000
  await call()
  expect(seen.keys).toBe(1)
  world.time += 6 * 60_000
  await call()
  expect([seen.ids, seen.keys]).toEqual([1, 2])
  expect(seen.signed.at(-1)?.headers['authorization']).toContain('Credential=AK2/')
})

test.each([-7_200_000, 7_200_000])(
  'a clock that is wrong by %i ms is corrected by what the pool answers',
  async (ahead) => {
    const world = new World()
    const { seen, call } = cloud(world, { ahead })
    expect((await call()).status).toBe(200)
    expect(seen.signed).toHaveLength(1)
  },
)

test('a clock that jumps meanwhile costs one more try, and only one', async () => {
  const world = new World()
  const { seen, call } = cloud(world)
  await call()
  const later = cloud(world, { ahead: 7_200_000 })
  // The same pool, now against a door whose clock is two hours ahead.
  const response = await call()
  expect(response.status).toBe(200)
  expect([seen.signed.length, later.seen.signed.length]).toEqual([1, 2])
})

test('a reload is the same guest, and a guest the pool has forgotten becomes a new one', async () => {
  const world = new World()
  const { seen } = cloud(world)
  let kept: string | undefined
  const remember = { read: () => kept, write: (identity?: string) => (kept = identity) }
  const visit = () => {
    const options = { pool: 'us-east-1:p', region: REGION, service: 'lambda', remember }
    return new IdentityPool({ ...options, env: world.env }).authorise({
      url: URL_,
      method: 'POST',
      headers: {},
    })
  }
  await visit()
  await visit()
  expect([seen.ids, seen.keys, kept]).toEqual([1, 2, 'us-east-1:i'])
  const { fetch } = world
  let forgotten = true
  world.fetch = async (url, init) => {
    const target = (init.headers as Record<string, string>)['x-amz-target'] ?? ''
    if (!target.endsWith('.GetCredentialsForIdentity') || !forgotten) return fetch(url, init)
    forgotten = false
    return Response.json({ __type: 'ResourceNotFoundException' }, { status: 400 })
  }
  await visit()
  expect([seen.ids, seen.keys]).toEqual([2, 3])
})

test('a refusal that new keys cannot mend is handed on, not tried again', async () => {
  const world = new World()
  const { seen, call, refuse } = cloud(world)
  await call()
  refuse(Response.json({ Message: 'Forbidden' }, { status: 403 }))
  expect((await call()).status).toBe(403)
  expect(seen.signed).toHaveLength(2)
})

test('what the pool says is a problem that names it', async () => {
  const world = new World()
  const { call } = cloud(world)
  world.fetch = async () =>
    Response.json(
      { __type: 'NotAuthorizedException', message: 'Unauthenticated access is not supported' },
      { status: 400 },
    )
  const error = await call().catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Problem)
  expect(error).toMatchObject({ hop: 'identity', code: 'NotAuthorizedException', transient: false })
  world.fetch = () => Promise.reject(new TypeError('Failed to fetch'))
  await expect(call()).rejects.toMatchObject({ code: 'identity_unreachable', status: 0 })
})

test('CloudFront gets the hash of the body and nothing else', async () => {
  const request = { url: '/invocations', method: 'POST', headers: {}, body: '{"q":"移行"}' }
  const { headers } = await contentSha256().authorise(request)
  const hash = createHash('sha256').update(request.body).digest('hex')
  expect(headers).toEqual({ 'x-amz-content-sha256': hash })
})

test('a server that is not there and one that does not allow this page are told apart', async () => {
  const world = new World()
  world.origin = 'https://page.example'
  const send = sender(world.env, contentSha256())
  const call = () => send({ url: 'https://door.example/invocations', method: 'POST', headers: {} })
  let there = true
  world.fetch = async (_url, init) => {
    if (init.mode === 'no-cors' && there) return new Response(null)
    throw new TypeError('Failed to fetch')
  }
  await expect(call()).rejects.toMatchObject({ code: 'cors' })
  there = false
  await expect(call()).rejects.toMatchObject({ code: 'no_answer' })
})
