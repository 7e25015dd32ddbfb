/** The probe of the way, as the server speaks it: each frame waits for the word about the one before. */
import type { ServerResponse } from 'node:http'

export class Probes {
  readonly #waiting = new Map<string, (frame: number) => void>()
  #count = 0

  /** Streams the frames; while `holds`, everything comes at once, and the word in vain. */
  start(response: ServerResponse, frames: number, ahead = 0, holds = false): void {
    const id = `probe-${++this.#count}`
    const lines: string[] = []
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const out = (value: unknown): void => {
      const text = `data: ${JSON.stringify(value)}\n\n`
      if (holds) lines.push(text)
      else response.write(text)
    }
    const send = (frame: number): void => {
      const sent_at = new Date(Date.now() + ahead * 1000).toISOString()
      out({ type: 'probe', data: { probe: id, frame, frames, acked: true, sent_at } })
    }
    this.#waiting.set(id, (seen) => {
      if (seen < frames) return send(seen + 1)
      this.#waiting.delete(id)
      response.end()
    })
    send(1)
    if (!holds) return
    const message = 'nobody said within 10 s that frame 1 was seen: a hop holds the stream back'
    setTimeout(() => {
      out({ type: 'error', error: message, data: { status: 409, code: 'conflict', message } })
      response.end(lines.join(''))
    }, 300)
  }

  /** Takes the word about a frame; false when no such probe waits. */
  ack(id: unknown, frame: unknown): boolean {
    const seen = this.#waiting.get(String(id))
    seen?.(Number(frame))
    return seen !== undefined
  }
}
