/** How a scripted judge comes to its judgment: by itself, or by a panel in its place. */
import type { FinalDecision, JudgeComplete, PanelVote, Sage } from '../stream/src/contract.ts'
import { bytes, sha, tokens, type Beat } from './speech.ts'

export interface Judging {
  text: string
  decision: FinalDecision
  dissent?: { agent?: Sage; text: string }
  conditions?: string[]
  would_change?: string[]
  confidence?: number
  scores?: Partial<Record<Sage, number>>
  /** The order in which the judge sees the sages; default: the last first. */
  order?: readonly Sage[]
  /** The judge fails on every attempt. */
  fails?: boolean
  /**
   * The judge's own model fails, and these judge in its place. What they come to is the script's own
   * decision and scores, which must be their majority and their medians.
   */
  panel?: PanelVote[]
}

interface Place {
  /** The order in which the judge sees them. */
  order: readonly Sage[]
  byVotes: FinalDecision
  pace: number
  random: () => number
}

interface Judged {
  beats: Beat[]
  missing: { agent: string; cause: string; message: string }[]
  judgment: JudgeComplete
}

/** Writes out what the judge does; undefined where it is not called. */
export function judged(judge: Judging | undefined, place: Place): Judged {
  const { byVotes, pace } = place
  if (!judge) return { beats: [], missing: [], judgment: none(0) }
  const began = start(place, 1, 'rehearsal', 'scene-solomon')
  if (judge.fails) {
    const message = 'the judge gave no readable judgment'
    const missing = [{ agent: 'solomon', cause: 'failed', message }]
    const error = failed('unparsable', message, false, pace * 20)
    return { beats: [began, error], missing, judgment: none(1) }
  }
  const opening = judge.panel ? [began, ...panel(judge.panel, place)] : [began]
  const judgment: JudgeComplete = {
    ...none(judge.panel ? 2 : 1),
    final_decision: judge.decision,
    reasoning: judge.text,
    sage_scores: judge.scores ?? {},
    conditions: judge.conditions ?? [],
    would_change: judge.would_change ?? [],
    judge_agrees: judge.decision === byVotes,
    text_bytes: bytes(judge.text),
    text_sha256: sha(judge.text),
    ...(judge.dissent ? { dissent: judge.dissent } : {}),
    // How sure one of a panel is says nothing of the panel.
    ...(judge.confidence === undefined || judge.panel ? {} : { confidence: judge.confidence }),
    ...(judge.panel ? { panel: judge.panel } : {}),
  }
  const complete: Beat = {
    wait: pace * 4,
    draft: { type: 'judge_complete', data: { ...judgment } },
  }
  return { beats: [...opening, ...said(judge, place), complete], missing: [], judgment }
}

const none = (attempt: number): JudgeComplete => ({
  final_decision: 'UNDECIDED',
  reasoning: 'There is no judgment: the quorum of 2 valid votes was not reached.',
  sage_scores: {},
  score_reasons: {},
  conditions: [],
  would_change: [],
  judge_agrees: null,
  attempt,
  text_bytes: 0,
  text_sha256: sha(''),
  execution_time: 3100,
})

const start = ({ order, pace }: Place, attempt: number, provider: string, model: string): Beat => {
  const data = { attempt, provider, model, order_seed: 7, order }
  return { wait: pace, draft: { type: 'judge_start', data } }
}

const failed = (code: string, message: string, retryable: boolean, wait: number): Beat => ({
  wait,
  draft: { type: 'judge_error', data: { code, message, attempt: 1, retryable } },
})

/** The judge's own model fails; all of the panel begin at once and end one after the other. */
function panel(members: readonly PanelVote[], place: Place): Beat[] {
  const { pace } = place
  const names = members.map((one) => one.model).join(', ')
  const span = (one: PanelVote, at: number, ended: boolean): Beat => {
    const [provider = '', ...rest] = one.model.split(':')
    const came = one.error === undefined ? { decision: one.final_decision } : { error: 'network' }
    const attributes = { provider, model: rest.join(':'), order_seed: 8 + at }
    const data = {
      span_id: at.toString(16).padStart(16, '0'),
      name: 'panel.member',
      started_at: '2026-11-23T00:00:00.000Z',
      attributes: ended ? { ...attributes, ...came } : attributes,
      ...(ended ? { duration_ms: 900 + at * 100 } : {}),
    }
    return { wait: ended ? pace * 12 : 0, draft: { type: 'trace', data } }
  }
  return [
    failed('unauthorised', 'the provider answered 401', true, pace * 4),
    start(place, 2, 'panel', names),
    ...members.map((one, at) => span(one, at, false)),
    ...members.map((one, at) => span(one, at, true)),
  ]
}

/** A panel says its words at once, when all of it have ended. */
function said({ text, panel: members }: Judging, { pace, random }: Place): Beat[] {
  const pieces = members ? [text] : tokens(text, random)
  return pieces.map((piece) => ({
    wait: pace * (0.4 + random()),
    draft: { type: 'judge_chunk', data: { text: piece } },
  }))
}
