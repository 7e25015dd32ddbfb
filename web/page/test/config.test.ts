import { expect, test } from 'vitest'
import { OWN_SERVER, parseConfig, readConfig, type Config } from '../src/config.ts'

const ARN = 'arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/magi-x'
const POOL = 'us-east-1:11111111-2222-3333-4444-555555555555'

const of = (value: unknown): Partial<Config> & { fault?: unknown } => {
  const read = parseConfig(value)
  return 'fault' in read ? { fault: read.fault } : read.config
}

test('an empty object is the own server', () => {
  expect(of({})).toEqual(OWN_SERVER)
})

test.each([
  ['', '/invocations'],
  ['/api', '/api/invocations'],
  ['https://x.lambda-url.us-east-1.on.aws/', 'https://x.lambda-url.us-east-1.on.aws/invocations'],
  [
    'https://h/runtimes/a%2Fb/invocations?qualifier=D',
    'https://h/runtimes/a%2Fb/invocations?qualifier=D',
  ],
])('the address of invocations: %j', (base, url) => {
  expect(of({ door: 'invocations', base }).base).toBe(url)
})

test('a runtime is addressed by its ARN, in its own region', () => {
  const { base } = of({ door: 'invocations', runtime: ARN, sign: 'bearer' })
  expect(base).toBe(
    `https://bedrock-agentcore.eu-west-1.amazonaws.com/runtimes/${encodeURIComponent(ARN)}/invocations?qualifier=DEFAULT`,
  )
  const near = of({
    door: 'invocations',
    runtime: ARN,
    base: 'http://127.0.0.1:1',
    qualifier: 'v2',
  })
  expect(near.base).toBe(
    `http://127.0.0.1:1/runtimes/${encodeURIComponent(ARN)}/invocations?qualifier=v2`,
  )
})

test('signing knows its region and service from what it signs', () => {
  const url = { door: 'invocations', base: 'https://x/', sign: 'sigv4', identity_pool: POOL }
  expect(of(url)).toMatchObject({ region: 'us-east-1', service: 'lambda', identityPool: POOL })
  const runtime = { ...url, base: '', runtime: ARN }
  expect(of(runtime)).toMatchObject({ region: 'eu-west-1', service: 'bedrock-agentcore' })
  expect(of({ ...url, region: 'ap-northeast-1' })).toMatchObject({ region: 'ap-northeast-1' })
})

test.each([
  [[], '', 'object'],
  ['x', '', 'object'],
  [{ api: '' }, 'api', 'unknown'],
  [{ door: 'sevrer' }, 'door', 'choice'],
  [{ door: 3 }, 'door', 'text'],
  [{ base: 'magi.example' }, 'base', 'address'],
  [{ base: '//magi.example' }, 'base', 'address'],
  [{ base: 'javascript:alert(1)' }, 'base', 'address'],
  [{ sign: 'sigv4' }, 'identity_pool', 'missing'],
  [{ sign: 'sigv4', identity_pool: 'x' }, 'identity_pool', 'address'],
  [{ sign: 'sigv4', identity_pool: POOL, identity_endpoint: 'x' }, 'identity_endpoint', 'address'],
  [{ runtime: ARN }, 'runtime', 'door'],
  [{ door: 'invocations', runtime: 'magi' }, 'runtime', 'address'],
])('%j is a fault of the field %j: %s', (value, field, kind) => {
  expect(of(value).fault).toMatchObject({ field, kind })
})

test('a file that is not there is the own server; one that is a web page or no JSON is a fault', async () => {
  const read = (response: () => Response) => readConfig(async () => response())
  const own = { config: OWN_SERVER }
  expect(await read(() => new Response('', { status: 404 }))).toEqual(own)
  expect(await read(() => new Response('<Error/>', { status: 403 }))).toEqual(own)
  const html = { headers: { 'content-type': 'text/html; charset=utf-8' } }
  expect(await read(() => new Response('<!doctype html>', html))).toMatchObject({
    fault: { kind: 'page' },
  })
  expect(await read(() => new Response('{"door":'))).toMatchObject({ fault: { kind: 'json' } })
})
