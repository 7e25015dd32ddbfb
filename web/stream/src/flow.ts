/** What arrived as it should not have: a hop on the way held it back. */
export interface Held {
  /** `whole`: everything came at once at the end. `lumps`: it comes in pieces, long after it was said. */
  kind: 'whole' | 'lumps'
  /** How long the first of it was held, in milliseconds. */
  heldMs: number
}

/** Less than this is no streaming to speak of, and not worth a word. */
const WORTH_MS = 3000
/** Everything within this share of the time in which it was said came at once. */
const AT_ONCE = 0.05
const AT_ONCE_MS = 300
/** A silence this long, then something said this long ago, is a lump. */
const LUMP_MS = 1500
/** A sleep of this machine makes one lump; a hop that holds back makes them all the time. */
const LUMPS = 3

/**
 * Compares when events were said with when they arrived. Only differences count, so that it does
 * not matter whether this machine's clock is right.
 */
export class Flow {
  #first: { sent: number; at: number } | undefined
  #last = { sent: 0, at: 0 }
  #least = Infinity
  #most = -Infinity
  #lumps = 0

  /** Takes an event that was said at `sent` and arrived at `at`, both in milliseconds. */
  take(sent: number, at: number): void {
    const lag = at - sent
    if (at - this.#last.at >= LUMP_MS && lag - this.#least >= LUMP_MS && this.#first) this.#lumps++
    this.#first ??= { sent, at }
    this.#last = { sent, at }
    this.#least = Math.min(this.#least, lag)
    this.#most = Math.max(this.#most, lag)
  }

  /** What is known so far; `over` when no more of this stream comes. */
  held(over: boolean): Held | undefined {
    const first = this.#first
    if (!first) return undefined
    const said = this.#last.sent - first.sent
    const came = this.#last.at - first.at
    if (over && said >= WORTH_MS && came <= Math.max(AT_ONCE_MS, said * AT_ONCE))
      return { kind: 'whole', heldMs: said - came }
    if (this.#lumps >= LUMPS) return { kind: 'lumps', heldMs: this.#most - this.#least }
    return undefined
  }
}
