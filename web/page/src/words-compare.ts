import type { Texts } from './texts.ts'

export interface CompareWords {
  title: string
  swap: string
  back: string
  same: string
  differs: string
  /** What the column of the two words above is called. */
  mark: string
  loading: string
  failed: (side: string, why: string) => string
  facts: string
  what: string
  verdict: string
  votes: string
  /** Stands there only where what a person wrote could not be read. */
  notes: string
  unread: string
  leaning: string
  counted: (votes: { approved: number; rejected: number; abstained: number }) => string
  vote: (name: string) => string
  judge: string
  panel: string
  panelUncalled: (models: string) => string
  objection: string
  outcome: string
  time: string
  tokens: string
  cost: string
  preset: string
  rule: string
  quorum: string
  model: (name: string) => string
  language: string
  context: string
  contextBytes: (characters: number) => string
  none: string
  texts: string
  whose: string
  noText: string
  allSame: string
  changes: (changed: number, of: number) => string
  onlyChanges: string
  only: (side: string) => string
  both: string
}

export const COMPARE: Texts<CompareWords> = {
  en: {
    title: 'Compare',
    swap: 'Swap A and B',
    back: 'Choose others',
    same: 'same',
    differs: 'differs',
    mark: 'Same or different',
    loading: 'Reading both deliberations',
    failed: (side, why) => `${side} could not be read: ${why}`,
    facts: 'Verdicts, grounds, decisions, cost and settings of the two',
    what: 'What',
    verdict: 'Verdict',
    votes: 'Votes',
    notes: 'Your notes',
    unread: 'could not be read',
    leaning: 'Leaning before',
    counted: ({ approved, rejected, abstained }) =>
      `${approved} approved, ${rejected} rejected, ${abstained} abstained`,
    vote: (name) => `Vote of ${name}`,
    judge: 'The judge',
    panel: 'The judge’s panel',
    panelUncalled: (models) => `not called: ${models}`,
    objection: 'Strongest objection to this verdict',
    outcome: 'How it turned out',
    time: 'Time',
    tokens: 'Tokens',
    cost: 'Cost',
    preset: 'Preset',
    rule: 'Rule',
    quorum: 'Quorum',
    model: (name) => `Model of ${name}`,
    language: 'Language',
    context: 'Context',
    contextBytes: (characters) => `${characters.toLocaleString('en')} characters`,
    none: '–',
    texts: 'What they said',
    whose: 'Whose words',
    noText: 'Neither said anything.',
    allSame: 'Word for word the same.',
    changes: (changed, of) => `${changed} of ${of} paragraphs differ`,
    onlyChanges: 'Show only what differs',
    only: (side) => `only in ${side}`,
    both: 'in both',
  },
  ja: {
    title: '比較',
    swap: 'A と B を入れ替え',
    back: '選び直す',
    same: '同じ',
    differs: '違う',
    mark: '同じか違うか',
    loading: '二つの審議を読み込んでいます',
    failed: (side, why) => `${side} を読み込めませんでした: ${why}`,
    facts: '二つの審議の評決、根拠、自分の決定、費用、設定',
    what: '項目',
    verdict: '評決',
    votes: '票数',
    notes: '自分の記録',
    unread: '読み込めませんでした',
    leaning: '事前の考え',
    counted: ({ approved, rejected, abstained }) =>
      `可決${approved}・否決${rejected}・棄権${abstained}`,
    vote: (name) => `${name} の票`,
    judge: '裁定者',
    panel: '裁定者に代わる裁定パネル',
    panelUncalled: (models) => `招集なし: ${models}`,
    objection: 'この結論への最も強い反論',
    outcome: 'その後の結果',
    time: '所要時間',
    tokens: 'トークン',
    cost: '費用',
    preset: 'プリセット',
    rule: '決め方',
    quorum: '定足数',
    model: (name) => `${name} のモデル`,
    language: '言語',
    context: '背景',
    contextBytes: (characters) => `${characters.toLocaleString('ja')}文字`,
    none: '–',
    texts: '発言',
    whose: '誰の発言',
    noText: 'どちらにも発言はありません。',
    allSame: '一字一句同じです。',
    changes: (changed, of) => `${of}段落中${changed}段落が異なります`,
    onlyChanges: '違う段落だけ表示',
    only: (side) => `${side} のみ`,
    both: '共通',
  },
}
