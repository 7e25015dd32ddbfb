/** What the fake does when a verb comes: enough of the contract to see every state of the page. */
import { isSage, SAGES, type Sage } from '../stream/src/contract.ts'
import type { Draft, Log } from './log.ts'
import type { Beat } from './speech.ts'

/** A deliberation of the fake as the verbs see it. */
export interface Played {
  log: Log
  /** What is still to be said. */
  beats: Beat[]
  paused: boolean
}

export type Answer =
  | { status: 200; changed: boolean }
  | { status: 409; detail: string }
  | { status: 200; linked: true }

const LATE =
  'the judge has begun to speak: use `fork` with this as its `note`, which keeps the votes and lets every sage reply to it'

const done: Answer = { status: 200, changed: true }
const same: Answer = { status: 200, changed: false }

/** Changes what is still to be said, and returns what is said at once. */
export function obey(
  verb: string,
  played: Played,
  body: Record<string, unknown>,
): { answer: Answer; say: Draft[] } {
  const { log } = played
  const quiet = (answer: Answer) => ({ answer, say: [] })
  if (verb === 'rejudge' && !log.over)
    return quiet({ status: 409, detail: 'it is not over yet: `retry` with agent `judge`' })
  if (verb === 'fork' || verb === 'rejudge') return quiet({ status: 200, linked: true })
  if (log.over) {
    if (verb === 'stop') return quiet(same)
    if (verb === 'note') return quiet({ status: 409, detail: LATE })
    if (verb === 'pause') return quiet({ status: 409, detail: 'it is over' })
    return quiet({ status: 200, linked: true })
  }
  if (verb === 'stop') return stop(played, body['agent'])
  if (verb === 'retry') return retry(played, body['agent'])
  if (verb === 'note') return note(played, body)
  if (verb === 'pause' || verb === 'resume') {
    const wanted = verb === 'pause'
    if (played.paused === wanted) return quiet(same)
    played.paused = wanted
    const data = { by: 'user', reason: 'asked' }
    return { answer: done, say: [{ type: wanted ? 'paused' : 'resumed', data }] }
  }
  return quiet(same)
}

function stop(played: Played, agent: unknown): { answer: Answer; say: Draft[] } {
  if (agent === undefined) {
    played.beats = []
    return { answer: done, say: [{ type: 'cancelled', data: { by: 'user', reason: '' } }] }
  }
  if (!isSage(agent)) {
    played.beats = played.beats.filter(({ draft }) => !draft.type.startsWith('judge_'))
    const data = { code: 'stopped', message: 'stopped by you', attempt: 0, retryable: false }
    return { answer: done, say: [{ type: 'judge_error', data }] }
  }
  const rest = played.beats.filter(({ draft }) => draft.agentId === agent)
  const last = rest.at(-1)?.draft
  if (!last) return { answer: same, say: [] }
  played.beats = played.beats.filter(({ draft }) => draft.agentId !== agent)
  const data = { ...last.data, ...STOPPED, attempt: attemptOf(played.log, agent) }
  return { answer: done, say: [{ type: 'agent_complete', agentId: agent, data }] }
}

const STOPPED = {
  decision: 'ABSTAINED',
  cause: 'stopped',
  reasoning: '',
  conditions: [],
  would_change: [],
  confidence: undefined,
}

function attemptOf(log: Log, agent: Sage): number {
  const starts = log.entries.filter(
    ({ event }) => event.type === 'agent_start' && event.agentId === agent,
  )
  return starts.length
}

/** Says the same once more, as another attempt. */
function retry(played: Played, agent: unknown): { answer: Answer; say: Draft[] } {
  if (!isSage(agent)) return { answer: same, say: [] }
  const said = played.log.entries
    .map(({ event }) => event as unknown as Draft)
    .filter((event) => event.agentId === agent && event.type === 'agent_chunk')
  const rest = played.beats.filter(({ draft }) => draft.agentId === agent)
  const others = played.beats.filter(({ draft }) => draft.agentId !== agent)
  const end = rest.at(-1)?.draft
  const attempt = attemptOf(played.log, agent) + 1
  const begin: Draft = {
    type: 'agent_start',
    agentId: agent,
    data: { attempt, provider: 'rehearsal', model: `scene-${agent}` },
  }
  const words = [...said, ...rest.map(({ draft }) => draft).filter((d) => d.type === 'agent_chunk')]
  const again = words.map(({ data }): Beat => ({
    wait: 20,
    draft: { type: 'agent_chunk', agentId: agent, data },
  }))
  const vote = end ?? lastVote(played.log, agent)
  if (vote) again.push({ wait: 20, draft: { ...vote, data: { ...vote.data, attempt } } })
  played.beats = [...again, ...others]
  return { answer: done, say: [begin] }
}

function lastVote(log: Log, agent: Sage): Draft | undefined {
  const vote = [...log.entries]
    .reverse()
    .find(({ event }) => event.type === 'agent_complete' && event.agentId === agent)?.event
  if (!vote) return undefined
  const { type, data } = vote
  return { type, agentId: agent, data: data as unknown as Record<string, unknown> }
}

const hasVoted = (log: Log, sage: Sage): boolean => lastVote(log, sage) !== undefined

function note(played: Played, body: Record<string, unknown>): { answer: Answer; say: Draft[] } {
  const spoke = played.log.entries.some(({ event }) => event.type === 'judge_chunk')
  if (spoke) return { answer: { status: 409, detail: LATE }, say: [] }
  const to = body['agent'] === 'judge' ? 'solomon' : (body['agent'] ?? 'all')
  const told: Draft = { type: 'note', data: { from: 'user', to, text: body['text'] } }
  // Whoever has voted already votes again, knowing it.
  const again = SAGES.filter((sage) => (to === 'all' || to === sage) && hasVoted(played.log, sage))
  return { answer: done, say: [told, ...again.flatMap((sage) => retry(played, sage).say)] }
}
