import type { Seat } from '@magi/stream'
import type { Texts } from './texts.ts'

/** How many of a panel were for it, against it, undecided, and without an answer. */
export interface PanelCount {
  approved: number
  rejected: number
  undecided: number
  none: number
}

export interface PanelWords {
  title: string
  /** While it judges: why, and how. */
  judging: string
  why: string
  seats: Record<Seat['state'], string>
  answered: (answered: number, of: number) => string
  /** The models of an attempt, in the place of one model's name. */
  of: (models: string) => string
  count: (count: PanelCount) => string
  model: string
  decision: string
  score: (name: string) => string
  speaks: string
  none: (why: string) => string
  result: string
  medians: string
  split: string
  agrees: string
  disagrees: string
  overruled: string
  dissentsFrom: (count: string) => string
  overruledOf: (count: string) => string
}

export const PANEL: Texts<PanelWords> = {
  en: {
    title: 'The panel in SOLOMON’s place',
    judging: 'SOLOMON gives way to a panel',
    why: 'All of SOLOMON’s models failed. Each of these judges by itself; what they say is put together when all have ended.',
    seats: {
      waiting: 'is called',
      judging: 'judging',
      judged: 'has judged',
      failed: 'no answer',
    },
    answered: (answered, of) => `${answered} of ${of} have ended`,
    of: (models) => `panel of ${models}`,
    count: ({ approved, rejected, undecided, none }) =>
      [
        `${approved} for`,
        `${rejected} against`,
        undecided > 0 ? `${undecided} undecided` : '',
        none > 0 ? `${none} without an answer` : '',
      ]
        .filter(Boolean)
        .join(', '),
    model: 'Model',
    decision: 'Decision',
    score: (name) => `Score of ${name}`,
    speaks: 'the words of the judgment',
    none: (why) => `no answer: ${why}`,
    result: 'The panel: majority and medians',
    medians: 'Weight of the arguments, 0 to 100: the panel’s medians',
    split: 'The panel that judged in SOLOMON’s place was split.',
    agrees: 'The panel agrees with the votes.',
    disagrees: 'The panel disagrees with the votes. The votes decided.',
    overruled: 'The panel overruled the votes.',
    dissentsFrom: (count) => `Panel dissents from ${count}.`,
    overruledOf: (count) => `Panel overruled ${count}.`,
  },
  ja: {
    title: 'SOLOMON に代わる裁定パネル',
    judging: 'SOLOMON に代わり裁定パネルが裁定中',
    why: 'SOLOMON のモデルがすべて失敗しました。各モデルが互いの答えを見ずに判断し、全員が終わってから結果をまとめます。',
    seats: {
      waiting: '呼び出し中',
      judging: '審理中',
      judged: '判断済み',
      failed: '回答なし',
    },
    answered: (answered, of) => `${of}モデル中 ${answered}モデルが終了`,
    of: (models) => `裁定パネル（${models}）`,
    count: ({ approved, rejected, undecided, none }) =>
      [
        `賛成${approved}`,
        `反対${rejected}`,
        undecided > 0 ? `不成立${undecided}` : '',
        none > 0 ? `回答なし${none}` : '',
      ]
        .filter(Boolean)
        .join('、'),
    model: 'モデル',
    decision: '判断',
    score: (name) => `${name} の評点`,
    speaks: '判断文はこのモデルのもの',
    none: (why) => `回答なし: ${why}`,
    result: '裁定パネル（多数決と中央値）',
    medians: '論拠の重み（0〜100、裁定パネルの中央値）',
    split: 'SOLOMON に代わる裁定パネルの判断は割れました。',
    agrees: '裁定パネルは票の結果に同意しています。',
    disagrees: '裁定パネルは票の結果に同意していません。結論は票によるものです。',
    overruled: '裁定パネルが票の結果を覆しました。',
    dissentsFrom: (count) => `裁定パネルは ${count} の票に反対しています。`,
    overruledOf: (count) => `裁定パネルが ${count} の票を覆しました。`,
  },
}
