import { Problem } from '@magi/stream'
import { expect, test } from 'vitest'
import { OWN_SERVER, type Config } from '../src/config.ts'
import { diagnose } from '../src/diagnosis.ts'
import { en } from '../src/words.en.ts'
import { ja } from '../src/words.ja.ts'

const DOOR: Config = {
  ...OWN_SERVER,
  door: 'invocations',
  base: 'https://door.example/invocations',
  sign: 'sigv4',
}
const HERE = 'https://page.example/'

type Facts = ConstructorParameters<typeof Problem>[0]
const kind = (facts: Partial<Facts>, config = DOOR, asking = true): string | undefined =>
  diagnose(new Problem({ status: 0, message: 'm', ...facts }), config, asking, HERE)?.kind

test.each<[string, Partial<Facts>]>([
  ['gave_up', { status: 504, html: true, elapsed: 30_012 }],
  ['web_page', { status: 200, code: 'not_a_stream', html: true }],
  ['wrong_path', { status: 404, code: 'ResourceNotFoundException' }],
  ['wrong_path', { status: 405 }],
  ['cors', { status: 0, code: 'cors' }],
  ['unreachable', { status: 0, code: 'no_answer' }],
  ['clock', { status: 403, code: 'InvalidSignatureException', message: 'Signature expired: ...' }],
  ['signature', { status: 403, message: 'The request signature we calculated does not match' }],
  ['signature', { status: 403, message: 'The security token included in the request is invalid' }],
  ['forbidden', { status: 403, code: 'AccessDeniedException' }],
  ['forbidden', { status: 403, message: 'Forbidden' }],
  ['identity', { status: 400, hop: 'identity', code: 'NotAuthorizedException' }],
  ['throttled', { status: 429 }],
  ['too_large', { status: 413 }],
  ['function_failed', { status: 502, message: 'Internal Server Error', elapsed: 900 }],
  ['refused_whole', { status: 502, message: 'Internal Server Error', elapsed: 12_000 }],
  ['container_failed', { status: 424, code: 'RuntimeClientError' }],
  ['cut_for_good', { status: 0, code: 'cut_for_good' }],
  ['nothing_came', { status: 0, code: 'nothing_came' }],
  ['deadline_too_short', { status: 200, code: 'deadline_too_short' }],
  ['no_state', { status: 200, code: 'no_state' }],
])('%s is found in %j, and has words in both languages', (expected, facts) => {
  const problem = new Problem({ status: 0, message: 'm', ...facts })
  const found = diagnose(problem, DOOR, true, HERE)
  expect(found?.kind).toBe(expected)
  for (const words of [en, ja]) {
    const { what, fix } = found ? words.way(found) : { what: '', fix: '' }
    expect(what).not.toMatch(/undefined|NaN|^$/)
    expect(fix).not.toMatch(/undefined|NaN|^$/)
  }
})

test('the server’s own words stand where it has some', () => {
  const ours = { status: 404, code: 'not_found', body: { detail: 'no such deliberation' } }
  expect(kind(ours, DOOR, false)).toBeUndefined()
  expect(kind({ status: 413, code: 'too_large' })).toBeUndefined()
  expect(kind({ status: 502, code: 'upstream_failed' })).toBeUndefined()
  expect(kind({ status: 400, code: 'bad_request', field: 'state' })).toBeUndefined()
  expect(kind({ status: 503, code: 'busy' })).toBeUndefined()
})

test('the page’s own server that is silent is not a matter of addresses', () => {
  expect(kind({ status: 0, code: 'no_answer' }, OWN_SERVER)).toBeUndefined()
  expect(kind({ status: 0, code: 'no_answer' }, { ...OWN_SERVER, base: 'https://m.example' })).toBe(
    'unreachable',
  )
})

test('a token that is refused is a matter of the token, a signed request one of permission', () => {
  expect(kind({ status: 401 }, { ...DOOR, sign: 'bearer' })).toBe('token')
  expect(kind({ status: 401 })).toBe('forbidden')
})
