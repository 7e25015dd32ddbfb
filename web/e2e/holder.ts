import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/** Where a deliberation stands, and how far its models are let go; in this order. */
export const PHASES = [
  'queued',
  'token',
  'writing',
  'voting',
  'counted',
  'judging',
  'ended',
] as const
export type Phase = (typeof PHASES)[number]

const JUDGE = 'solomon'
const NAMES = ['caspar', 'balthasar', 'melchior', JUDGE] as const
type Name = (typeof NAMES)[number]

/** What holds back the acceptance, the first word and the vote. */
function gatesOf(name: Name): readonly [Phase, Phase, Phase] {
  if (name === JUDGE) return ['counted', 'judging', 'ended']
  return ['token', 'writing', name === 'melchior' ? 'counted' : 'voting']
}

/** The deliberation that a mark in its question names: how far it is let go, and what its calls have come to. */
class Case {
  #level: Phase
  #moved: (() => void)[] = []
  /** How many calls have come to each step: being called, having accepted, having spoken, having voted. */
  readonly steps = [0, 0, 0, 0]
  readonly calls = new Map<Name, number>()

  constructor(level: Phase) {
    this.#level = level
  }

  letGo(): void {
    this.#level = 'ended'
    this.#tell()
  }

  came(step: number): void {
    this.steps[step] = (this.steps[step] ?? 0) + 1
    this.#tell()
  }

  #tell(): void {
    for (const call of this.#moved.splice(0)) call()
  }

  async #until(is: () => boolean): Promise<void> {
    while (!is()) await new Promise<void>((resolve) => this.#moved.push(resolve))
  }

  open(gate: Phase): Promise<void> {
    return this.#until(() => PHASES.indexOf(this.#level) >= PHASES.indexOf(gate))
  }

  /** Waits until the calls under way stand where this phase holds them. */
  waitFor(phase: Phase): Promise<void> {
    const [step, count] = (
      {
        queued: [0, 3],
        token: [1, 3],
        writing: [2, 3],
        voting: [3, 2],
        counted: [1, 4],
        judging: [2, 4],
        ended: [3, 4],
      } as const
    )[phase]
    return this.#until(() => (this.steps[step] ?? 0) >= count)
  }
}

/** A vendor on OpenAI's streaming wire that holds each answer at each step until it is let go. */
export class Holder {
  readonly url: string
  readonly #cases: Map<string, Case>
  readonly #close: () => Promise<void>

  private constructor(url: string, cases: Map<string, Case>, close: () => Promise<void>) {
    this.url = url
    this.#cases = cases
    this.#close = close
  }

  static async start(): Promise<Holder> {
    const cases = new Map<string, Case>()
    const server = createServer((request, response) => void answer(cases, request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    return new Holder(`http://127.0.0.1:${port}/v1`, cases, async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    })
  }

  /** Holds the deliberation whose question has this mark at a phase. */
  hold(mark: string, level: Phase): Case {
    const held = new Case(level)
    this.#cases.set(mark, held)
    return held
  }

  stop(): Promise<void> {
    return this.#close()
  }
}

interface Ask {
  messages: { role: string; content: string }[]
  tools: { function: { name: string; parameters: { properties: Record<string, unknown> } } }[]
}

async function answer(
  cases: Map<string, Case>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  const ask = JSON.parse(Buffer.concat(parts).toString()) as Ask
  const told = ask.messages.map(({ content }) => content).join('\n')
  const held = cases.get(/case-\d+/.exec(told)?.[0] ?? '')
  const tool = ask.tools[0]?.function
  if (!held || !tool) throw new Error(`a call that nobody expects: ${told.slice(0, 200)}`)
  const system = ask.messages[0]?.content.toLowerCase() ?? ''
  const isJudge = 'final_decision' in tool.parameters.properties
  const name = isJudge ? JUDGE : NAMES.find((one) => system.includes(one))
  if (!name) throw new Error(`nobody is named: ${system.slice(0, 200)}`)
  const nth = (held.calls.get(name) ?? 0) + 1
  held.calls.set(name, nth)
  const say = (choice: object): void =>
    void response.write(`data: ${JSON.stringify({ choices: [{ index: 0, ...choice }] })}\n\n`)
  const [accepts, speaks, votes] = gatesOf(name)
  held.came(0)
  await held.open(accepts)
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.flushHeaders()
  held.came(1)
  await held.open(speaks)
  say({ delta: { role: 'assistant', content: 'I have weighed it.' } })
  held.came(2)
  await held.open(votes)
  // CASPAR and the judge reject what they are asked again.
  const isOther = nth > 1 && (isJudge || name === 'caspar')
  const vote = voteOf(isJudge, isOther ? 'REJECTED' : 'APPROVED')
  const call = {
    index: 0,
    id: 'call_1',
    type: 'function',
    function: { name: tool.name, arguments: JSON.stringify(vote) },
  }
  say({ delta: { tool_calls: [call] } })
  say({ delta: {}, finish_reason: 'tool_calls' })
  response.end('data: [DONE]\n\n')
  held.came(3)
}

function voteOf(isJudge: boolean, decision: string): object {
  const both = { reasoning: 'It holds.', conditions: [], would_change: [], confidence: 0.7 }
  if (!isJudge) return { ...both, decision }
  return {
    ...both,
    final_decision: decision,
    sage_scores: { A: 70, B: 80, C: 90 },
    score_reasons: { A: 'sound', B: 'sound', C: 'sound' },
    dissent: { sage: 'A', text: 'It may fail.' },
  }
}
