import type { Options, Reader } from './connect.ts'
import type { Snapshot } from './contract.ts'
import type { Probed } from './probe.ts'
import type { Preset, Question, Scene } from './question.ts'

/** What a caller may say about one reading. */
export type Reading = Pick<
  Options,
  'signal' | 'onState' | 'onHeld' | 'silenceMs' | 'maxAttempts' | 'maxDelayMs' | 'after'
>

/** What can be done to a deliberation from outside, beside asking for it and reading it. */
export type Verb = 'stop' | 'retry' | 'note' | 'pause' | 'resume' | 'rejudge' | 'fork'

/**
 * A way to a council. Every topology is one of these: the server's own addresses, or the one address
 * of the AgentCore contract through which every verb is an action. Every refusal is a `Problem`.
 */
export interface Door {
  readonly kind: 'server' | 'invocations'
  /** What this door can do, as far as it said so without a deliberation; undefined before it was asked. */
  readonly capabilities: readonly string[] | undefined
  /** True where the same question under the same key is one deliberation, so that it may be asked again. */
  readonly keyed: boolean
  /** Puts a question and reads its deliberation to the end. */
  ask(question: Question, reading?: Reading): Reader
  /** Reads a deliberation from the beginning, or after `reading.after`. */
  follow(id: string, reading?: Reading): Reader
  /** Does something to a deliberation; returns the door's answer. */
  verb(verb: Verb, id: string, body?: Record<string, unknown>): Promise<Record<string, unknown>>
  /** Stops a deliberation, or one sage of it. Stopping what has ended changes nothing. */
  stop(id: string, agent?: string): Promise<void>
  /** Goes on with an interrupted or paused deliberation; returns the id to follow. */
  resume(id: string): Promise<string>
  /** Returns the snapshot folded up to the stored end, with its `cursor`. */
  get(id: string): Promise<Snapshot>
  /** Returns the models that can answer here. */
  models(): Promise<Record<string, unknown>>
  /** Returns the written scenes of the rehearsal. */
  scenes(): Promise<Scene[]>
  /** What the door says of itself: its version, how it knows who may come in, what it can do. */
  about(): Promise<Record<string, unknown>>
  /** Tests whether a hop on the way holds answers back. */
  probe(frames: number): Promise<Probed>
  /** Returns the councils that can be asked for; empty where the door does not list them. */
  presets(): Promise<Preset[]>
}

/** What a verb did. */
export interface Done {
  /** The deliberation to follow: another one where a new one was linked. */
  id: string
  changed: boolean
  /** All that were linked, where that is more than one. */
  ids: readonly string[]
}

/** Reads a verb's answer; `id` is the deliberation it was said to. */
export function doneOf(answer: Record<string, unknown>, id: string): Done {
  const ids = answer['ids']
  return {
    id: idOf(answer) ?? id,
    changed: answer['changed'] !== false,
    ids: Array.isArray(ids) ? ids.filter((one) => typeof one === 'string') : [],
  }
}

/** The id in an answer, under either of its names. */
export const idOf = (answer: Record<string, unknown>): string | undefined => {
  const id = answer['id'] ?? answer['trace_id']
  return typeof id === 'string' ? id : undefined
}

/** The objects of a list in an answer. */
export const listIn = (
  answer: Record<string, unknown>,
  name: string,
): Record<string, unknown>[] => {
  const value = answer[name]
  return Array.isArray(value) ? value.filter((one) => typeof one === 'object' && one !== null) : []
}
