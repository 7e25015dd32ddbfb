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
  /** How long the answer took, in milliseconds, where it was measured. */
  readonly elapsed: number | undefined
  /** The address that was asked. */
  readonly url: string | undefined
  /** True when a web page was answered where none belongs: that was no server of ours. */
  readonly html: boolean
  /** Who refused, where it was not the door itself. */
  readonly hop: 'identity' | undefined

  constructor(of: {
    status: number
    code?: string
    message: string
    field?: string | undefined
    fix?: string | undefined
    retryAfter?: number | undefined
    body?: Record<string, unknown>
    elapsed?: number | undefined
    url?: string | undefined
    html?: boolean
    hop?: 'identity'
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
    this.elapsed = of.elapsed
    this.url = of.url
    this.html = of.html ?? false
    this.hop = of.hop
  }

  /** True when the same request may well succeed a little later. */
  get transient(): boolean {
    if (PASSING.has(this.code)) return true
    return this.status === 0 || TRANSIENT.has(this.status)
  }

  /** True when the request was turned away before anything began, so that it may be repeated. */
  get turnedAway(): boolean {
    return PASSING.has(this.code) || AWAY.has(this.status)
  }
}

const TRANSIENT: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])
const AWAY: ReadonlySet<number> = new Set([425, 429, 503])
/** The store is away for a moment; AgentCore is still starting the session. */
const PASSING: ReadonlySet<string> = new Set([
  'store_unavailable',
  'upstream_conflict',
  'RetryableConflictException',
])

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

interface Answered {
  wait?: number | undefined
  elapsed?: number | undefined
  url?: string | undefined
  html?: boolean
  /** AWS's name of the error, which stands in a header. */
  named?: string | undefined
}

const fromBody = (
  status: number,
  body: Record<string, unknown>,
  fallback: string,
  answered: Answered = {},
): Problem => {
  const type = text(body['type'])
  const seconds = body['retry_after']
  const { wait, elapsed, url, html = false } = answered
  const aws = text(body['__type']) ?? answered.named
  return new Problem({
    status,
    code:
      text(body['code']) ??
      (type?.includes('/') ? type.split('/').pop() : undefined) ??
      aws?.split(':')[0]?.split('#').pop() ??
      '',
    message:
      text(body['detail']) ??
      text(body['message']) ??
      text(body['Message']) ??
      text(body['title']) ??
      fallback,
    field: text(body['field']),
    fix: text(body['fix']),
    retryAfter: wait ?? (typeof seconds === 'number' ? seconds * 1000 : undefined),
    body,
    elapsed,
    url,
    html,
  })
}

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}

/**
 * Reads the problem out of a response that is not a success. Never throws. `asked` is when the
 * request was sent.
 */
export async function problemOf(response: Response, now: number, asked?: number): Promise<Problem> {
  const { status, headers } = response
  const answered: Answered = {
    wait: retryAfter(headers.get('retry-after'), now),
    elapsed: asked === undefined ? undefined : now - asked,
    url: response.url === '' ? undefined : response.url,
    html: isHtml(response),
    named: text(headers.get('x-amzn-errortype')),
  }
  const body: unknown = await response.json().catch(() => undefined)
  return fromBody(status, record(body), `the server answered ${status}`, answered)
}

/** True for an answer that is a web page. */
export const isHtml = (response: Response): boolean =>
  /^(text\/html|application\/xhtml)/i.test(response.headers.get('content-type') ?? '')

/** Reads a door frame: a `data:` error that is in no log and stands for the HTTP status it names. */
export function problemOfDoorFrame(frame: Record<string, unknown>): Problem {
  const data = record(frame['data'])
  const status = typeof data['status'] === 'number' ? data['status'] : 500
  return fromBody(status, data, text(frame['error']) ?? `the door answered ${status}`)
}

/** True for the JSON of a door frame, as an action that answers JSON gives it. */
export const isDoorFrame = (value: Record<string, unknown>): boolean =>
  value['type'] === 'error' && value['seq'] === undefined && 'data' in value

/** Wraps whatever was thrown where an answer was expected. */
export const noAnswer = (cause: unknown): Problem =>
  cause instanceof Problem
    ? cause
    : new Problem({
        status: 0,
        code: 'no_answer',
        message: cause instanceof Error ? cause.message : 'no answer',
        cause,
      })
