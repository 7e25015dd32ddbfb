/**
 * The record as Markdown, under the headings of MADR 4.0. It is the twin of
 * `crates/magi-server/src/export/markdown.rs`, and a browser test holds the two to the same bytes.
 */
import {
  SAGES,
  type AgentComplete,
  type Cause,
  type Complete,
  type Decision,
  type FinalDecision,
  type LaneOfAgentComplete,
  type PanelVote,
  type Sage,
  type Snapshot,
  type Status,
} from '@magi/stream'
import { isSplit } from './format.ts'
import { whyOf } from './why.ts'

export interface Labels {
  context: string
  verdict: string
  noVerdict: string
  votes: string
  rule: string
  /** Majority, unanimous, the judge alone, and before and after the sage of a veto. */
  rules: readonly [string, string, string, string, string]
  quorum: string
  agrees: string
  differs: string
  overruled: string
  split: string
  missing: string
  conditions: string
  dissent: string
  wouldChange: string
  confidence: string
  score: string
  median: string
  panel: string
  noAnswer: string
  speaks: string
  recommendation: string
  record: string
  askedAt: string
  status: string
  council: string
  tokens: string
  cost: string
  duration: string
  estimated: string
  rehearsal: string
  noneYet: string
  approve: string
  reject: string
  human: string
  decisions: Record<Decision | FinalDecision, string>
  causes: Record<Cause, string>
  statuses: Record<Status, string>
  sages: Record<Sage, string>
  inPlaceOf: (model: string) => string
  panelOf: (models: string) => string
  myDecision: string
  outcome: string
}

/** What a person wrote beside it. */
export interface Beside {
  title?: string
  my_decision?: string
  outcome?: string
}

const EN: Labels = {
  context: 'Context',
  verdict: 'Verdict',
  noVerdict: 'There is no verdict',
  votes: 'Votes',
  rule: 'Rule',
  rules: [
    'majority of the votes',
    'all alike, or no decision',
    'the judge decides',
    'majority, and a rejection by ',
    ' rejects',
  ],
  quorum: 'Quorum',
  agrees: 'The judge agrees with the votes.',
  differs: 'The judge does not agree with the votes.',
  overruled: 'The judge overruled the votes, as the rule allows.',
  split: "The panel that judged in SOLOMON's place was split.",
  missing: 'Missing',
  conditions: 'Conditions',
  dissent: 'Strongest dissent',
  wouldChange: 'What would change the verdict',
  confidence: 'confidence',
  score: 'score',
  median: 'score, median of the panel',
  panel: 'Panel',
  noAnswer: 'no answer',
  speaks: 'the words of the judgment',
  recommendation: 'Recommendation',
  record: 'Record',
  askedAt: 'Asked',
  status: 'Status',
  council: 'Council',
  tokens: 'Tokens',
  cost: 'Cost',
  duration: 'Duration',
  estimated: 'estimated',
  rehearsal: 'REHEARSAL: written scenes answered, no model did. This is no advice.',
  noneYet: 'no vote',
  approve: 'Approve the proposal',
  reject: 'Reject the proposal',
  human: 'the person who asked',
  decisions: {
    APPROVED: 'APPROVED',
    REJECTED: 'REJECTED',
    ABSTAINED: 'ABSTAINED',
    UNDECIDED: 'UNDECIDED',
  },
  causes: {
    own: 'its own choice',
    rehearsal: 'rehearsal',
    refused: 'refused to answer',
    failed: 'failed',
    timeout: 'timed out',
    unparsable: 'unreadable answer',
    stopped: 'stopped',
  },
  statuses: {
    running: 'running',
    paused: 'paused',
    completed: 'completed',
    degraded: 'degraded',
    cancelled: 'cancelled',
    failed: 'failed',
  },
  sages: {
    caspar: 'practical, risk first',
    balthasar: 'creative, people and ethics first',
    melchior: 'scientific, evidence first',
  },
  inPlaceOf: (model) => `, in place of ${model}`,
  panelOf: (models) => `panel of ${models}`,
  myDecision: 'My decision',
  outcome: 'How it turned out',
}

