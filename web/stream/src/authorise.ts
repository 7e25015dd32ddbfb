/** One request before it is sent. The body is text: what is signed is what is sent. */
export interface Outgoing {
  url: string
  method: string
  headers: Record<string, string>
  body?: string
}

/**
 * What lets a request through a door. Asked for every request, so that a token or a key may change
 * while a deliberation is read.
 */
export interface Authoriser {
  /** Returns the request as it may be sent. Rejects with a `Problem` when it cannot be authorised. */
  authorise(request: Outgoing): Promise<Outgoing>
  /** Looks at a refusal (401, 403). True: the same request, authorised anew, may be let in. */
  refused(response: Response): boolean
}

/** Nothing is added: the door is open, or lets this machine in. */
export const open: Authoriser = {
  authorise: async (request) => request,
  refused: () => false,
}

/** `Authorization: Bearer`, with whatever the provider gives at the time; without a token, nothing. */
export const bearer = (token: () => string | undefined): Authoriser => ({
  authorise: async (request) => {
    const value = token()
    if (value === undefined || value === '') return request
    return { ...request, headers: { ...request.headers, authorization: `Bearer ${value}` } }
  },
  refused: () => false,
})

/**
 * `x-amz-content-sha256`, the SHA-256 of the body in hex: CloudFront signs what it sends on to a
 * Function URL (origin access control), but it does not read the body.
 *
 * Source: CloudFront Developer Guide, "Restrict access to an AWS Lambda function URL origin".
 */
export const contentSha256 = (): Authoriser => ({
  authorise: async (request) => {
    if (request.body === undefined) return request
    const { sha256 } = await import('./sign.ts')
    const hash = await sha256(request.body)
    return { ...request, headers: { ...request.headers, 'x-amz-content-sha256': hash } }
  },
  refused: () => false,
})
