/**
 * Speaks to screen readers at phase boundaries: at most one message per pause, and what came in
 * between is merged into the next one. Tokens are never spoken.
 */
export class Announcer {
  readonly #emit: (text: string) => void
  readonly #pause: number
  #waiting: string[] = []
  #timer: ReturnType<typeof setTimeout> | undefined

  /** `pause` is the least time between two messages, in milliseconds. */
  constructor(emit: (text: string) => void, pause = 2000) {
    this.#emit = emit
    this.#pause = pause
  }

  say(text: string): void {
    this.#waiting.push(text)
    if (this.#timer === undefined) this.#flush()
  }

  #flush(): void {
    this.#timer = undefined
    if (this.#waiting.length === 0) return
    this.#emit(this.#waiting.join(' '))
    this.#waiting = []
    this.#timer = setTimeout(() => this.#flush(), this.#pause)
  }

  /** Drops what is still waiting: another deliberation is shown. */
  clear(): void {
    this.#waiting = []
  }
}
