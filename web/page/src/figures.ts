import { sagesOf, type Lane, type Usage, type View } from '@magi/stream'

/** What a model costs, in US dollars per million tokens. */
export interface Price {
  input: number
  output: number
}

export type Prices = Readonly<Record<string, Price>>

/** The numbers of one role; what is not known is absent. */
export interface Figures {
  /** Milliseconds from the call to its first token. */
  firstMs: number | undefined
  /** Tokens written. */
  tokens: number | undefined
  /** Tokens written per second. */
  rate: number | undefined
  /** US dollars. */
  cost: number | undefined
  /** The vendor has not counted yet, or never does: tokens and cost are guessed from the text. */
  estimated: boolean
}

const NOTHING: Figures = {
  firstMs: undefined,
  tokens: undefined,
  rate: undefined,
  cost: undefined,
  estimated: false,
}

/** The kana, the ideographs and the full-width signs: about one token each. */
const WIDE = /[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u{20000}-\u{3ffff}]/u

/** A rough count of a text's tokens: a wide character is one, four others are one. */
export function guessTokens(text: string): number {
  let wide = 0
  let narrow = 0
  for (const character of text) {
    if (WIDE.test(character)) wide++
    else narrow++
  }
  return Math.round(wide + narrow / 4)
}

/** Shorter than this no speed can be told, in milliseconds. */
const LEAST_MS = 500

const rateOf = (tokens: number, lane: Lane): number | undefined => {
  const { firstAt, spokeAt } = lane
  if (firstAt === undefined || spokeAt === undefined) return undefined
  const ms = spokeAt - firstAt
  return ms < LEAST_MS ? undefined : (tokens * 1000) / ms
}

/** What an answer that is done says of itself. */
export interface Counted {
  attempt: number
  usage?: Usage
  cost_usd?: number
  first_token_ms?: number
}

/** What the attempts before the newest took: what the vendor counted up to the last that ended, the rest guessed. */
interface Earlier {
  counted: Usage | undefined
  cost: number | undefined
  /** Tokens that attempts wrote after that and were given up. */
  guessed: number
  /** How many of those there are. */
  attempts: number
}

function earlierOf({ past }: Lane): Earlier {
  // What was before a deadline is in the count of that call.
  const since = past.slice(past.findLastIndex(({ trouble }) => trouble?.code === 'deadline') + 1)
  const last = since.findLastIndex(({ answer }) => answer?.usage !== undefined)
  const { usage: counted, cost_usd: cost } = since[last]?.answer ?? {}
  const lost = since
    .slice(last + 1)
    .map(({ text, thinking }) => guessTokens(text) + guessTokens(thinking))
    .filter((tokens) => tokens > 0)
  const guessed = lost.reduce((sum, tokens) => sum + tokens, 0)
  return { counted, cost, guessed, attempts: lost.length }
}

/**
 * The numbers of one role over all its attempts, the speed of the newest: the vendor's where the newest attempt is done, guessed from what is written
 * so far while it writes. `asked` is what was sent to it, as far as the page knows.
 */
export function figuresOf(
  lane: Lane,
  done: Counted | undefined,
  price: Price | undefined,
  asked: string,
): Figures {
  if (done && done.attempt === lane.attempt) return counted(lane, done)
  if (lane.attempt === 0) return NOTHING
  const { begunAt, firstAt } = lane
  const firstMs = begunAt === undefined || firstAt === undefined ? undefined : firstAt - begunAt
  const written = guessTokens(lane.text) + guessTokens(lane.thinking)
  const earlier = earlierOf(lane)
  const guess = written + earlier.guessed
  const tokens = guess + (earlier.counted?.output_tokens ?? 0)
  if (tokens === 0) return NOTHING
  const calls = earlier.attempts + (written > 0 ? 1 : 0)
  const paid = earlier.counted ? earlier.cost : 0
  const cost =
    price && paid !== undefined
      ? paid + (calls * guessTokens(asked) * price.input + guess * price.output) / 1e6
      : undefined
  const rate = written === 0 ? undefined : rateOf(written, lane)
  const estimated = guess > 0 || earlier.counted?.estimated === true
  return { firstMs, tokens, rate, cost, estimated }
}

/** The vendor counts over all attempts: what earlier ones took was not written in this one's time. */
function counted(lane: Lane, done: Counted): Figures {
  const { usage, cost_usd: cost, first_token_ms: firstMs } = done
  // A vote that was kept from an earlier deliberation cost nothing here.
  if (!usage) return { ...NOTHING, firstMs, cost }
  const tokens = usage.output_tokens
  const earlier = earlierOf(lane)
  const own = tokens - (earlier.counted?.output_tokens ?? 0)
  // What an attempt wrote that was given up is in the count, and nobody says how much it is.
  const rate = earlier.guessed > 0 ? undefined : rateOf(own, lane)
  return { firstMs, tokens, rate, cost, estimated: usage.estimated === true }
}

export const priceOf = (prices: Prices, lane: Lane): Price | undefined =>
  prices[[lane.provider, lane.model].filter((part) => part !== '').join(':')]

/** What the whole has taken so far: the log's own sum at its end, before that the sum of the roles. */
export function totalOf(view: View, prices: Prices): Figures {
  const end = view.end?.data
  if (end) {
    const { usage, cost_usd: cost } = end
    const tokens = usage && usage.input_tokens + usage.output_tokens
    return { ...NOTHING, tokens, cost, estimated: usage?.estimated === true }
  }
  const asked = view.question + (view.context ?? '')
  const all = [
    ...sagesOf(view).map((sage) => ({
      lane: view.sages[sage] as Lane,
      done: view.sages[sage].vote,
    })),
    { lane: view.judge as Lane, done: view.judge.judgment },
  ].filter(({ lane }) => lane.attempt > 0)
  const each = all.map(({ lane, done }) => figuresOf(lane, done, priceOf(prices, lane), asked))
  const spoke = each.filter(({ tokens }) => tokens !== undefined)
  const known = spoke.filter(({ cost }) => cost !== undefined)
  const sum = (of: (one: Figures) => number | undefined): number =>
    spoke.reduce((total, one) => total + (of(one) ?? 0), 0)
  return {
    ...NOTHING,
    tokens: spoke.length === 0 ? undefined : sum(({ tokens }) => tokens),
    // A sum that leaves somebody out would look like all.
    cost: known.length === 0 || known.length < spoke.length ? undefined : sum(({ cost }) => cost),
    estimated: spoke.some(({ estimated }) => estimated),
  }
}
