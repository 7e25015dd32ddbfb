/** What the next question takes along from an earlier deliberation. */
import type { Client, Listed, Question, Snapshot } from '@magi/stream'
import type { Library } from './library.ts'
import { whyOf } from './why.ts'

/** A question that goes on from an earlier one: asked again, or following up on its verdict. */
export interface Carry {
  kind: 'again' | 'follow'
  /** The earlier deliberation, and what it is called. */
  id: string
  title: string
  /** What stands in the composer. */
  draft: string
  /** What is sent beside the question. */
  with: Pick<Question, 'fork_of' | 'conversation_id' | 'context' | 'preset'>
}

export const titleOf = (item: Pick<Listed, 'title' | 'question'>): string =>
  item.title === '' ? item.question : item.title

/** The longest a part of an earlier verdict stands in a context, in characters. */
const PART = 1000

/** An earlier verdict as context, for a door that keeps no conversations. */
export function contextOf(snapshot: Snapshot, lang: 'ja' | 'en'): string {
  const { question, verdict } = snapshot
  const label =
    lang === 'ja'
      ? { asked: '以前の問い', said: '評決', why: '理由', but: '反対意見', terms: '条件' }
      : {
          asked: 'Earlier question',
          said: 'Verdict',
          why: 'Why',
          but: 'Dissent',
          terms: 'Conditions',
        }
  const lines = [`${label.asked}: ${question.slice(0, PART)}`]
  if (verdict) {
    const { voting_result: votes, solomon_judgment: judgment } = verdict
    const count = `${votes.approved}-${votes.rejected}-${votes.abstained}`
    lines.push(`${label.said}: ${verdict.final_decision} (${count})`)
    const why = whyOf(verdict)
    if (why !== '') lines.push(`${label.why}: ${why.slice(0, PART)}`)
    if (judgment.dissent && judgment.dissent.text !== '')
      lines.push(`${label.but}: ${judgment.dissent.text.slice(0, PART)}`)
    if (judgment.conditions.length > 0)
      lines.push(`${label.terms}: ${judgment.conditions.join(' / ').slice(0, PART)}`)
  }
  return lines.join('\n')
}

/** The same question once more, with its context, linked where the door keeps what it is linked to. */
export async function againOf(library: Library, item: Listed): Promise<Carry> {
  const snapshot = await library.snapshot(item.id)
  const take: Carry['with'] = {}
  if (library.links) take.fork_of = item.id
  if (snapshot.context !== undefined) take.context = snapshot.context
  const preset = snapshot.council?.name
  if (preset !== undefined && preset !== 'custom') take.preset = preset
  return { kind: 'again', id: item.id, title: titleOf(item), draft: snapshot.question, with: take }
}

/** What is over is asked again as from the history: with its context and its preset, and linked. */
export async function carriedAgain(library: Library, over: string): Promise<Carry> {
  return againOf(library, await listedOf({ get: library.snapshot }, over))
}

/** A new question that knows the earlier verdict: as its conversation, or as context in words. */
export async function followOf(library: Library, item: Listed): Promise<Carry> {
  const carry = { kind: 'follow' as const, id: item.id, title: titleOf(item), draft: '' }
  if (library.links) {
    const own = item['conversation_id']
    // A conversation may be named by the deliberation it began with.
    const conversation = typeof own === 'string' && own !== '' ? own : item.id
    return { ...carry, with: { conversation_id: conversation } }
  }
  const snapshot = await library.snapshot(item.id)
  return { ...carry, with: { context: contextOf(snapshot, item.lang === 'ja' ? 'ja' : 'en') } }
}

/** The question as it is sent: what the person wrote wins over what was taken along. */
export function carried(question: Question, carry: Carry | undefined): Question {
  if (!carry) return question
  const { context, ...rest } = carry.with
  const both = [context, question.context].filter((text) => text !== undefined && text !== '')
  const whole: Question = { ...rest, ...question }
  if (both.length > 0) whole.context = both.join('\n\n')
  return whole
}

/** Looks a deliberation up for what a list says of it. */
export async function listedOf(client: Pick<Client, 'get'>, id: string): Promise<Listed> {
  const snapshot = await client.get(id)
  return {
    id,
    question: snapshot.question,
    title: '',
    lang: snapshot.lang,
    preset: snapshot.council?.name ?? '',
    status: snapshot.status,
    created_at: snapshot.started_at ?? '',
    ...(snapshot.conversation_id ? { conversation_id: snapshot.conversation_id } : {}),
  }
}
