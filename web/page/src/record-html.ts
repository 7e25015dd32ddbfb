/**
 * The record as one page: no scripts, no pictures, nothing to load, every word escaped. It is the twin of
 * `crates/magi-server/src/export/html.rs`, and a browser test holds the two to the same bytes.
 */
import {
  SAGES,
  type Complete,
  type JudgeComplete,
  type LaneOfAgentComplete,
  type Sage,
  type Snapshot,
} from '@magi/stream'
import { partsOf, type Parts } from './mine.ts'
import { conditionsLabel, councilName, labelsOf, minuteOf, type Labels } from './record-labels.ts'
import {
  conditionsOf,
  headingOf,
  modelOf,
  nameOf,
  orderOf,
  ruleWord,
  seatOf,
  standingOf,
  turnedOut,
  voteOf,
  whyNone,
  type Beside,
} from './record-markdown.ts'

/** The words that only this form of the record has. */
interface Headings {
  lang: string
  question: string
  sages: string
  judge: string
  said: string
  reasoning: string
}

const EN: Headings = {
  lang: 'en',
  question: 'Question',
  sages: 'Sages',
  judge: 'Judge',
  said: 'What it said',
  reasoning: 'Reasoning',
}

const JA: Headings = {
  lang: 'ja',
  question: '問い',
  sages: '三賢者',
  judge: '裁定者',
  said: '発言',
  reasoning: '理由',
}

/** Even if escaping failed, nothing on this page could run or be fetched. */
const HEAD = `<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width">
<meta name="referrer" content="no-referrer">
`

const STYLE =
  ':root{color-scheme:light dark}' +
  'body{font:16px/1.6 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}' +
  'h1{font-size:1.5rem;line-height:1.3}h2{font-size:1.15rem;margin-top:2rem}' +
  '.text{white-space:pre-wrap;overflow-wrap:anywhere;border-inline-start:3px solid;' +
  'padding-inline-start:.8rem;margin:.5rem 0}' +
  '.mark{border:2px solid;padding:.4rem .8rem;font-weight:600}' +
  '.verdict{border:2px solid;padding:.6rem 1rem}.verdict strong{font-size:1.4rem}' +
  'dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{font-weight:600}dd{margin:0}' +
  'section{break-inside:avoid}'

/** A shape tells the decision without any colour. */
const SHAPE = { APPROVED: '○', REJECTED: '×', UNDECIDED: '△' }

/** Writes the record of a deliberation. */
export function html(snapshot: Snapshot, beside: Beside = {}): string {
  const labels = labelsOf(snapshot)
  const headings = snapshot.lang === 'ja' ? JA : EN
  const title = escape(headingOf(snapshot, beside.title))
  const { context, judge, mode, question, sages } = snapshot
  const mine = partsOf(beside.my_decision ?? '')
  return [
    `<!doctype html>\n<html lang="${headings.lang}">\n<head>\n${HEAD}<title>${title} - MAGI</title>\n`,
    `<style>${STYLE}</style>\n</head>\n<body>\n<main>\n<h1>${title}</h1>\n`,
    mode === 'rehearsal' ? `<p class="mark">${escape(labels.rehearsal)}</p>\n` : '',
    verdictOf(snapshot, mine, labels),
    section(labels.myDecision, own(mine, beside, labels)),
    section(headings.question, text(question)),
    context === undefined ? '' : section(labels.context, text(context)),
    `<h2>${escape(headings.sages)}</h2>\n`,
    ...SAGES.map((sage) => {
      const lane = sages[sage]
      return lane ? sageOf(snapshot, sage, lane, headings) : ''
    }),
    judge.complete ? judgeOf(snapshot, judge.complete, headings) : '',
    section(labels.record, facts(snapshot, labels)),
    '</main>\n</body>\n</html>\n',
  ].join('')
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '\0': '\ufffd',
}

