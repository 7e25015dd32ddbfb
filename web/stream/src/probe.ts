import type { Outgoing } from './authorise.ts'
import type { Env } from './env.ts'
import { answered, answeredJson } from './http.ts'
import { isDoorFrame, isHtml, Problem, problemOfDoorFrame } from './problem.ts'
import type { Send } from './send.ts'
import { SseDecoder } from './sse.ts'

/** One frame of a probe: when the door sent it by its clock, and when it came by ours, in milliseconds. */
export interface Beat {
  sent: number
  came: number
}

/** How the frames of a probe came. */
export interface Probed {
  /** Each frame was sent only after the one before was seen: nothing on the way holds back. */
  acked: boolean
  beats: readonly Beat[]
}

interface Asking {
  url: string
  headers: Record<string, string>
  env: Env
  send: Send
}

/** So long a probe may take in all, in milliseconds. */
const LIMIT_MS = 25_000

/**
 * Asks the door for `frames` frames of which each waits for our word that we saw the one before. A hop
 * that buffers shows at once, because that word never comes. Rejects with a `Problem`.
 */
export async function probe(asking: Asking, frames: number): Promise<Probed> {
  const { env, send } = asking
  const cut = new AbortController()
  const cancel = env.after(LIMIT_MS, () => cut.abort())
  const beats: Beat[] = []
  let acked = true
  try {
    const request = action(asking, { action: 'probe', frames, ack: true }, 'text/event-stream')
    const response = await answered(env, (out) => send(out, cut.signal), request)
    if (!/event-stream/.test(response.headers.get('content-type') ?? '') || !response.body)
      throw new Problem({
        status: response.status,
        code: 'not_a_stream',
        message: 'the probe was not answered with an event stream',
        html: isHtml(response),
        url: asking.url,
      })
    const decoder = new SseDecoder()
    const reader = response.body.getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      for (const { data } of decoder.push(value)) {
        const frame = JSON.parse(data) as Record<string, unknown>
        if (isDoorFrame(frame)) throw problemOfDoorFrame(frame)
        const beat = beatOf(frame)
        if (!beat) continue
        beats.push({ sent: beat.sent, came: env.now() })
        acked &&= beat.acked
        if (beat.acked) await say(asking, beat)
      }
    }
  } catch (error) {
    if (!cut.signal.aborted) throw error
    throw new Problem({
      status: 0,
      code: 'held',
      message: 'the probe did not end',
      url: asking.url,
    })
  } finally {
    cancel()
  }
  return { acked: acked && beats.length === frames, beats }
}

function beatOf(frame: Record<string, unknown>) {
  if (frame['type'] !== 'probe') return undefined
  const data = (frame['data'] ?? {}) as Record<string, unknown>
  const { probe: id, frame: number, acked, sent_at } = data
  if (typeof id !== 'string' || typeof number !== 'number') return undefined
  return { id, number, acked: acked === true, sent: Date.parse(String(sent_at)) }
}

const action = (
  { url, headers }: Asking,
  body: Record<string, unknown>,
  accept: string,
): Outgoing => ({
  url,
  method: 'POST',
  headers: { ...headers, accept, 'content-type': 'application/json' },
  body: JSON.stringify(body),
})

async function say(asking: Asking, { id, number }: { id: string; number: number }): Promise<void> {
  const body = { action: 'ack', probe: id, frame: number }
  await answeredJson(asking.env, asking.send, action(asking, body, 'application/json'))
}
