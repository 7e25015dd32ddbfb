import { createContext, use } from 'react'
import type { Price, Prices } from './figures.ts'

/** What the door said of itself that the screens use: prices, and models that may be named. */
export interface About {
  prices: Prices
  /** Full names of models, `provider:model`. */
  choices: readonly string[]
}

/** Before the door has answered, and where it did not. */
export const UNKNOWN: About = { prices: {}, choices: [] }

const Context = createContext<About>(UNKNOWN)

export const AboutProvider = Context

export const useAbout = (): About => use(Context)

const isPrice = (value: unknown): value is Price => {
  const { input, output } = (value ?? {}) as Partial<Price>
  return typeof input === 'number' && typeof output === 'number'
}

/** Reads the answer of `GET /v1/models`, or of the action `capabilities`. */
export function aboutOf(body: Record<string, unknown>): About {
  const prices: Record<string, Price> = {}
  const choices = new Set<string>()
  const { data, roles, prices: listed } = body
  for (const item of Array.isArray(data) ? (data as Record<string, unknown>[]) : []) {
    const { id, price } = item
    if (typeof id !== 'string') continue
    choices.add(id)
    if (isPrice(price)) prices[id] = price
  }
  for (const id of Object.values(roles ?? {})) if (typeof id === 'string') choices.add(id)
  for (const [id, price] of Object.entries(listed ?? {})) if (isPrice(price)) prices[id] = price
  return { prices, choices: [...choices] }
}