const JA: Labels = {
  context: '背景',
  verdict: '評決',
  noVerdict: '評決はありません',
  votes: '投票',
  rule: '決め方',
  rules: [
    '多数決',
    '全員一致（不一致なら不成立）',
    '裁定者が決める',
    '多数決、ただし ',
    ' の否決で否決',
  ],
  quorum: '定足数',
  agrees: '裁定者は票の結果に同意しています。',
  differs: '裁定者は票の結果に同意していません。',
  overruled: '決め方に従い、裁定者が票の結果を覆しました。',
  split: 'SOLOMON に代わる裁定パネルの判断は割れました。',
  missing: '欠けているもの',
  conditions: '条件',
  dissent: '最も強い反対意見',
  wouldChange: '結論が変わるとすれば',
  confidence: '確信度',
  score: '評点',
  median: '評点（裁定パネルの中央値）',
  panel: '裁定パネル',
  noAnswer: '回答なし',
  speaks: '判断文はこのモデルのもの',
  recommendation: '推奨',
  record: '記録',
  askedAt: '日時',
  status: '状態',
  council: '評議',
  tokens: 'トークン',
  cost: '費用',
  duration: '所要時間',
  estimated: '推定',
  rehearsal:
    'REHEARSAL: 用意された台本による回答です。モデルは答えていません。判断の根拠にはなりません。',
  noneYet: '票なし',
  approve: '提案を可決する',
  reject: '提案を否決する',
  human: '問うた人',
  decisions: { APPROVED: '可決', REJECTED: '否決', ABSTAINED: '棄権', UNDECIDED: '不成立' },
  causes: {
    own: '本人の判断',
    rehearsal: 'リハーサル',
    refused: '回答の拒否',
    failed: '失敗',
    timeout: '時間切れ',
    unparsable: '票を読み取れず',
    stopped: '中断',
  },
  statuses: {
    running: '審議中',
    paused: '一時停止中',
    completed: '完了',
    degraded: '一部欠落',
    cancelled: '中断',
    failed: '失敗',
  },
  sages: {
    caspar: '実務的、リスク優先',
    balthasar: '創造的、人と倫理を優先',
    melchior: '科学的、根拠優先',
  },
  inPlaceOf: (model) => `、${model} の代わり`,
  panelOf: (models) => `裁定パネル（${models}）`,
  myDecision: '自分の決定',
  outcome: '結果',
}

/** The provider that `judge_start` names where a panel judges; its model is the list. */
const PANEL = 'panel'

/** Writes the record of a deliberation. */
export const markdown = (snapshot: Snapshot, beside: Beside = {}): string =>
  new Page(snapshot, beside).write()

export const labelsOf = ({ lang }: Snapshot): Labels => (lang === 'ja' ? JA : EN)

/** Makes raw HTML and pictures inert. */
const inert = (text: string): string => text.replace(/<(?=[A-Za-z/!?])|!(?=\[)/g, '\\$&')

/** Unicode's white space, as the server understands it. */
const SPACE = /[\t-\r\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u

const words = (text: string): string[] => text.split(SPACE).filter((word) => word !== '')
export const oneLine = (text: string): string => words(text).join(' ')
export const nameOf = (agent: string): string => agent.toUpperCase()
/** How the council comes to its verdict, in words. */
export function ruleWord(rule: string, { rules }: Labels): string {
  const [majority, unanimous, judge, before, after] = rules
  if (rule.startsWith('veto:')) return `${before}${nameOf(rule.slice('veto:'.length))}${after}`
  return { majority, unanimous, judge }[rule] ?? rule
}
const linesOf = (text: string): string[] => {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''))
  if (lines.at(-1) === '') lines.pop()
  return lines
}
const trimEnd = (text: string): string => text.replace(new RegExp(`${SPACE.source}$`, 'u'), '')

