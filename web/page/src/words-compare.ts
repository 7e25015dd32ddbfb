import type { Texts } from './texts.ts'

export interface CompareWords {
  title: string
  swap: string
  back: string
  same: string
  changed: string
  loading: string
  failed: (side: string, why: string) => string
  facts: string
  what: string
  verdict: string
  votes: string
  vote: (name: string) => string
  judge: string
  time: string
  tokens: string
  cost: string
  preset: string
  rule: string
  quorum: string
  model: (name: string) => string
  language: string
  question: string
  context: string
  contextNone: string
  contextBytes: (characters: number) => string
  asked: string
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
    changed: 'changed',
    loading: 'Reading both deliberations',
    failed: (side, why) => `${side} could not be read: ${why}`,
    facts: 'Verdicts, votes, cost and settings of the two',
    what: 'What',
    verdict: 'Verdict',
    votes: 'Votes',
    vote: (name) => `Vote of ${name}`,
    judge: 'The judge',
    time: 'Time',
    tokens: 'Tokens',
    cost: 'Cost',
    preset: 'Preset',
    rule: 'Rule',
    quorum: 'Quorum',
    model: (name) => `Model of ${name}`,
    language: 'Language',
    question: 'Question',
    context: 'Context',
    contextNone: 'none',
    contextBytes: (characters) => `${characters.toLocaleString('en')} characters`,
    asked: 'Asked',
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
    changed: '相違',
    loading: '二つの審議を読み込んでいます',
    failed: (side, why) => `${side} を読み込めませんでした: ${why}`,
    facts: '二つの審議の評決、票、費用、設定',
    what: '項目',
    verdict: '評決',
    votes: '票数',
    vote: (name) => `${name} の票`,
    judge: '裁定者',
    time: '所要時間',
    tokens: 'トークン',
    cost: '費用',
    preset: 'プリセット',
    rule: '決め方',
    quorum: '定足数',
    model: (name) => `${name} のモデル`,
    language: '言語',
    question: '問い',
    context: '背景',
    contextNone: 'なし',
    contextBytes: (characters) => `${characters.toLocaleString('ja')}文字`,
    asked: '日時',
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
