/** How long a deletion can be taken back, in milliseconds. */
export const UNDO_MS = 10_000

/** One deletion: waiting to be sent, being sent, or refused. */
export interface Deletion {
  id: string
  title: string
  state: 'waiting' | 'sending' | 'failed'
  /** When it is sent, in milliseconds since the epoch. */
  at: number
  why?: string
}

/**
 * Deletions wait so that they can be taken back: nothing is sent before, so whoever leaves the page
 * meanwhile has deleted nothing. Moving between the page's own screens does not leave it.
 */
export class Deletions {
  readonly #remove: (id: string) => Promise<void>
  readonly #listeners = new Set<() => void>()
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>()
  #list: readonly Deletion[] = []
  #gone: ReadonlySet<string> = new Set()

  constructor(remove: (id: string) => Promise<void>) {
    this.#remove = remove
  }

  subscribe = (call: () => void): (() => void) => {
    this.#listeners.add(call)
    return () => this.#listeners.delete(call)
  }

  /** What is under way, oldest first. */
  list = (): readonly Deletion[] => this.#list

  /** What has been deleted since the page was opened. */
  gone = (): ReadonlySet<string> => this.#gone

  /** Begins the wait; a deletion that waits or is sent already stays as it is. */
  ask(id: string, title: string): void {
    const known = this.#list.find((one) => one.id === id)
    if (known && known.state !== 'failed') return
    const deletion: Deletion = { id, title, state: 'waiting', at: Date.now() + UNDO_MS }
    this.#set([...this.#without(id), deletion])
    this.#timers.set(
      id,
      setTimeout(() => void this.#send(id), UNDO_MS),
    )
  }

  /** Takes back what was not sent yet, or puts a refusal away. */
  undo(id: string): void {
    if (this.#list.find((one) => one.id === id)?.state === 'sending') return
    clearTimeout(this.#timers.get(id))
    this.#timers.delete(id)
    this.#set(this.#without(id))
  }

  async #send(id: string): Promise<void> {
    this.#timers.delete(id)
    this.#change(id, { state: 'sending' })
    try {
      await this.#remove(id)
      this.#gone = new Set([...this.#gone, id])
      this.#set(this.#without(id))
    } catch (error) {
      this.#change(id, {
        state: 'failed',
        why: error instanceof Error ? error.message : String(error),
      })
    }
  }

  #without(id: string): Deletion[] {
    return this.#list.filter((one) => one.id !== id)
  }

  #change(id: string, change: Partial<Deletion>): void {
    this.#set(this.#list.map((one) => (one.id === id ? { ...one, ...change } : one)))
  }

  #set(list: readonly Deletion[]): void {
    this.#list = list
    for (const call of this.#listeners) call()
  }
}