/** The longest title the history gives a question, in characters. */
const TITLE = 80

/** The name that was given to it, else the question's first line. */
export function headingOf({ question }: Snapshot, title = ''): string {
  if (title.trim() !== '') {
    const given = [...title.trim()]
    return oneLine(given.length > 120 ? `${given.slice(0, 120).join('')}…` : given.join(''))
  }
  const first = oneLine(linesOf(question.trim())[0] ?? '')
  const characters = [...first]
  return characters.length > TITLE ? `${characters.slice(0, TITLE).join('')}…` : first
}

/** Which model spoke, and which one was set where that is another. */
export function modelOf(snapshot: Snapshot, agent: Sage | 'solomon'): string | undefined {
  const { council, judge, sages } = snapshot
  const set = council?.models[agent]
  const lane = agent === 'solomon' ? judge : sages[agent]
  if (lane?.provider === undefined || lane.model === undefined) return set
  const { provider, model } = lane
  const named = model === '' || model === provider ? provider : `${provider}:${model}`
  const labels = labelsOf(snapshot)
  const spoke = provider === PANEL ? labels.panelOf(model) : named
  return set === undefined || set === spoke ? spoke : spoke + labels.inPlaceOf(set)
}

/** How the judge, or the panel in its place, stands to the votes; empty where nobody judged. */
export function standingOf(verdict: Complete, labels: Labels): string {
  const { overruled, judge_agrees: agrees, solomon_judgment: judgment } = verdict
  if (isSplit(judgment)) return labels.split
  if (overruled) return labels.overruled
  if (typeof agrees !== 'boolean') return ''
  return agrees ? labels.agrees : labels.differs
}

/** What one model of a panel came to. */
export function seatOf(vote: PanelVote, labels: Labels): string {
  const { model, final_decision: decision, sage_scores = {}, error = '', speaks } = vote
  if (decision === undefined) return `${model}: ${labels.noAnswer} (${error})`
  const scores = SAGES.filter((sage) => sage_scores[sage] !== undefined).map(
    (sage) => `, ${nameOf(sage)} ${sage_scores[sage]}`,
  )
  const own = speaks ? ` (${labels.speaks})` : ''
  return `${model}: ${labels.decisions[decision]}${scores.join('')}${own}`
}

/** Why it ended without a verdict, or how it stands. */
export function whyNone(snapshot: Snapshot): string {
  const { cancelled, error, status } = snapshot
  if (cancelled) return `${cancelled.reason} (${cancelled.by})`
  if (error) return `${error.message} (${error.code})`
  return labelsOf(snapshot).statuses[status]
}

/** A vote in a word, with the cause of an abstention and the confidence. */
export function voteOf(labels: Labels, complete: AgentComplete | undefined): string {
  if (!complete) return labels.noneYet
  const { decision, cause, confidence } = complete
  let text = labels.decisions[decision]
  if (cause) text += ` (${labels.causes[cause]})`
  if (typeof confidence === 'number')
    text += `, ${labels.confidence} ${Math.round(confidence * 100)}%`
  return text
}

class Page {
  readonly #snapshot: Snapshot
  readonly #beside: Beside
  readonly #labels: Labels
  readonly #sages: Sage[]
  #text = ''

  constructor(snapshot: Snapshot, beside: Beside) {
    this.#snapshot = snapshot
    this.#beside = beside
    this.#labels = labelsOf(snapshot)
    this.#sages = SAGES.filter((sage) => snapshot.sages[sage] !== undefined)
  }

  write(): string {
    this.#frontMatter()
    this.#problem()
    this.#drivers()
    this.#outcome()
    this.#options()
    this.#more()
    return this.#text
  }

