import { EMPTY, fold, type Event, type View } from '@magi/stream'

/** A view is kept each so many events, so that any moment is near one. */
const STEP = 200

/**
 * The events of a log on the time they happened at, in milliseconds since the first. Any moment can be
 * asked for; what it costs is the fold of at most `STEP` events.
 */
export class Reel {
  readonly #events: readonly Event[]
  readonly #times: number[] = []
  readonly #views: View[] = [EMPTY]

  /** `events` may grow at its end. */
  constructor(events: readonly Event[]) {
    this.#events = events
  }

  get events(): readonly Event[] {
    return this.#events
  }

  /** When each event happened; never before the one that stands before it. */
  get times(): readonly number[] {
    const first = Date.parse(this.#events[0]?.timestamp ?? '')
    for (let at = this.#times.length; at < this.#events.length; at++) {
      const time = Date.parse((this.#events[at] as Event).timestamp) - first
      this.#times.push(Math.max(time, this.#times.at(-1) ?? 0))
    }
    return this.#times
  }

  /** When the last event happened. */
  get length(): number {
    return this.times.at(-1) ?? 0
  }

  /** How many events have happened at this moment. */
  countAt(ms: number): number {
    const { times } = this
    let low = 0
    let high = times.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((times[middle] as number) <= ms) low = middle + 1
      else high = middle
    }
    return low
  }

  /** What there was at this moment. */
  viewAt(ms: number): View {
    return this.#viewOf(this.countAt(ms))
  }

  #viewOf(count: number): View {
    const step = Math.min(Math.floor(count / STEP), this.#views.length - 1)
    let view = this.#views[step] as View
    for (let at = step * STEP; at < count; at++) {
      view = fold(view, this.#events[at] as Event)
      if ((at + 1) % STEP === 0 && (at + 1) / STEP === this.#views.length) this.#views.push(view)
    }
    return view
  }
}

/** The longest silence a playback keeps, in milliseconds; a longer one is passed in this time. */
const MAX_SILENCE = 4000

/** Where a playback stands `ms` later, at so many times its own rhythm. */
export function later({ times }: Reel, at: number, ms: number): number {
  let now = at
  let left = ms
  let next = times.findIndex((time) => time > now)
  while (left > 0 && next >= 0) {
    const end = times[next] as number
    const gap = end - (times[next - 1] ?? 0)
    const rate = Math.max(1, gap / MAX_SILENCE)
    const need = (end - now) / rate
    if (need > left) return now + left * rate
    left -= need
    now = end
    next = next + 1 < times.length ? next + 1 : -1
  }
  return now
}
