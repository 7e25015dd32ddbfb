/** What answers on this server, read tolerantly out of `GET /v1/models`. */
export interface Answers {
  rehearsal: boolean
  /** The model of each role, as `provider:model`, without repeats. */
  models: string[]
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Reads the answer; undefined when it names no model at all. */
export function answersOf(body: Record<string, unknown>): Answers | undefined {
  const roles = [body['roles'], body['council'], body['answers']].find(isRecord)
  const named = roles ? Object.values(roles).flatMap(nameOf) : []
  const data = Array.isArray(body['data']) ? body['data'].filter(isRecord) : []
  const used = data.filter((model) => roleCount(model) > 0)
  const listed = (used.length > 0 ? used : data).flatMap(nameOf)
  const models = [...new Set(named.length > 0 ? named : listed)]
  if (models.length === 0) return undefined
  return { rehearsal: models.every((model) => /^rehearsal\b/.test(model)), models }
}

const roleCount = (model: Record<string, unknown>): number =>
  Array.isArray(model['roles']) ? model['roles'].length : 0

function nameOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (!isRecord(value)) return []
  const id = value['id'] ?? value['model']
  return typeof id === 'string' ? [id] : []
}
