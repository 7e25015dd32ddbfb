import { open, type Authoriser, type Outgoing } from './authorise.ts'
import { Connection, type Call, type Options, type State } from './connect.ts'
import { isLastStatus, type Snapshot } from './contract.ts'
import { parseCursor } from './cursor.ts'
import { doneOf, listIn, type Door, type Reading, type Verb } from './door.ts'
import { realEnv, type Env } from './env.ts'
import { answeredJson } from './http.ts'
import { randomHex, type Preset, type Question, type Scene } from './question.ts'
import { probe, type Probed } from './probe.ts'
import { sender, type Send } from './send.ts'
import { Story } from './story.ts'

/**
 * AgentCore's session: the same session reaches the same process, so every verb of a deliberation
 * carries the one it was asked under.
 *
 * Source: AgentCore Runtime service contract, "HTTP protocol contract"; 33 to 256 characters.
 */
export const SESSION_HEADER = 'x-amzn-bedrock-agentcore-runtime-session-id'

export interface InvocationsOptions {
  /** The whole address that takes invocations, with its query. */
  url: string
  authoriser?: Authoriser
  env?: Partial<Env>
  /** Told of every new deliberation and the session it lives in. */
  onDeliberation?: (id: string, session: string) => void
}

/**
 * An answer may take as long as a function may run: a hop that holds everything back is told from its
 * end, or from its refusal, and asking again would be a second deliberation.
 */
const ANSWER_MS = 900_000
/** Going on after a cursor is free, but the refusal of a hop that gives up after 30 s is worth hearing. */
const AGAIN_MS = 45_000

/**
 * The door of the AgentCore contract: one address, every verb an action. It stands in front of a
 * container, of AgentCore itself, and of a Function URL, whether that relays or deliberates.
 */
export class Invocations implements Door {
  readonly kind = 'invocations'
  readonly #options: InvocationsOptions
  readonly #env: Env
  readonly #send: Send
  readonly #sessions = new Map<string, string>()
  #next = newSession()
  #about: Promise<Record<string, unknown>> | undefined
  #capabilities: readonly string[] | undefined

  constructor(options: InvocationsOptions) {
    this.#options = options
    this.#env = { ...realEnv, ...options.env }
    this.#send = sender(this.#env, options.authoriser ?? open)
  }

  get capabilities(): readonly string[] | undefined {
    return this.#capabilities
  }

  get keyed(): boolean {
    return this.#capabilities?.includes('idempotency') ?? false
  }

  /** The session a deliberation lives in. */
  sessionOf(id: string): string | undefined {
    return this.#sessions.get(id)
  }

  /** Says in which session a deliberation of an earlier visit lives. */
  bind(id: string, session: string): void {
    this.#sessions.set(id, session)
  }