/** Escapes for text and for quoted attributes. */
const escape = (words: string): string => words.replace(/[&<>"'\0]/g, (one) => ENTITIES[one] ?? one)

const text = (words: string): string => `<div class="text">${escape(words)}</div>\n`

const section = (heading: string, inner: string): string =>
  `<section>\n<h2>${escape(heading)}</h2>\n${inner}</section>\n`

function list(heading: string, items: readonly string[] = []): string {
  if (items.length === 0) return ''
  const lines = items.map((item) => `<li>${escape(item)}</li>\n`).join('')
  return `<h3>${escape(heading)}</h3>\n<ul>\n${lines}</ul>\n`
}

function verdictOf(snapshot: Snapshot, mine: Parts, labels: Labels): string {
  const { verdict, missing } = snapshot
  const none = (): string =>
    `<p><strong>${escape(labels.noVerdict)}</strong></p>\n<p>${escape(whyNone(snapshot))}</p>\n`
  const conditions = conditionsOf(snapshot, mine)
  const absent = missing.map((one) => `${nameOf(one.agent)} (${labels.causes[one.cause]})`)
  return [
    '<section class="verdict">\n',
    verdict ? decided(verdict, labels) : none(),
    list(
      conditionsLabel(verdict?.final_decision, labels),
      conditions.map(({ ticked, text }) => `${ticked ? '☑' : '☐'} ${text}`),
    ),
    list(labels.wouldChange, verdict?.solomon_judgment.would_change),
    list(labels.missing, absent),
    '</section>\n',
  ].join('')
}

/** What the person decided and how it turned out. */
function own(mine: Parts, beside: Beside, labels: Labels): string {
  const beneath = (label: string, words: string): string =>
    words === '' ? '' : `<h3>${escape(label)}</h3>\n${text(words)}`
  const { word, note } = turnedOut(beside, labels)
  return [
    mine.choice === undefined ? `<p>${escape(labels.undecidedYet)}</p>\n` : '',
    mine.choice === 'follow' ? text(labels.follow) : '',
    mine.choice === 'other' ? text(mine.instead) : '',
    beneath(labels.why, mine.why),
    beneath(labels.leaning, mine.leaning),
    word !== '' || note !== '' ? `<h3>${escape(labels.outcome)}</h3>\n` : '',
    word === '' ? '' : `<p>${escape(word)}</p>\n`,
    note === '' ? '' : text(note),
  ].join('')
}

function decided(verdict: Complete, labels: Labels): string {
  const { final_decision: decision, voting_result: votes, solomon_judgment: judge } = verdict
  const { dissent } = judge
  const whose = dissent?.agent ? ` (${nameOf(dissent.agent)})` : ''
  return [
    `<p>${escape(labels.verdict)}: <strong>${SHAPE[decision]} ${labels.decisions[decision]}</strong> `,
    `(${escape(labels.votes)}: ${labels.tally(votes)})</p>\n<p>${standingOf(verdict, labels)}</p>\n`,
    text(verdict.summary),
    `<h3>${escape(labels.recommendation)}</h3>\n`,
    text(verdict.recommendation),
    dissent ? `<h3>${escape(labels.dissent)}${whose}</h3>\n${text(dissent.text)}` : '',
  ].join('')
}

function who(snapshot: Snapshot, agent: Sage | 'solomon'): string {
  const model = modelOf(snapshot, agent)
  return model === undefined ? nameOf(agent) : `${nameOf(agent)} <small>${escape(model)}</small>`
}

function sageOf(
  snapshot: Snapshot,
  sage: Sage,
  lane: LaneOfAgentComplete,
  headings: Headings,
): string {
  const labels = labelsOf(snapshot)
  const { complete } = lane
  const vote = escape(voteOf(labels, complete))
  const reasons = complete && complete.reasoning !== lane.text
  return [
    `<section>\n<h3>${who(snapshot, sage)} - ${vote}</h3>\n`,
    lane.text === '' ? '' : text(lane.text),
    reasons ? `<h3>${escape(headings.reasoning)}</h3>\n${text(complete.reasoning)}` : '',
    list(conditionsLabel(complete?.decision, labels), complete?.conditions),
    list(labels.wouldChange, complete?.would_change),
    '</section>\n',
  ].join('')
}

function judgeOf(snapshot: Snapshot, complete: JudgeComplete, headings: Headings): string {
  const labels = labelsOf(snapshot)
  const scores = SAGES.flatMap((sage) => {
    const score = complete.sage_scores[sage]
    if (typeof score !== 'number') return []
    const reason = complete.score_reasons?.[sage]
    return [`${nameOf(sage)} ${score}${reason === undefined ? '' : `: ${reason}`}`]
  })
  const { panel = [] } = complete
  const spoken = snapshot.judge.text
  const order = orderOf(snapshot, labels)
  const decision = labels.decisions[complete.final_decision]
  return [
    `<section>\n<h2>${escape(headings.judge)}</h2>\n`,
    `<h3>${who(snapshot, 'solomon')} - ${decision}</h3>\n`,
    order === '' ? '' : text(order),
    text(complete.reasoning),
    spoken === '' ? '' : `<h3>${escape(headings.said)}</h3>\n${text(spoken)}`,
    list(
      labels.panel,
      panel.map((vote) => seatOf(vote, labels)),
    ),
    list(panel.length > 0 ? labels.median : labels.score, scores),
    '</section>\n',
  ].join('')
}

function facts(snapshot: Snapshot, labels: Labels): string {
  const { council, cost_usd: cost, started_at, status, trace_id, usage, verdict } = snapshot
  const { fork_of: from, conversation_id: conversation } = snapshot
  const rows: [string, string][] = [
    [labels.record, trace_id],
    [labels.status, labels.statuses[status]],
  ]
  if (started_at !== undefined) rows.push([labels.askedAt, minuteOf(started_at)])
  if (from !== undefined) rows.push([labels.goesOnFrom, from])
  if (conversation !== undefined) rows.push([labels.conversation, conversation])
  if (council)
    rows.push(
      [labels.council, councilName(council, labels)],
      [labels.rule, ruleWord(council.rule, labels)],
      [labels.quorum, String(council.quorum)],
    )
  const estimated = usage.estimated ? ` (${labels.estimated})` : ''
  rows.push([labels.tokens, `${usage.input_tokens} → ${usage.output_tokens}${estimated}`])
  if (cost !== undefined) rows.push([labels.cost, `${cost.toFixed(4)} USD`])
  if (verdict) rows.push([labels.duration, `${(verdict.execution_time / 1000).toFixed(3)} s`])
  const lines = rows.map(([label, value]) => `<dt>${escape(label)}</dt><dd>${escape(value)}</dd>\n`)
  return `<dl>\n${lines.join('')}</dl>\n`
}
