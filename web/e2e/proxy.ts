import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * A proxy that cuts event streams in the middle of their bytes. What it cuts is decided by the test,
 * and at least one event comes through before each cut, so that a reader that resumes gets on.
 */
export class CuttingProxy {
  /** How many more streams are cut. */
  cuts = 0
  /** While true, every connection is dropped before it is answered. */
  down = false
  /** Status of every answered events request, in order. */
  readonly answers: number[] = []
  made = 0
  readonly #target: URL
  readonly #server = createServer((incoming, outgoing) => this.#pass(incoming, outgoing))

  constructor(target: string) {
    this.#target = new URL(target)
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  /** Cuts whatever is open now. */
  cutNow(): void {
    this.made++
    this.#server.closeAllConnections()
  }

  #pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
    if (this.down) {
      incoming.socket.destroy()
      return
    }
    const { hostname, port, host, origin } = this.#target
    // The server checks both: to it we are its own page.
    const headers: Record<string, string | string[] | undefined> = { ...incoming.headers, host }
    if (headers['origin'] !== undefined) headers['origin'] = origin
    if (headers['referer'] !== undefined) headers['referer'] = `${origin}/`
    const onward = request(
      // A connection of its own: one that was kept may be closed at the other end in this very moment.
      { hostname, port, path: incoming.url, method: incoming.method, headers, agent: false },
      (answer) => this.#answer(incoming, answer, outgoing),
    )
    onward.on('error', () => outgoing.destroy())
    outgoing.on('close', () => onward.destroy())
    incoming.pipe(onward)
  }

  #answer(incoming: IncomingMessage, answer: IncomingMessage, outgoing: ServerResponse): void {
    const stream = answer.headers['content-type']?.includes('text/event-stream') ?? false
    if (incoming.url?.includes('/events')) this.answers.push(answer.statusCode ?? 0)
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
    if (!stream || this.cuts <= 0) {
      answer.pipe(outgoing)
      return
    }
    this.cuts--
    let left = 500 + Math.floor(Math.random() * 1500)
    let passed = false
    let done = false
    answer.on('data', (bytes: Buffer) => {
      if (done) return
      // The first event always passes; `left` decides from there.
      const first = passed ? 0 : endOfFirstEvent(bytes)
      passed ||= first > 0
      const end = Math.max(left, passed ? first : bytes.length)
      left -= bytes.length
      outgoing.write(bytes.subarray(0, end))
      if (bytes.length <= end) return
      done = true
      this.made++
      answer.destroy()
      // The bytes before the cut arrive, then the connection is gone.
      setTimeout(() => outgoing.socket?.destroy(), 5)
    })
    answer.on('end', () => outgoing.end())
    answer.on('error', () => outgoing.destroy())
  }
}

/** Where the first whole event in these bytes ends; 0 when none does. */
function endOfFirstEvent(bytes: Buffer): number {
  const id = bytes.indexOf('id: ')
  const end = id < 0 ? -1 : bytes.indexOf('\n\n', id)
  return end < 0 ? 0 : end + 2
}
