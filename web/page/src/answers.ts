/** What answers on this server, out of `GET /v1/models`. */
export interface Answers {
  rehearsal: boolean
  /** The model of each role, as `provider:model`, without repeats. */
  models: string[]
}

/** Reads the answer; undefined when it names no model at all. */
export function answersOf(body: Record<string, unknown>): Answers | undefined {
  const { roles } = body
  if (typeof roles !== 'object' || roles === null) return undefined
  const named = Object.values(roles).filter((model) => typeof model === 'string')
  const models = [...new Set(named)]
  if (models.length === 0) return undefined
  return { rehearsal: models.every((model) => /^rehearsal\b/.test(model)), models }
}
