import type { Outgoing } from './authorise.ts'
import type { Env } from './env.ts'
import { isDoorFrame, isHtml, Problem, problemOf, problemOfDoorFrame } from './problem.ts'
import type { Send } from './send.ts'

/** Sends one request; whatever is not a success is a problem. */
export async function answered(env: Env, send: Send, request: Outgoing): Promise<Response> {
  const asked = env.now()
  const response = await send(request)
  if (!response.ok) throw await problemOf(response, env.now(), asked)
  return response
}

/** Sends one request and reads its JSON; a door frame in it is the problem it stands for. */
export async function answeredJson(
  env: Env,
  send: Send,
  request: Outgoing,
): Promise<Record<string, unknown>> {
  const response = await answered(env, send, request)
  const text = await response.text()
  if (text === '') return {}
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new Problem({
      status: response.status,
      code: 'not_json',
      message: 'the answer is not JSON',
      html: isHtml(response),
      url: request.url,
      cause,
    })
  }
  const read = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  if (isDoorFrame(read)) throw problemOfDoorFrame(read)
  return read
}
