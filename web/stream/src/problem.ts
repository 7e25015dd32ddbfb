/** What a server says when it refuses: problem+json (RFC 9457) or a door frame, as one typed error. */
export class Problem extends Error {
  /** The HTTP status, or 0 when no answer came at all. */
  readonly status: number
  /** The machine's word for it, for example `store_unavailable`; empty when the server gave none. */
  readonly code: string
  /** The field of the request that is wrong, where the server names one. */
  readonly field: string | undefined
  /** What to do about it, where the server says so. */
  readonly fix: string | undefined
  /** How long the server asks to wait, in milliseconds. */
  readonly retryAfter: number | undefined
  /** Everything the server sent. */
  readonly body: Readonly<Record<string, unknown>>

  constructor(of: {
    status: number
    code?: string
    message: string
    field?: string | undefined
    fix?: string | undefined
    retryAfter?: number | undefined
    body?: Record<string, unknown>
    cause?: unknown
  }) {
    super(of.message, of.cause === undefined ? undefined : { cause: of.cause })
    this.name = 'Problem'
    this.status = of.status
    this.code = of.code ?? ''
    this.field = of.field
    this.fix = of.fix
    this.retryAfter = of.retryAfter
    this.body = of.body ?? {}
  }

  /** True when the same request may well succeed a little later. */
  get transient(): boolean {
    if (this.code === 'store_unavailable') return true
    return this.status === 0 || TRANSIENT.has(this.status)
  }
}

const TRANSIENT: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

/** Reads `Retry-After`: seconds or an HTTP date. Returns milliseconds from `now`. */
export function retryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined
  const trimmed = header.trim()
  if (/^\d{1,9}$/.test(trimmed)) return Number(trimmed) * 1000
  const at = Date.parse(trimmed)
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}

const fromBody = (
  status: number,
  body: Record<string, unknown>,
  wait: number | undefined,
  fallback: string,
): Problem => {
  const type = text(body['type'])
  const seconds = body['retry_after']
  return new Problem({
    status,
    code: text(body['code']) ?? (type?.includes('/') ? (type.split('/').pop() ?? '') : ''),
    message: text(body['detail']) ?? text(body['message']) ?? text(body['title']) ?? fallback,
    field: text(body['field']),
    fix: text(body['fix']),
    retryAfter: wait ?? (typeof seconds === 'number' ? seconds * 1000 : undefined),
    body,
  })
}

/** Reads the problem out of a response that is not a success. Never throws. */
export async function problemOf(response: Response, now: number): Promise<Problem> {
  const wait = retryAfter(response.headers.get('retry-after'), now)
  const fallback = `the server answered ${response.status}`
  let body: unknown
  try {
    body = await response.json()
  } catch {
    body = undefined
  }
  const known = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
  return fromBody(response.status, known, wait, fallback)
}

/** Reads a door frame: a `data:` error that is in no log and stands for the HTTP status it names. */
export function problemOfDoorFrame(frame: Record<string, unknown>): Problem {
  const inner = frame['data']
  const data = typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>) : {}
  const status = typeof data['status'] === 'number' ? data['status'] : 500
  return fromBody(status, data, undefined, text(frame['error']) ?? `the door answered ${status}`)
}

/** Wraps whatever `fetch` threw: no answer at all. */
export const noAnswer = (cause: unknown): Problem =>
  new Problem({
    status: 0,
    code: 'no_answer',
    message: cause instanceof Error ? cause.message : 'no answer',
    cause,
  })