  /**
   * Puts a question and reads it to its end, over as many calls as that takes. Without keys at the
   * door a question that got no event is not asked again: it may be deliberated already.
   */
  ask(question: Question, reading: Reading = {}): Story {
    const { idempotency_key: given, ...asked } = question
    const body: Record<string, unknown> = { ...asked, action: 'ask' }
    if (this.keyed) body['idempotency_key'] = given ?? randomHex(16)
    // What asked for the capabilities has woken a process; the first question goes to the same one.
    const session = this.#next
    this.#next = newSession()
    const more = { repeatable: this.keyed, answerMs: ANSWER_MS }
    return this.#story(session, reading, (onState) =>
      this.#read(this.#call(session, body), session, { ...reading, onState, ...more }),
    )
  }

  follow(id: string, reading: Reading = {}): Story {
    const session = this.#session(id)
    const after = reading.after ?? '0'
    const call = this.#call(session, { action: 'events', id, after })
    return this.#story(session, reading, (onState) =>
      this.#read(call, session, { ...reading, onState, answerMs: AGAIN_MS }),
    )
  }

  /** Goes on from the signed state of a deliberation that was paused at a deadline. */
  goOn(state: string, reading: Reading = {}): Story {
    const session = this.#next
    this.#next = newSession()
    return this.#story(session, reading, (onState) =>
      this.#resumed(session, state, { ...reading, onState }),
    )
  }

  /** A deliberation that was linked lives where the one it goes on from does. */
  async verb(verb: Verb, id: string, body: Record<string, unknown> = {}) {
    const session = this.#session(id)
    const answer = await this.#json(session, { ...body, action: verb, id })
    const done = doneOf(answer, id)
    for (const linked of [done.id, ...done.ids]) {
      if (linked === id || this.#sessions.has(linked)) continue
      this.#sessions.set(linked, session)
      this.#options.onDeliberation?.(linked, session)
    }
    return answer
  }

  async stop(id: string, agent?: string): Promise<void> {
    await this.verb('stop', id, agent === undefined ? {} : { agent })
  }

  async resume(id: string): Promise<string> {
    return doneOf(await this.verb('resume', id), id).id
  }

  async get(id: string): Promise<Snapshot> {
    const answer = await this.#json(this.#session(id), { action: 'snapshot', id })
    return answer as unknown as Snapshot
  }

  async about(): Promise<Record<string, unknown>> {
    // Asked anew: whoever checks the way wants to know how it is now.
    this.#about = undefined
    return this.#asked()
  }

  probe(frames: number): Promise<Probed> {
    // The same session, so that the word about a frame reaches the process that waits for it.
    const headers = { [SESSION_HEADER]: this.#next }
    const { url } = this.#options
    return probe({ url, headers, env: this.#env, send: this.#send }, frames)
  }

  async models(): Promise<Record<string, unknown>> {
    return this.#asked()
  }

  /** Behind one address nothing lists them. */
  async presets(): Promise<Preset[]> {
    return []
  }

  async scenes(): Promise<Scene[]> {
    return listIn(await this.#asked(), 'scenes') as unknown as Scene[]
  }

  /** What the door says of itself; asked once, and again after a failure. */
  #asked(): Promise<Record<string, unknown>> {
    this.#about ??= this.#json(this.#next, { action: 'capabilities' }).then(
      (answer) => {
        const named = answer['capabilities']
        this.#capabilities = Array.isArray(named)
          ? named.filter((one) => typeof one === 'string')
          : []
        return answer
      },
      (error: unknown) => {
        this.#about = undefined
        throw error
      },
    )
    return this.#about
  }

  #story(
    session: string,
    reading: Reading,
    first: (onState: (state: State) => void) => Connection,
  ): Story {
    return new Story({
      first,
      goOn: (state, onState) => this.#resumed(session, state, { ...reading, onState }),
      onState: reading.onState,
      onDeliberation: (id) => {
        this.#sessions.set(id, session)
        this.#options.onDeliberation?.(id, session)
      },
    })
  }

  /** A state may be given twice: each time it begins a linked deliberation with the same votes. */
  #resumed(session: string, state: string, reading: Reading): Connection {
    const { after: _, ...rest } = reading
    const call = this.#call(session, { action: 'resume', state })
    return this.#read(call, session, { ...rest, answerMs: ANSWER_MS })
  }

  #read(call: Call, session: string, more: Partial<Options>): Connection {
    let capabilities = this.#capabilities
    const connection = new Connection({
      ...call,
      ...more,
      env: this.#env,
      send: this.#send,
      resumable: () => capabilities?.includes('resume') ?? true,
      resume: (cursor) =>
        this.#call(session, { action: 'events', id: deliberationOf(cursor), after: cursor }),
      snapshot: async (cursor) => {
        const id = deliberationOf(cursor)
        const snapshot = await this.#json(session, { action: 'snapshot', id })
        return { snapshot: snapshot as unknown as Snapshot, cursor: String(snapshot['cursor']) }
      },
      isOver: (cursor) => this.#isOver(session, cursor),
      onEvent: (event) => {
        if (event.type === 'start') capabilities = event.data.capabilities
      },
    })
    return connection
  }

  /**
   * Behind AgentCore's front there is no answer without a body, so a reader who has the last event
   * gets a stream that ends at once. `status` tells that from a cut.
   */
  async #isOver(session: string, cursor: string): Promise<boolean> {
    const at = parseCursor(cursor)
    const standing = await this.#json(session, { action: 'status', id: deliberationOf(cursor) })
    const end = parseCursor(String(standing['cursor']))
    return (
      isLastStatus(standing['status']) && end?.generation === at?.generation && end?.seq === at?.seq
    )
  }

  #session(id: string): string {
    const known = this.#sessions.get(id)
    if (known !== undefined) return known
    const made = newSession()
    this.#sessions.set(id, made)
    return made
  }

  #call(session: string, body: Record<string, unknown>): Call {
    const headers = { [SESSION_HEADER]: session }
    return { url: this.#options.url, method: 'POST', headers, body }
  }

  #json(session: string, body: Record<string, unknown>): Promise<Record<string, unknown>> {
    const request: Outgoing = {
      url: this.#options.url,
      method: 'POST',
      headers: {
        accept: 'application/json',
        'content-type': 'application/json',
        [SESSION_HEADER]: session,
      },
      body: JSON.stringify(body),
    }
    return answeredJson(this.#env, this.#send, request)
  }
}

/** 53 characters: inside AgentCore's 33 to 256, and 192 random bits that nobody guesses. */
const newSession = (): string => `magi-${randomHex(24)}`

const deliberationOf = (cursor: string): string => parseCursor(cursor)?.deliberation ?? cursor
