/** Scripted deliberations: who says what, when, and what breaks. For tests and the development server. */
import type { Decision, FinalDecision, JudgeComplete, Sage } from '../stream/src/contract.ts'
import { SAGES } from '../stream/src/contract.ts'
import { judged, type Judging } from './judging.ts'
import type { Draft } from './log.ts'
import { bytes, sha, tokens, type Beat } from './speech.ts'

export interface Part {
  thinking?: string
  text: string
  decision: Decision
  confidence?: number
  cause?: string
  conditions?: string[]
  would_change?: string[]
  /** Characters after which the first attempt breaks. */
  breakAt?: number
}

export interface Script {
  question: string
  lang: string
  mode: 'live' | 'rehearsal'
  rule?: string
  parts: Partial<Record<Sage, Part>>
  judge?: Judging
  /** Every provider fails: the deliberation ends with `error no_votes`. */
  noVotes?: boolean
  summary?: string
  recommendation?: string
}

/** A small seeded generator (mulberry32): 0 (included) to 1 (excluded). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

const usage = (text: string) => ({ input_tokens: 412, output_tokens: Math.ceil(bytes(text) / 4) })

function attempt(sage: Sage, part: Part, pace: number, random: () => number): Beat[] {
  const beats: Beat[] = []
  const say = (type: Draft['type'], data: Record<string, unknown>, wait: number): void => {
    beats.push({ wait, draft: { type, agentId: sage, data } })
  }
  const speak = (type: 'agent_thinking' | 'agent_chunk', text: string): void => {
    for (const token of tokens(text, random)) say(type, { text: token }, pace * (0.4 + random()))
  }
  let number = 1
  const start = { provider: 'rehearsal', model: `scene-${sage}` }
  if (part.breakAt !== undefined) {
    say('agent_start', { attempt: 1, ...start }, 0)
    speak('agent_chunk', part.text.slice(0, part.breakAt))
    const message = 'the connection to the model was reset'
    const retry = { code: 'network', message, attempt: 1, retryable: true, retry_in: 0.5 }
    say('agent_error', retry, pace)
    number = 2
  }
  say('agent_start', { attempt: number, ...start }, number > 1 ? pace * 10 : 0)
  if (part.cause === 'failed' || part.cause === 'timeout') {
    const message = 'the provider answered 503 three times'
    const data = { code: 'overloaded', message, attempt: number, retryable: false }
    say('agent_error', data, pace * 6)
  } else {
    if (part.thinking) speak('agent_thinking', part.thinking)
    speak('agent_chunk', part.text)
  }
  const spoken = part.cause === 'failed' || part.cause === 'timeout' ? '' : part.text
  const data: Record<string, unknown> = {
    decision: part.decision,
    reasoning: spoken.split(/\n\n/).at(-1) ?? '',
    conditions: part.conditions ?? [],
    would_change: part.would_change ?? [],
    attempt: number,
    text_bytes: bytes(spoken),
    text_sha256: sha(spoken),
    usage: usage(spoken),
    first_token_ms: 240,
    execution_time: Math.round(beats.reduce((sum, beat) => sum + beat.wait, 0)),
  }
  if (part.confidence !== undefined) data['confidence'] = part.confidence
  if (part.cause !== undefined) data['cause'] = part.cause
  say('agent_complete', data, pace * 4)
  return beats
}

/** Merges parallel voices by time, each keeping its own order. */
function merge(voices: Beat[][]): Beat[] {
  const timed = voices.flatMap((voice, index) => {
    let at = index * 90
    return voice.map((beat) => ({ at: (at += beat.wait), draft: beat.draft }))
  })
  timed.sort((left, right) => left.at - right.at)
  return timed.map((one, index) => ({
    wait: one.at - (timed[index - 1]?.at ?? 0),
    draft: one.draft,
  }))
}

