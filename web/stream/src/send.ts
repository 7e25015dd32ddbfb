import type { Authoriser, Outgoing } from './authorise.ts'
import type { Env } from './env.ts'
import { Problem } from './problem.ts'

/** Sends one request; rejects with a {@link Problem} when no answer came. */
export type Send = (request: Outgoing, signal?: AbortSignal) => Promise<Response>

/** The way every request goes: authorised, sent, and once more where a new authorisation may help. */
export function sender(env: Env, authoriser: Authoriser): Send {
  return async (request, signal) => {
    const response = await once(env, await authoriser.authorise(request), signal)
    const { status } = response
    if ((status !== 401 && status !== 403) || !authoriser.refused(response)) return response
    // What was refused at the door started nothing, so it may be sent again.
    response.body?.cancel().catch(() => {})
    return once(env, await authoriser.authorise(request), signal)
  }
}

async function once(env: Env, request: Outgoing, signal?: AbortSignal): Promise<Response> {
  const { url, method, headers, body } = request
  const init: RequestInit = { method, headers, cache: 'no-store' }
  if (body !== undefined) init.body = body
  if (signal) init.signal = signal
  const started = env.now()
  try {
    return await env.fetch(url, init)
  } catch (cause) {
    if (signal?.aborted) throw cause
    const elapsed = env.now() - started
    throw new Problem({
      status: 0,
      code: await whyNoAnswer(env, url, signal),
      message: cause instanceof Error ? cause.message : 'no answer',
      url,
      elapsed,
      cause,
    })
  }
}

/**
 * A browser says the same of a server that is not there and of one that does not allow this page.
 * A request without reading its answer tells them apart: it needs nobody's leave.
 */
async function whyNoAnswer(env: Env, url: string, signal?: AbortSignal): Promise<string> {
  const here = env.origin()
  if (here === undefined || !env.online()) return 'no_answer'
  const there = new URL(url, here).origin
  if (there === here) return 'no_answer'
  try {
    const init: RequestInit = { method: 'GET', mode: 'no-cors', cache: 'no-store' }
    if (signal) init.signal = signal
    const answer = await env.fetch(`${there}/ping`, init)
    answer.body?.cancel().catch(() => {})
    return 'cors'
  } catch {
    return 'no_answer'
  }
}
