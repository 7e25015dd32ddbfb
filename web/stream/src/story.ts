import type { Connection, Entry, Reader, State } from './connect.ts'
import type { Event } from './contract.ts'
import { Problem } from './problem.ts'

export interface StoryOptions {
  first: (onState: (state: State) => void) => Connection
  /** Opens the deliberation that goes on from a signed state. */
  goOn: (state: string, onState: (state: State) => void) => Connection
  onState?: ((state: State) => void) | undefined
  /** Told of every deliberation of the story, before its first event. */
  onDeliberation?: (id: string) => void
}

/** So many parts one after the other without a new vote, and it would never end. */
const MAX_FRUITLESS = 2

const FRUITLESS = {
  code: 'deadline_too_short',
  message: `${MAX_FRUITLESS} calls in a row ended at their deadline without one finished vote`,
}
const STATELESS = {
  code: 'no_state',
  message: 'the call ended at its deadline, and its door gave no state to go on from',
}

/**
 * Reads a question to its end where one call cannot last that long: a part that ends in
 * `paused {reason: "deadline", state}` is gone on from with its finished votes, by itself, as one story.
 */
export class Story implements Reader {
  readonly #options: StoryOptions
  #current: Connection
  #closed = false
  #fruitless = 0
  /** The sages and the judge whose word is in, over all parts. */
  readonly #done = new Set<string>()

  constructor(options: StoryOptions) {
    this.#options = options
    this.#current = options.first((state) => this.#tell(state))
  }

  get cursor(): string | undefined {
    return this.#current.cursor
  }

  get state(): State {
    return this.#current.state
  }

  retryNow(): void {
    this.#current.retryNow()
  }

  close(): void {
    this.#closed = true
    this.#current.close()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Entry, void, undefined> {
    let before: string | undefined
    try {
      for (;;) {
        const known = this.#done.size
        let id: string | undefined
        for await (const entry of this.#current) {
          if (entry.kind === 'event' && id === undefined) {
            id = entry.event.trace_id
            this.#options.onDeliberation?.(id)
            if (before !== undefined) yield { kind: 'linked', from: before }
          }
          if (entry.kind === 'event') this.#count(entry.event)
          yield entry
        }
        const { paused } = this.#current
        if (this.#closed || this.#current.state.name !== 'paused') return
        if (paused === undefined) throw this.#failed(STATELESS)
        this.#fruitless = this.#done.size > known ? 0 : this.#fruitless + 1
        if (this.#fruitless >= MAX_FRUITLESS) throw this.#failed(FRUITLESS)
        before = id ?? before
        this.#current = this.#options.goOn(paused, (state) => this.#tell(state))
      }
    } finally {
      this.#current.close()
    }
  }

  #count(event: Event): void {
    if (event.type === 'agent_complete') this.#done.add(event.agentId)
    else if (event.type === 'judge_complete') this.#done.add('judge')
  }

  /** That a part is paused is no news: the next one begins at once. */
  #tell(state: State): void {
    if (state.name !== 'paused') this.#options.onState?.(state)
  }

  #failed(why: { code: string; message: string }): Problem {
    const problem = new Problem({ status: 200, ...why })
    this.#options.onState?.({ name: 'failed', problem })
    return problem
  }
}
