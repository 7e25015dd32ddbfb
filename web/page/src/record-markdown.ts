/**
 * The record as Markdown, in the shape of MADR 4.0. It is the twin of
 * `crates/magi-server/src/export/markdown.rs`, which says whose decision it is, and a browser test holds
 * the two to the same bytes.
 */
import {
  SAGES,
  type AgentComplete,
  type Complete,
  type Decision,
  type LaneOfAgentComplete,
  type PanelVote,
  type Sage,
  type Snapshot,
} from '@magi/stream'
import { isSplit } from './format.ts'
import { partsOf, type Parts } from './mine.ts'
import { parseOutcome } from './outcome.ts'
import {
  conditionsLabel,
  councilName,
  labelsOf,
  minuteOf,
  optionOf,
  type Labels,
} from './record-labels.ts'
import { whyOf } from './why.ts'

/** What a person wrote beside it. */
export interface Beside {
  title?: string
  my_decision?: string
  outcome?: string
}

/** The provider that `judge_start` names where a panel judges; its model is the list. */
const PANEL = 'panel'

/** Writes the record of a deliberation. */
export const markdown = (snapshot: Snapshot, beside: Beside = {}): string =>
  new Page(snapshot, beside).write()

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

/** Who is Sage A, B and C in the judge's words; empty where nobody or a panel judged. */
export function orderOf({ judge, judge_order: order }: Snapshot, labels: Labels): string {
  if (!judge.complete || (judge.complete.panel ?? []).length > 0) return ''
  return order
    .map((sage, index) => `${labels.sageLetter}${'ABC'.charAt(index)} = ${nameOf(sage)}`)
    .join(labels.comma)
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

/** The conditions of the verdict and those that the person ticked beside it, each with whether it is seen to. */
export function conditionsOf(
  { verdict }: Snapshot,
  mine: Parts,
): readonly { ticked: boolean; text: string }[] {
  // White space is no difference: it is not kept as it was.
  const boxes = mine.boxes.map(({ ticked, text }) => ({ ticked, text: oneLine(text) }))
  const asked = (verdict?.solomon_judgment.conditions ?? []).map(oneLine)
  const met = new Set(boxes.filter(({ ticked }) => ticked).map(({ text }) => text))
  return [
    ...asked.map((text) => ({ ticked: met.has(text), text })),
    ...boxes.filter(({ text }) => !asked.includes(text)),
  ]
}

/** How it turned out, in words, and the note; nothing where nothing was said. */
export function turnedOut(beside: Beside, labels: Labels): { word: string; note: string } {
  const { word, note } = parseOutcome(beside.outcome)
  return { word: word === undefined ? '' : labels.outcomes[word], note }
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
  readonly #mine: Parts
  readonly #sages: Sage[]
  #text = ''

  constructor(snapshot: Snapshot, beside: Beside) {
    this.#snapshot = snapshot
    this.#beside = beside
    this.#labels = labelsOf(snapshot)
    this.#mine = partsOf(beside.my_decision ?? '')
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
    this.#text += `\n## ${heading}\n\n`
  }

  #item(text: string): void {
    this.#line(`* ${inert(oneLine(text))}`)
  }

  #quote(text: string): void {
    for (const line of linesOf(inert(trimEnd(text)))) this.#line(trimEnd(`> ${line}`))
  }

  #frontMatter(): void {
    const { started_at, mode } = this.#snapshot
    const consulted = this.#sages.map((sage) => JSON.stringify(this.#who(sage))).join(', ')
    this.#text +=
      `---\nstatus: ${this.#status()}\n` +
      `date: ${started_at?.slice(0, 10) ?? ''}\n` +
      `decision-makers: [${JSON.stringify(this.#labels.human)}]\n` +
      `consulted: [${consulted}]\ninformed: []\n---\n\n`
    this.#line(`# ${inert(headingOf(this.#snapshot, this.#beside.title))}`)
    if (mode === 'rehearsal') this.#text += `\n**${this.#labels.rehearsal}**\n`
  }

  /** The status, by the rule that the twin states. */
  #status(): string {
    const { choice } = this.#mine
    if (choice === undefined) return 'proposed'
    if (choice === 'other') return 'accepted'
    const decision = this.#snapshot.verdict?.final_decision ?? 'UNDECIDED'
    return { APPROVED: 'accepted', REJECTED: 'rejected', UNDECIDED: 'proposed' }[decision]
  }

  #who(agent: Sage | 'solomon'): string {
    const model = modelOf(this.#snapshot, agent)
    return model === undefined ? nameOf(agent) : `${nameOf(agent)} (${model})`
  }

  #problem(): void {
    const { question, context } = this.#snapshot
    this.#heading(this.#labels.headings.problem)
    this.#quote(question)
    if (context === undefined) return
    this.#text += `\n${this.#labels.context}:\n\n`
    this.#quote(context)
  }

  #drivers(): void {
    const { sages, rule, quorum, approve, reject } = this.#labels
    const { council } = this.#snapshot
    this.#heading(this.#labels.headings.drivers)
    for (const sage of this.#sages) this.#item(`${nameOf(sage)}: ${sages[sage]}`)
    if (council) {
      const how = ruleWord(council.rule, this.#labels)
      this.#item(`${rule}: ${how}, ${quorum}: ${council.quorum}`)
    }
    this.#heading(this.#labels.headings.options)
    this.#item(approve)
    this.#item(reject)
  }

  #outcome(): void {
    const { headings } = this.#labels
    this.#heading(headings.outcome)
    this.#line(inert(oneLine(this.#chosen())))
    this.#part('\n', () => {
      this.#own()
      this.#advice()
    })
    const below = (heading: string): string => `\n### ${heading}\n\n`
    this.#part(below(headings.consequences), () => this.#consequences())
    this.#part(below(headings.confirmation), () => this.#confirmation())
  }

  /** Writes a part beneath what begins it, and nothing where it has nothing to say. */
  #part(beginning: string, write: () => void): void {
    const before = this.#text
    this.#text += beginning
    const empty = this.#text
    write()
    if (this.#text === empty) this.#text = before
  }

  /** What was chosen: the person's decision, else the council's advice. */
  #chosen(): string {
    const labels = this.#labels
    const { verdict } = this.#snapshot
    const { choice, instead, why } = this.#mine
    if (choice === 'other') return labels.chosen(instead, why)
    if (choice === undefined)
      // Japanese takes no space between sentences.
      return `${labels.undecidedYet}${this.#snapshot.lang === 'ja' ? '' : ' '}${this.#advised()}`
    if (!verdict) return this.#advised()
    const option = optionOf(verdict.final_decision, labels)
    return option === undefined
      ? labels.noneChosen(whyOf(verdict))
      : labels.chosen(option, whyOf(verdict))
  }

  /** What the council advises, or why it does not. */
  #advised(): string {
    const labels = this.#labels
    const { verdict } = this.#snapshot
    if (!verdict) return `${labels.noVerdict}: ${whyNone(this.#snapshot)}`
    const option = optionOf(verdict.final_decision, labels)
    const why = whyOf(verdict)
    return option === undefined ? labels.noneAdvised(why) : labels.advises(option, why)
  }

  /** Writes what the person said beyond the sentence above it. */
  #own(): void {
    const labels = this.#labels
    const { choice, why, leaning } = this.#mine
    if (choice === 'follow') this.#item(`${labels.myDecision}: ${labels.follow}`)
    if (choice !== 'other' && why !== '') this.#item(`${labels.why}: ${why}`)
    if (leaning !== '') this.#item(`${labels.leaning}: ${leaning}`)
  }

  /** Writes the verdict and who is missing from it. */
  #advice(): void {
    const labels = this.#labels
    const { verdict, missing } = this.#snapshot
    if (this.#mine.choice === 'other') this.#item(this.#advised())
    if (verdict) {
      this.#item(`${labels.verdict}: ${labels.decisions[verdict.final_decision]}`)
      this.#item(`${labels.votes}: ${labels.tally(verdict.voting_result)}`)
      const standing = standingOf(verdict, labels)
      if (standing !== '') this.#item(standing)
      this.#item(`${labels.recommendation}: ${verdict.recommendation}`)
    }
    for (const one of missing)
      this.#item(`${labels.missing}: ${nameOf(one.agent)} (${labels.causes[one.cause]})`)
  }

  #consequences(): void {
    const { dissent: label, bad, comma } = this.#labels
    const { verdict } = this.#snapshot
    if (!verdict?.solomon_judgment.dissent) return
    const { agent, text } = verdict.solomon_judgment.dissent
    // An objection to an approval is a drawback of going ahead. One to a rejection speaks for the
    // proposal, and one to what the person did not decide is no consequence: both stand as they are.
    if (verdict.final_decision === 'APPROVED' && this.#mine.choice !== 'other')
      this.#item(bad(text, label.toLowerCase() + (agent ? comma + nameOf(agent) : '')))
    else this.#item(`${label}${agent ? ` (${nameOf(agent)})` : ''}: ${text}`)
  }

  #confirmation(): void {
    const labels = this.#labels
    const { verdict } = this.#snapshot
    const conditions = conditionsOf(this.#snapshot, this.#mine)
    if (conditions.length > 0) this.#item(`${conditionsLabel(verdict?.final_decision, labels)}:`)
    for (const { ticked, text } of conditions)
      this.#line(`  * [${ticked ? 'x' : ' '}] ${inert(text)}`)
    for (const change of verdict?.solomon_judgment.would_change ?? [])
      this.#item(`${labels.wouldChange}: ${change}`)
    const { word, note } = turnedOut(this.#beside, labels)
    if (word !== '') this.#item(`${labels.outcome}: ${word}`)
    if (note !== '') this.#item(`${word === '' ? labels.outcome : labels.note}: ${note}`)
  }

  #options(): void {
    const { approve, reject, good, neutral } = this.#labels
    this.#heading(this.#labels.headings.prosAndCons)
    for (const [heading, decision] of [
      [approve, 'APPROVED'],
      [reject, 'REJECTED'],
    ] as const) {
      this.#line(`### ${heading}\n`)
      for (const [sage, vote] of this.#votes(decision))
        this.#item(good(vote.reasoning, nameOf(sage)))
      for (const [sage, vote] of this.#votes('ABSTAINED'))
        this.#item(neutral(vote.reasoning, nameOf(sage)))
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
    const { trace_id, started_at, status, council, sages, fork_of, conversation_id } =
      this.#snapshot
    this.#line(`## ${labels.headings.more}\n`)
    this.#item(`${labels.record}: ${trace_id}`)
    if (started_at !== undefined) this.#item(`${labels.askedAt}: ${minuteOf(started_at)}`)
    if (fork_of !== undefined) this.#item(`${labels.goesOnFrom}: ${fork_of}`)
    if (conversation_id !== undefined) this.#item(`${labels.conversation}: ${conversation_id}`)
    this.#item(`${labels.status}: ${labels.statuses[status]}`)
    if (council) this.#item(`${labels.council}: ${councilName(council, labels)}`)
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
    const asked = conditionsLabel(complete.decision, labels)
    for (const text of complete.conditions) this.#item(`${asked}: ${text}`)
    for (const text of complete.would_change) this.#item(`${labels.wouldChange}: ${text}`)
  }

  #judge(): void {
    const labels = this.#labels
    const { complete } = this.#snapshot.judge
    if (!complete) return
    const word = labels.decisions[complete.final_decision]
    this.#text += `\n### ${inert(this.#who('solomon'))}: ${word}\n\n`
    const spoken = this.#snapshot.judge.text
    if (!spoken.includes(complete.reasoning)) {
      this.#quote(complete.reasoning)
      this.#text += '\n'
    }
    if (spoken !== '') {
      this.#quote(spoken)
      this.#text += '\n'
    }
    const order = orderOf(this.#snapshot, labels)
    if (order !== '') this.#item(order)
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
