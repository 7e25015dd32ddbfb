import type { Authoriser } from './authorise.ts'
import { realEnv, type Env } from './env.ts'
import { noAnswer, Problem } from './problem.ts'

/** Keys that expire. */
export interface Credentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken: string
  /** When they end, in milliseconds since the epoch by AWS's clock. */
  expires: number
}

export interface IdentityOptions {
  /** The identity pool's id, `region:uuid`. */
  pool: string
  region: string
  /** The address of Cognito's identity service. Default: AWS's own in the region. */
  endpoint?: string
  /** Where the guest's identity is kept, so that a reload is the same guest. Default: in memory. */
  remember?: { read: () => string | undefined; write: (identity: string | undefined) => void }
  env?: Partial<Env>
}

export interface SigV4Options extends IdentityOptions {
  /** The service in the signature: `lambda` for a Function URL, `bedrock-agentcore` for a runtime. */
  service: string
}

/** Keys are renewed this long before they end. */
const EARLY_MS = 300_000
/** A clock that differs by less than this is right. */
const SKEW_MS = 2000
/** A refusal with a clock correction above this, or keys older than `STALE_MS`, is worth one more try. */
const CLOCK_MOVED_MS = 30_000
const STALE_MS = 300_000

/**
 * Signs requests with a guest's keys from a Cognito identity pool. The keys live in memory, are
 * fetched once for all requests that wait, and renewed before they end. The `Date` of every answer
 * corrects a wrong clock of this machine.
 */
export class IdentityPool implements Authoriser {
  readonly #options: SigV4Options
  readonly #env: Env
  readonly #endpoint: string
  #identity: string | undefined
  #credentials: Promise<Credentials> | undefined
  #held: Credentials | undefined
  #fetchedAt = 0
  /** AWS's clock less this machine's, in milliseconds. */
  #skew = 0
  /** The correction the newest signature was made with. */
  #signedWith = 0

  constructor(options: SigV4Options) {
    this.#options = options
    this.#env = { ...realEnv, ...options.env }
    this.#identity = options.remember?.read()
    this.#endpoint = options.endpoint ?? `https://cognito-identity.${options.region}.amazonaws.com/`
  }

  async authorise(request: Parameters<Authoriser['authorise']>[0]) {
    const credentials = await this.#current()
    const { signed } = await import('./sign.ts').catch((cause: unknown) => {
      throw noAnswer(cause)
    })
    const { region, service } = this.#options
    this.#signedWith = this.#skew
    return signed(request, credentials, { region, service }, this.#now())
  }

  refused(response: Response): boolean {
    this.#setClock(response)
    if (Math.abs(this.#skew - this.#signedWith) > CLOCK_MOVED_MS) return true
    if (this.#env.now() - this.#fetchedAt < STALE_MS) return false
    this.#held = undefined
    return true
  }

  #now(): number {
    return this.#env.now() + this.#skew
  }

  #setClock(response: Response): void {
    const date = Date.parse(response.headers.get('date') ?? '')
    if (Number.isNaN(date)) return
    const skew = date - this.#env.now()
    this.#skew = Math.abs(skew) > SKEW_MS ? skew : 0
  }

  /** The keys in hand, or new ones; however many requests ask at once, they are fetched once. */
  #current(): Promise<Credentials> {
    const held = this.#held
    if (held && held.expires - this.#now() > EARLY_MS) return Promise.resolve(held)
    this.#credentials ??= this.#fetch().finally(() => {
      this.#credentials = undefined
    })
    return this.#credentials
  }

  async #fetch(): Promise<Credentials> {
    try {
      return await this.#issue()
    } catch (error) {
      const forgotten = error instanceof Problem && error.code === 'ResourceNotFoundException'
      if (!forgotten || this.#identity === undefined) throw error
      // The identity was deleted meanwhile; a pool that is not there refuses the new one as well.
      this.#remember(undefined)
      return this.#issue()
    }
  }

  async #issue(): Promise<Credentials> {
    const { pool } = this.#options
    if (this.#identity === undefined)
      this.#remember(text(await this.#call('GetId', { IdentityPoolId: pool }), 'IdentityId'))
    const answer = await this.#call('GetCredentialsForIdentity', { IdentityId: this.#identity })
    const keys = answer['Credentials']
    const given = typeof keys === 'object' && keys !== null ? (keys as Record<string, unknown>) : {}
    const expiration = given['Expiration']
    const expires =
      typeof expiration === 'number' ? expiration * 1000 : Date.parse(String(expiration))
    const held: Credentials = {
      accessKeyId: text(given, 'AccessKeyId'),
      secretAccessKey: text(given, 'SecretKey'),
      sessionToken: text(given, 'SessionToken'),
      expires: Number.isNaN(expires) ? this.#now() + 3_600_000 : expires,
    }
    this.#held = held
    this.#fetchedAt = this.#env.now()
    return held
  }

  #remember(identity: string | undefined): void {
    this.#identity = identity
    this.#options.remember?.write(identity)
  }

  async #call(target: string, body: unknown): Promise<Record<string, unknown>> {
    const started = this.#env.now()
    let response: Response
    try {
      response = await this.#env.fetch(this.#endpoint, {
        method: 'POST',
        headers: {
          'content-type': 'application/x-amz-json-1.1',
          'x-amz-target': `AWSCognitoIdentityService.${target}`,
        },
        body: JSON.stringify(body),
        cache: 'no-store',
      })
    } catch (cause) {
      throw new Problem({
        status: 0,
        code: 'identity_unreachable',
        message: `${this.#endpoint} does not answer`,
        url: this.#endpoint,
        elapsed: this.#env.now() - started,
        cause,
      })
    }
    this.#setClock(response)
    const answer = (await response.json().catch(() => ({}))) as Record<string, unknown>
    if (response.ok) return answer
    const type = String(answer['__type'] ?? response.headers.get('x-amzn-errortype') ?? '')
    throw new Problem({
      status: response.status,
      code: type.split(/[#:]/).find((part) => part.endsWith('Exception')) ?? 'identity',
      message: String(answer['message'] ?? answer['Message'] ?? `${target}: ${response.status}`),
      hop: 'identity',
      url: this.#endpoint,
      body: answer,
    })
  }
}

function text(from: Record<string, unknown>, name: string): string {
  const value = from[name]
  if (typeof value === 'string' && value !== '') return value
  throw new Problem({
    status: 502,
    code: 'identity',
    message: `the identity pool's answer has no ${name}`,
    hop: 'identity',
  })
}
