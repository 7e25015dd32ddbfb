/** The only file that loads the signing library; imported on demand, so that the first screen has none of it. */
import { Sha256 } from '@aws-crypto/sha256-js'
import { SignatureV4 } from '@smithy/signature-v4'
import type { Outgoing } from './authorise.ts'
import type { Credentials } from './identity.ts'

/** Where a signature is valid. */
export interface Scope {
  region: string
  service: string
}

/** A hop on the way may rewrite what an answer may look like, so that stays outside the signature. */
const UNSIGNED = new Set(['accept'])

/** Signs a request with AWS Signature Version 4, in its headers, at the time `now` (ms). */
export async function signed(
  request: Outgoing,
  credentials: Credentials,
  scope: Scope,
  now: number,
): Promise<Outgoing> {
  const url = new URL(request.url)
  const signer = new SignatureV4({ ...scope, credentials, sha256: Sha256, applyChecksum: true })
  const query: Record<string, string | string[]> = {}
  for (const name of new Set(url.searchParams.keys())) {
    const values = url.searchParams.getAll(name)
    query[name] = values.length === 1 ? (values[0] as string) : values
  }
  const { headers } = await signer.sign(
    {
      method: request.method,
      protocol: url.protocol,
      hostname: url.hostname,
      ...(url.port === '' ? {} : { port: Number(url.port) }),
      path: url.pathname,
      query,
      headers: { ...request.headers, host: url.host },
      body: request.body ?? '',
    },
    { signingDate: new Date(now), unsignableHeaders: UNSIGNED },
  )
  // The browser writes `host` itself, and refuses anybody else's.
  const { host: _, ...sent } = headers as Record<string, string>
  return { ...request, headers: sent }
}

/** Returns the SHA-256 of a text's UTF-8 bytes in hex. */
export async function sha256(text: string): Promise<string> {
  const hash = new Sha256()
  hash.update(text)
  const bytes = await hash.digest()
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
