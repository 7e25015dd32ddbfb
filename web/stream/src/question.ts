import { SAGES } from './contract.ts'

/** A question as every door takes it. */
export interface Question {
  question: string
  context?: string
  lang?: 'ja' | 'en' | 'auto'
  preset?: string
  council?: Record<string, unknown>
  conversation_id?: string
  fork_of?: string
  budget?: { usd?: number; tokens?: number }
  on_leave?: string
  /** Makes asking again safe, where the door keeps such keys. */
  idempotency_key?: string
  [more: string]: unknown
}

/** A written scene of the rehearsal. */
export interface Scene {
  name: string
  lang: string
  question: string
  preset: string
}

/** A named council, as the server lists it; texts are by language. */
export interface Preset {
  name: string
  version: number
  rule: string
  quorum: number
  title: Partial<Record<string, string>>
  good_for: Partial<Record<string, string>>
  bad_at: Partial<Record<string, string>>
}

/**
 * The question that plays a scene: its own words under its own preset, with every role rehearsed, so
 * that it plays even where models are configured.
 */
export function questionOf(scene: Scene): Question {
  const model = 'rehearsal'
  const roles = Object.fromEntries([...SAGES, 'solomon'].map((agent) => [agent, { model }]))
  return {
    question: scene.question,
    preset: scene.preset,
    lang: scene.lang === 'ja' ? 'ja' : 'en',
    council: { roles },
  }
}

/** So many random bytes in hex. `crypto.randomUUID` is missing on plain-http origins. */
export const randomHex = (bytes: number): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('')
