/** How requests are let in. */
export type Sign = 'none' | 'bearer' | 'sigv4' | 'content-sha256'

/** What a deployer says about the way from the page to the council, read when the page opens. */
export interface Config {
  door: 'server' | 'invocations'
  /** The server's address, empty for the page's own; or the whole address that takes invocations. */
  base: string
  sign: Sign
  /** Only with `sigv4`. */
  region: string
  service: string
  identityPool: string
  identityEndpoint: string | undefined
}

/** What is wrong with `config.json`, by field; an empty field is the file itself. */
export interface ConfigFault {
  field: string
  kind: 'json' | 'page' | 'object' | 'unknown' | 'text' | 'choice' | 'missing' | 'address' | 'door'
  /** What may stand there, or what the field belongs to. */
  allowed?: readonly string[]
}

/** Without a file: the page's own server. */
export const OWN_SERVER: Config = {
  door: 'server',
  base: '',
  sign: 'none',
  region: '',
  service: '',
  identityPool: '',
  identityEndpoint: undefined,
}

const DOORS = ['server', 'invocations'] as const
const SIGNS = ['none', 'bearer', 'sigv4', 'content-sha256'] as const
const FIELDS = [
  'door',
  'base',
  'runtime',
  'qualifier',
  'sign',
  'region',
  'service',
  'identity_pool',
  'identity_endpoint',
] as const

type Field = (typeof FIELDS)[number]
type Read = { config: Config } | { fault: ConfigFault }

class Wrong extends Error {
  constructor(readonly fault: ConfigFault) {
    super(fault.field)
  }
}

/**
 * Reads `config.json` beside the page. A file that is not there means the page's own server; a file
 * that cannot be understood is a fault to be shown, never guessed around.
 */
export async function readConfig(fetcher: typeof fetch = fetch): Promise<Read> {
  let response: Response
  try {
    response = await fetcher('./config.json', { cache: 'no-cache' })
  } catch {
    return { config: OWN_SERVER }
  }
  // S3 answers 403 for a file that is not there to those who may not list.
  if (!response.ok) return { config: OWN_SERVER }
  if (/^text\/html/i.test(response.headers.get('content-type') ?? ''))
    return { fault: { field: '', kind: 'page' } }
  let value: unknown
  try {
    value = await response.json()
  } catch {
    return { fault: { field: '', kind: 'json' } }
  }
  return parseConfig(value)
}

/** Checks what stands in `config.json`. */
export function parseConfig(value: unknown): Read {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { fault: { field: '', kind: 'object' } }
  try {
    return { config: checked(value as Record<string, unknown>) }
  } catch (error) {
    if (error instanceof Wrong) return { fault: error.fault }
    throw error
  }
}

function checked(value: Record<string, unknown>): Config {
  for (const field of Object.keys(value))
    if (!(FIELDS as readonly string[]).includes(field))
      throw new Wrong({ field, kind: 'unknown', allowed: FIELDS })
  const text = (field: Field): string => {
    const given = value[field] ?? ''
    if (typeof given !== 'string') throw new Wrong({ field, kind: 'text' })
    return given.trim()
  }
  const door = choice('door', text('door'), DOORS)
  const sign = choice('sign', text('sign'), SIGNS)
  const runtime = text('runtime')
  if (runtime !== '' && door !== 'invocations')
    throw new Wrong({ field: 'runtime', kind: 'door', allowed: ['invocations'] })
  if (runtime !== '' && !/^arn:[\w-]+:bedrock-agentcore:[\w-]+:\d+:runtime\/.+/.test(runtime))
    throw new Wrong({ field: 'runtime', kind: 'address' })
  const pool = text('identity_pool')
  const region = text('region') || regionOf(runtime) || regionOf(pool)
  const base = address('base', text('base'))
  const url = door === 'server' ? base : invocations(base, runtime, text('qualifier'))
  if (sign !== 'sigv4') return { ...OWN_SERVER, door, base: url, sign }
  if (pool === '') throw new Wrong({ field: 'identity_pool', kind: 'missing' })
  if (!/^[\w-]+:.+/.test(pool)) throw new Wrong({ field: 'identity_pool', kind: 'address' })
  const endpoint = address('identity_endpoint', text('identity_endpoint'))
  return {
    door,
    base: url,
    sign,
    region,
    service: text('service') || (url.includes('/runtimes/') ? 'bedrock-agentcore' : 'lambda'),
    identityPool: pool,
    identityEndpoint: endpoint === '' ? undefined : endpoint,
  }
}

function choice<T extends string>(field: Field, given: string, allowed: readonly [T, ...T[]]): T {
  const found = given === '' ? allowed[0] : allowed.find((one) => one === given)
  if (found === undefined) throw new Wrong({ field, kind: 'choice', allowed })
  return found
}

/** An address: nothing, a path on the page's own origin, or http(s). */
function address(field: Field, given: string): string {
  if (given === '' || (given.startsWith('/') && !given.startsWith('//'))) return given
  if (URL.canParse(given) && /^https?:$/.test(new URL(given).protocol)) return given
  throw new Wrong({ field, kind: 'address' })
}

/** `arn:aws:bedrock-agentcore:REGION:...`, or an identity pool's `REGION:...`. */
const regionOf = (name: string): string =>
  (name.startsWith('arn:') ? name.split(':')[3] : name.split(':')[0]) ?? ''

/** The whole address that takes invocations. */
function invocations(base: string, runtime: string, qualifier: string): string {
  if (runtime === '') {
    const [path = '', query] = base.split('?')
    const tail = query === undefined ? '' : `?${query}`
    const bare = path.replace(/\/+$/, '')
    return bare.endsWith('/invocations') ? `${bare}${tail}` : `${bare}/invocations${tail}`
  }
  const aws = `https://bedrock-agentcore.${regionOf(runtime)}.amazonaws.com`
  const origin = base === '' ? aws : base
  const named = encodeURIComponent(qualifier === '' ? 'DEFAULT' : qualifier)
  const path = `/runtimes/${encodeURIComponent(runtime)}/invocations?qualifier=${named}`
  return origin.replace(/\/+$/, '') + path
}