/** Writes out a whole deliberation. `pace` is the milliseconds of one token. */
export function perform(script: Script, id: string, pace = 30, seed = 1): Beat[] {
  const random = seeded(seed)
  const sages = SAGES.filter((sage) => script.parts[sage])
  const rule = script.rule ?? 'majority'
  const models = Object.fromEntries([...sages, 'solomon'].map((who) => [who, `rehearsal:${who}`]))
  const panel = script.judge?.panel?.map((one) => one.model)
  const council = {
    name: 'default',
    version: 1,
    rule,
    quorum: 2,
    sages,
    models,
    ...(panel ? { panel } : {}),
  }
  const capabilities = [
    'resume',
    'stop',
    'retry',
    'note',
    'pause',
    'rejudge',
    'fork',
    'history',
    'export',
    'idempotency',
  ]
  const start = {
    protocol: 1,
    trace_id: id,
    question: script.question,
    lang: script.lang,
    council,
    mode: script.mode,
    capabilities,
  }
  const beats: Beat[] = [
    { wait: 0, draft: { type: 'start', data: start } },
    { wait: 0, draft: { type: 'sages_start', data: { sage_count: sages.length } } },
    ...merge(sages.map((sage) => attempt(sage, script.parts[sage] as Part, pace, random))),
  ]
  return [...beats, ...ending(script, id, sages, rule, pace, random)]
}

function ending(
  script: Script,
  id: string,
  sages: Sage[],
  rule: string,
  pace: number,
  random: () => number,
): Beat[] {
  const parts = sages.map((sage) => [sage, script.parts[sage] as Part] as const)
  const count = (vote: Decision): number =>
    parts.filter(([, part]) => part.decision === vote).length
  const votes = {
    approved: count('APPROVED'),
    rejected: count('REJECTED'),
    abstained: count('ABSTAINED'),
  }
  const missing: { agent: string; cause: string; message?: string }[] = parts
    .filter(([, part]) => part.cause && !['own', 'rehearsal', 'refused'].includes(part.cause))
    .map(([agent, part]) => ({ agent, cause: part.cause as string, message: 'no answer came' }))
  if (script.noVotes)
    return [
      {
        wait: pace,
        draft: {
          type: 'error',
          data: { code: 'no_votes', message: 'No sage could vote.', missing },
        },
      },
    ]
  const byVotes: FinalDecision =
    votes.approved + votes.rejected < 2 || votes.approved === votes.rejected
      ? 'UNDECIDED'
      : votes.approved > votes.rejected
        ? 'APPROVED'
        : 'REJECTED'
  const outcome: FinalDecision = rule === 'judge' ? 'UNDECIDED' : byVotes
  const agreement = `${votes.approved}-${votes.rejected}-${votes.abstained}`
  const beats: Beat[] = [
    { wait: pace * 4, draft: { type: 'tally', data: { ...votes, quorum: 2, outcome, agreement } } },
  ]
  const called = votes.approved + votes.rejected >= 2 ? script.judge : undefined
  const order = called?.order ?? [...sages].reverse()
  const judging = judged(called, { order, byVotes, pace, random })
  const { judgment } = judging
  beats.push(...judging.beats)
  missing.push(...judging.missing)
  const final: FinalDecision = rule === 'judge' ? judgment.final_decision : outcome
  const complete = {
    trace_id: id,
    status: missing.length > 0 ? 'degraded' : 'completed',
    missing,
    final_decision: final,
    voting_result: votes,
    solomon_judgment: judgment,
    overruled: rule === 'judge' && overrules(judgment, byVotes),
    judge_agrees: judgment.judge_agrees,
    summary: script.summary ?? '',
    recommendation: script.recommendation ?? '',
    usage: { input_tokens: 1840, output_tokens: 1210 },
    execution_time: 21_400,
    ...(judgment.confidence === undefined ? {} : { confidence: judgment.confidence }),
  }
  beats.push({ wait: pace * 2, draft: { type: 'complete', data: complete } })
  return beats
}

/** Undecided, a judge overrules nothing. */
const overrules = (judgment: JudgeComplete, byVotes: FinalDecision): boolean =>
  judgment.judge_agrees === false &&
  judgment.final_decision !== 'UNDECIDED' &&
  byVotes !== 'UNDECIDED'
