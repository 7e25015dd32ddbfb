/** One dispatched server-sent event. */
export interface Frame {
  /** The frame's own `id:` line; absent when it had none. */
  id?: string
  data: string
}

/** Thrown when one line or one event outgrows the limit. */
export class FrameTooLarge extends Error {
  constructor(limit: number) {
    super(`a server-sent event is larger than ${limit} characters`)
    this.name = 'FrameTooLarge'
  }
}

/**
 * Turns bytes into frames, wherever the bytes were cut: inside a character, between CR and LF, in
 * the middle of a field. Bounded: an event above `limit` characters is an error, not a growing heap.
 *
 * Source: WHATWG HTML, "Interpreting an event stream".
 */
export class SseDecoder {
  /** The last `retry:` the server sent, in milliseconds. */
  retry: number | undefined
  /** How many comment lines (heartbeats) were read. */
  comments = 0

  readonly #limit: number
  readonly #utf8 = new TextDecoder('utf-8')
  #line = ''
  #afterCr = false
  #data: string[] = []
  #size = 0
  #id: string | undefined

  constructor(limit = 8 * 1024 * 1024) {
    this.#limit = limit
  }

  /** Returns the frames that these bytes complete. An unfinished frame waits for the next call. */
  push(bytes: Uint8Array): Frame[] {
    const text = this.#utf8.decode(bytes, { stream: true })
    const frames: Frame[] = []
    let from = 0
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code !== 10 && code !== 13) {
        this.#afterCr = false
        continue
      }
      // The LF of a CRLF whose CR has already ended the line.
      if (code === 10 && this.#afterCr) {
        this.#afterCr = false
        from = at + 1
        continue
      }
      const frame = this.#endLine(this.#line + text.slice(from, at))
      if (frame) frames.push(frame)
      this.#line = ''
      this.#afterCr = code === 13
      from = at + 1
    }
    this.#line += text.slice(from)
    if (this.#line.length + this.#size > this.#limit) throw new FrameTooLarge(this.#limit)
    return frames
  }

  #endLine(line: string): Frame | undefined {
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    if (colon === 0) {
      this.comments++
      return undefined
    }
    const field = colon < 0 ? line : line.slice(0, colon)
    let value = colon < 0 ? '' : line.slice(colon + 1)
    if (value.startsWith(' ')) value = value.slice(1)
    if (field === 'data') {
      this.#size += value.length + 1
      if (this.#size > this.#limit) throw new FrameTooLarge(this.#limit)
      this.#data.push(value)
    } else if (field === 'id') {
      if (!value.includes('\0')) this.#id = value
    } else if (field === 'retry' && /^\d{1,9}$/.test(value)) {
      this.retry = Number(value)
    }
    return undefined
  }

  #dispatch(): Frame | undefined {
    const data = this.#data.join('\n')
    const had = this.#data.length > 0
    const id = this.#id
    this.#data = []
    this.#size = 0
    this.#id = undefined
    if (!had || data === '') return undefined
    return id === undefined ? { data } : { id, data }
  }
}
