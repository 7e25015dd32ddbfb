import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as after } from 'node:timers/promises'

interface Ask {
  messages: { role: string; content: string }[]
  tools?: { function: { name: string; parameters: { properties: Record<string, unknown> } } }[]
}

/** Speaks OpenAI's streaming wire and says what it is told to, word for word, also in every field of its vote. */
export class Speaker {
  readonly url: string
  /** What the next answers say, in turn. */
  texts: readonly string[] = ['']
  /** Milliseconds of each piece of an answer. */
  pace = 0
  #turn = 0
  readonly #close: () => Promise<void>

  private constructor(url: string, close: () => Promise<void>) {
    this.url = url
    this.#close = close
  }

  static async start(): Promise<Speaker> {
    let speaker: Speaker | undefined
    const server = createServer((request, response) => {
      void bodyOf(request).then((ask) => speaker?.answer(ask, response))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    speaker = new Speaker(`http://127.0.0.1:${port}/v1`, async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    })
    return speaker
  }

  stop(): Promise<void> {
    return this.#close()
  }

  async answer(ask: Ask, response: ServerResponse): Promise<void> {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const delta of this.deltas(ask)) {
      // Whoever was stopped has hung up.
      if (response.destroyed) return
      response.write(`data: ${JSON.stringify({ choices: [{ index: 0, ...delta }] })}\n\n`)
      if (this.pace > 0) await after(this.pace)
    }
    response.end('data: [DONE]\n\n')
  }

  /** The answer in pieces of seven characters, then the vote as a call of the tool that was offered. */
  deltas(ask: Ask): object[] {
    const text = this.texts[this.#turn++ % this.texts.length] ?? ''
    const pieces = text.match(/[^]{1,7}/g) ?? []
    const tool = ask.tools?.[0]?.function
    const call = {
      index: 0,
      id: 'call_1',
      type: 'function',
      function: {
        name: tool?.name,
        arguments: JSON.stringify(
          argumentsOf(text, Object.keys(tool?.parameters.properties ?? {})),
        ),
      },
    }
    return [
      { delta: { role: 'assistant', content: '' } },
      ...pieces.map((content) => ({ delta: { content } })),
      { delta: { tool_calls: [call] } },
      { delta: {}, finish_reason: 'tool_calls' },
    ]
  }
}

function argumentsOf(text: string, fields: string[]): object {
  const letters = (value: unknown): object => ({ A: value, B: value, C: value })
  const known: Record<string, unknown> = {
    reasoning: text,
    sage_scores: letters(50),
    score_reasons: letters(text),
    dissent: { sage: 'A', text },
    conditions: [text],
    would_change: [text],
    decision: 'APPROVED',
    final_decision: 'APPROVED',
    confidence: 0.5,
  }
  return Object.fromEntries(
    fields.filter((field) => field in known).map((field) => [field, known[field]]),
  )
}

async function bodyOf(request: IncomingMessage): Promise<Ask> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return JSON.parse(Buffer.concat(parts).toString()) as Ask
}
