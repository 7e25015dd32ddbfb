/** The fixed words of a record in both languages: the twin of `crates/magi-server/src/export/labels.rs`. */
import type {
  Cause,
  Complete,
  CouncilInfo,
  Decision,
  FinalDecision,
  Sage,
  Snapshot,
  Status,
} from '@magi/stream'
import { FOLLOW, LABELS } from './mine.ts'
import type { OutcomeWord } from './outcome.ts'

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
  /** What a rejection asks for counts for who goes ahead all the same. */
  conditionsAnyway: string
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
  goesOnFrom: string
  conversation: string
  /** What stands before the letter under which the judge knows a sage. */
  sageLetter: string
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
  follow: string
  why: string
  leaning: string
  undecidedYet: string
  outcome: string
  outcomes: Record<OutcomeWord, string>
  note: string
  /** The headings of the Markdown record. The English ones are MADR's own. */
  headings: Headings
  /** What a person chose, and why where that is known. */
  chosen: (option: string, why: string) => string
  noneChosen: (why: string) => string
  advises: (option: string, why: string) => string
  noneAdvised: (why: string) => string
  good: (why: string, whose: string) => string
  neutral: (why: string, whose: string) => string
  bad: (why: string, whose: string) => string
  tally: (votes: Complete['voting_result']) => string
  /** The titles of the presets of the house; a record is made where no server tells them. */
  presets: Readonly<Record<string, string>>
  titled: (title: string, name: string) => string
  /** Between two words in a bracket. */
  comma: string
}

interface Headings {
  problem: string
  drivers: string
  options: string
  outcome: string
  consequences: string
  confirmation: string
  prosAndCons: string
  more: string
}

/** A reason, where there is one. */
const because = (before: string, why: string): string => (why === '' ? '' : before + why)

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
  conditionsAnyway: 'Conditions, if you go ahead anyway',
  dissent: 'Strongest objection to this verdict',
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
  goesOnFrom: 'Goes on from',
  conversation: 'Conversation',
  sageLetter: 'Sage ',
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
  follow: FOLLOW.en,
  why: LABELS.why.en,
  leaning: LABELS.leaning.en,
  undecidedYet: 'No decision is recorded yet.',
  outcome: 'How it turned out',
  outcomes: { good: 'turned out well', bad: 'turned out badly', mixed: 'mixed outcome' },
  note: 'Note',
  headings: {
    problem: 'Context and Problem Statement',
    drivers: 'Decision Drivers',
    options: 'Considered Options',
    outcome: 'Decision Outcome',
    consequences: 'Consequences',
    confirmation: 'Confirmation',
    prosAndCons: 'Pros and Cons of the Options',
    more: 'More Information',
  },
  chosen: (option, why) => `Chosen option: "${option}"${because(', because ', why)}`,
  noneChosen: (why) => `No option was chosen: ${why}`,
  advises: (option, why) => `The council advises: "${option}", because ${why}`,
  noneAdvised: (why) => `The council did not decide: ${why}`,
  good: (why, whose) => `Good, because ${why} (${whose})`,
  neutral: (why, whose) => `Neutral, because ${why} (${whose})`,
  bad: (why, whose) => `Bad, because ${why} (${whose})`,
  tally: ({ approved, rejected, abstained }) =>
    `${approved} approved, ${rejected} rejected, ${abstained} abstained`,
  presets: { default: 'Default', strict: 'Strict', brainstorm: 'Brainstorm', classic: 'Classic' },
  titled: (title, name) => `${title} (${name})`,
  comma: ', ',
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
  conditionsAnyway: '進める場合の条件',
  dissent: 'この結論への最も強い反論',
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
  goesOnFrom: '元の審議',
  conversation: '一連の問い',
  sageLetter: '賢者',
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
  follow: FOLLOW.ja,
  why: LABELS.why.ja,
  leaning: LABELS.leaning.ja,
  undecidedYet: '決定はまだ記録されていません。',
  outcome: '結果',
  outcomes: { good: '良い結果', bad: '悪い結果', mixed: '一長一短' },
  note: 'メモ',
  headings: {
    problem: '背景と課題',
    drivers: '判断の観点',
    options: '検討した選択肢',
    outcome: '決定',
    consequences: '影響',
    confirmation: '確認',
    prosAndCons: '選択肢の長所と短所',
    more: '補足情報',
  },
  chosen: (option, why) => `選んだ選択肢: 「${option}」${because('。理由: ', why)}`,
  noneChosen: (why) => `どの選択肢も選ばれませんでした。理由: ${why}`,
  advises: (option, why) => `評議の助言: 「${option}」。理由: ${why}`,
  noneAdvised: (why) => `評議の結論は不成立でした。理由: ${why}`,
  good: (why, whose) => `支持する理由: ${why}（${whose}）`,
  neutral: (why, whose) => `中立の理由: ${why}（${whose}）`,
  bad: (why, whose) => `懸念: ${why}（${whose}）`,
  tally: ({ approved, rejected, abstained }) =>
    `可決${approved}、否決${rejected}、棄権${abstained}`,
  presets: { default: '標準', strict: '厳格', brainstorm: '発想', classic: 'クラシック' },
  titled: (title, name) => `${title}（${name}）`,
  comma: '、',
}

export const labelsOf = ({ lang }: Pick<Snapshot, 'lang'>): Labels => (lang === 'ja' ? JA : EN)

/** The option that a decision takes, if it takes one. */
export function optionOf(decision: FinalDecision, { approve, reject }: Labels): string | undefined {
  return { APPROVED: approve, REJECTED: reject, UNDECIDED: undefined }[decision]
}

export const conditionsLabel = (
  decision: Decision | FinalDecision | undefined,
  labels: Labels,
): string => (decision === 'REJECTED' ? labels.conditionsAnyway : labels.conditions)

/** The council's name and version, those of a preset of the house under its title. */
export function councilName({ name: preset, version }: CouncilInfo, labels: Labels): string {
  const name = `${preset} v${version}`
  const title = Object.hasOwn(labels.presets, preset) ? labels.presets[preset] : undefined
  return title === undefined ? name : labels.titled(title, name)
}

/** An instant to the minute. Where the reader is, is not known: the time zone is named. */
export const minuteOf = (at: string): string => `${at.slice(0, 10)} ${at.slice(11, 16)} UTC`
