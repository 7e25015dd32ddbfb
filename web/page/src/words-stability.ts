import type { Texts } from './texts.ts'
import type { Stability, Turn } from './stability.ts'

export interface StabilityWords {
  title: string
  label: string
  /** What judging more than once is for. */
  why: string
  times: (count: number) => string
  about: (count: number) => string
  judging: (ended: number, of: number) => string
  over: (stability: Stability) => string
  differs: string
  same: string
  states: Record<Exclude<Turn['state'], 'judged'>, string>
  order: (names: string) => string
  open: (place: number) => string
}

export const STABILITY: Texts<StabilityWords> = {
  en: {
    title: 'Stability',
    label: 'How often',
    why: 'More than once: to see whether the judgment stays the same when the sages are shown in another order.',
    times: (count) => (count === 1 ? 'once' : `${count} times`),
    about: (count) =>
      `The judge is called ${count} times, in other orders of the sages as far as there are any. Here it is said how many come to the same decision; each is a linked deliberation of its own.`,
    judging: (ended, of) => `judged again: ${ended} of ${of}`,
    over: ({ same, judged, failed }) => {
      const missing = failed > 0 ? `, ${failed} failed` : ''
      if (judged === 0) return 'no judgment was made'
      return `${same === judged ? 'stable' : 'unstable:'} ${same}/${judged}${missing}`
    },
    differs: 'differs',
    same: 'same',
    states: { judging: 'judging', none: 'no judgment', unread: 'could not be read' },
    order: (names) => `Order: ${names}`,
    open: (place) => `Open no. ${place}`,
  },
  ja: {
    title: '裁定の安定性',
    label: '裁定の回数',
    why: '2回以上にすると、賢者を示す順番を変えて裁定を繰り返し、判断がぶれないかを確かめます。',
    times: (count) => `${count}回`,
    about: (count) =>
      `賢者を示す順番をできるかぎり変えながら裁定者を${count}回呼び、同じ判断になった回数をここに表示します。それぞれ元の審議に関連づけた審議として残ります。`,
    judging: (ended, of) => `再裁定中: ${of}回中 ${ended}回が終了`,
    over: ({ same, judged, failed }) => {
      const missing = failed > 0 ? `、失敗 ${failed}回` : ''
      if (judged === 0) return '裁定は一度も行われませんでした'
      return `${same === judged ? '安定' : '不安定'} ${same}/${judged}${missing}`
    },
    differs: '異なる',
    same: '同じ',
    states: { judging: '裁定中', none: '裁定なし', unread: '読み込めませんでした' },
    order: (names) => `順番: ${names}`,
    open: (place) => `${place}回目を開く`,
  },
}