  #line(line: string): void {
    this.#text += `${line}\n`
  }

  #heading(heading: string): void {
    this.#text += `\n${heading}\n\n`
  }

  #item(text: string): void {
    this.#line(`* ${inert(oneLine(text))}`)
  }

  #quote(text: string): void {
    for (const line of linesOf(inert(trimEnd(text)))) this.#line(trimEnd(`> ${line}`))
  }

  #frontMatter(): void {
    const { verdict, started_at, mode } = this.#snapshot
    const status = { APPROVED: 'accepted', REJECTED: 'rejected', UNDECIDED: 'proposed' }
    const consulted = this.#sages.map((sage) => JSON.stringify(this.#who(sage))).join(', ')
    this.#text +=
      `---\nstatus: ${status[verdict?.final_decision ?? 'UNDECIDED']}\n` +
      `date: ${started_at?.slice(0, 10) ?? ''}\n` +
      `decision-makers: [${JSON.stringify(this.#labels.human)}]\n` +
      `consulted: [${consulted}]\ninformed: []\n---\n\n`
    this.#line(`# ${inert(headingOf(this.#snapshot, this.#beside.title))}`)
    if (mode === 'rehearsal') this.#text += `\n**${this.#labels.rehearsal}**\n`
  }

  #who(agent: Sage | 'solomon'): string {
    const model = modelOf(this.#snapshot, agent)
    return model === undefined ? nameOf(agent) : `${nameOf(agent)} (${model})`
  }

  #problem(): void {
    const { question, context } = this.#snapshot
    this.#heading('## Context and Problem Statement')
    this.#quote(question)
    if (context === undefined) return
    this.#text += `\n${this.#labels.context}:\n\n`
    this.#quote(context)
  }

  #drivers(): void {
    const { sages, rule, quorum, approve, reject } = this.#labels
    const { council } = this.#snapshot
    this.#heading('## Decision Drivers')
    for (const sage of this.#sages) this.#item(`${nameOf(sage)}: ${sages[sage]}`)
    if (council) {
      const how = ruleWord(council.rule, this.#labels)
      this.#item(`${rule}: ${how}, ${quorum}: ${council.quorum}`)
    }
    this.#heading('## Considered Options')
    this.#item(approve)
    this.#item(reject)
  }

  #outcome(): void {
    const labels = this.#labels
    const { verdict } = this.#snapshot
    this.#heading('## Decision Outcome')
    this.#chosen()
    if (!verdict) return
    const judge = verdict.solomon_judgment
    this.#heading('### Consequences')
    if (judge.dissent) {
      const { agent, text } = judge.dissent
      const whose = agent ? `, ${nameOf(agent)}` : ''
      this.#item(`Bad, because ${text} (${labels.dissent.toLowerCase()}${whose})`)
    }
    for (const condition of judge.conditions ?? []) this.#item(`${labels.conditions}: ${condition}`)
    this.#heading('### Confirmation')
    for (const change of judge.would_change ?? []) this.#item(`${labels.wouldChange}: ${change}`)
    const { outcome } = this.#beside
    if (outcome !== undefined) this.#item(`${labels.outcome}: ${outcome}`)
  }

  #chosen(): void {
    const labels = this.#labels
    const { verdict, missing } = this.#snapshot
    if (verdict) this.#decided(verdict)
    else {
      this.#line(inert(oneLine(`${labels.noVerdict}: ${whyNone(this.#snapshot)}`)))
      this.#text += '\n'
    }
    for (const one of missing)
      this.#item(`${labels.missing}: ${nameOf(one.agent)} (${labels.causes[one.cause]})`)
    const { my_decision } = this.#beside
    if (my_decision !== undefined) this.#item(`${labels.myDecision}: ${my_decision}`)
  }

  #decided(verdict: Complete): void {
    const labels = this.#labels
    const why = inert(oneLine(whyOf(verdict)))
    const { final_decision: decision, voting_result: votes } = verdict
    if (decision === 'UNDECIDED') this.#line(`No option was chosen: ${why}`)
    else {
      const option = decision === 'APPROVED' ? labels.approve : labels.reject
      this.#line(`Chosen option: "${option}", because ${why}`)
    }
    this.#text += '\n'
    this.#item(`${labels.verdict}: ${labels.decisions[decision]}`)
    this.#item(`${labels.votes}: ${votes.approved}-${votes.rejected}-${votes.abstained}`)
    const standing = standingOf(verdict, labels)
    if (standing !== '') this.#item(standing)
    this.#item(`${labels.recommendation}: ${verdict.recommendation}`)
  }

  #options(): void {
    const { approve, reject } = this.#labels
    this.#heading('## Pros and Cons of the Options')
    for (const [heading, decision] of [
      [approve, 'APPROVED'],
      [reject, 'REJECTED'],
    ] as const) {
      this.#line(`### ${heading}\n`)
      for (const [sage, vote] of this.#votes(decision))
        this.#item(`Good, because ${vote.reasoning} (${nameOf(sage)})`)
      for (const [sage, vote] of this.#votes('ABSTAINED'))
        this.#item(`Neutral, because ${vote.reasoning} (${nameOf(sage)})`)
      this.#text += '\n'
    }
  }

  #votes(decision: Decision): [Sage, AgentComplete][] {
    return this.#sages.flatMap((sage) => {
      const vote = this.#snapshot.sages[sage]?.complete
      return vote?.decision === decision ? [[sage, vote] as [Sage, AgentComplete]] : []
    })
  }

  #more(): void {
    const labels = this.#labels
    const { trace_id, started_at, status, council, sages } = this.#snapshot
    this.#line('## More Information\n')
    this.#item(`${labels.record}: ${trace_id}`)
    if (started_at !== undefined) this.#item(`${labels.askedAt}: ${started_at}`)
    this.#item(`${labels.status}: ${labels.statuses[status]}`)
    if (council) this.#item(`${labels.council}: ${council.name} v${council.version}`)
    this.#item(this.#spent())
    for (const sage of this.#sages) this.#sage(sage, sages[sage] as LaneOfAgentComplete)
    this.#judge()
  }

  #spent(): string {
    const labels = this.#labels
    const { usage, cost_usd, verdict } = this.#snapshot
    let text = `${labels.tokens}: ${usage.input_tokens} → ${usage.output_tokens}`
    if (usage.estimated) text += ` (${labels.estimated})`
    if (cost_usd !== undefined) text += `, ${labels.cost}: ${cost_usd.toFixed(4)} USD`
    if (verdict) text += `, ${labels.duration}: ${(verdict.execution_time / 1000).toFixed(3)} s`
    return text
  }

  #sage(sage: Sage, lane: LaneOfAgentComplete): void {
    const labels = this.#labels
    const { complete } = lane
    this.#text += `\n### ${inert(this.#who(sage))}: ${voteOf(labels, complete)}\n\n`
    this.#quote(lane.text)
    if (!complete) return
    this.#text += '\n'
    for (const text of complete.conditions) this.#item(`${labels.conditions}: ${text}`)
    for (const text of complete.would_change) this.#item(`${labels.wouldChange}: ${text}`)
  }

  #judge(): void {
    const labels = this.#labels
    const { complete } = this.#snapshot.judge
    if (!complete) return
    const word = labels.decisions[complete.final_decision]
    this.#text += `\n### ${inert(this.#who('solomon'))}: ${word}\n\n`
    this.#quote(complete.reasoning)
    this.#text += '\n'
    const { panel = [] } = complete
    for (const vote of panel) this.#item(`${labels.panel}: ${seatOf(vote, labels)}`)
    const label = panel.length > 0 ? labels.median : labels.score
    for (const sage of SAGES) {
      const score = complete.sage_scores[sage]
      if (score === undefined) continue
      const reason = complete.score_reasons[sage] ?? ''
      this.#item(`${nameOf(sage)} ${label}: ${score} ${reason}`)
    }
  }
}
