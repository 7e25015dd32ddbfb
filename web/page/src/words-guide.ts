import type { Texts } from './texts.ts'

export interface GuideWords {
  title: string
  steps: readonly { name: string; text: string }[]
  more: string
}

/** The guide in short, for the help: it must be true of every door. */
export const GUIDE: Texts<GuideWords> = {
  en: {
    title: 'In short',
    steps: [
      {
        name: 'Ask',
        text: 'Put one question that can be answered with yes or no. What the models cannot know goes into the context.',
      },
      {
        name: 'Watch',
        text: 'Three sages write at the same time, and none sees the others’ answers. Each ends with a vote. The votes are counted; then the judge weighs the arguments without knowing whose they are.',
      },
      {
        name: 'Read the verdict',
        text: 'Three numbers: approved, rejected, abstained. Below them stands the rule that makes a verdict of them, and whether the judge agrees. Read the strongest objection to it and the conditions before you act.',
      },
      {
        name: 'Decide',
        text: 'The council advises, you decide. Write it beneath the verdict, tick the conditions as they are met, and say later how it turned out.',
      },
      {
        name: 'Find it again',
        text: 'The history has every deliberation. Search it, tick two to compare them, and find the rest in the menu of each row: ask again, rename, save, delete.',
      },
      {
        name: 'When something is wrong',
        text: '“Connection” goes the way to the council step by step, and says what is wrong and what mends it.',
      },
    ],
    more: 'At length and with pictures: docs/guide.md, in MAGI’s sources.',
  },
  ja: {
    title: '使い方',
    steps: [
      {
        name: '問う',
        text: '賛成か反対かで答えられる問いを一つ書きます。モデルが知りようのない事情は「背景」に書きます。',
      },
      {
        name: '見守る',
        text: '三人の賢者が、互いの答えを見ずに同時に書き、最後に一票を投じます。票を数えたあと、裁定者が、誰の意見かを知らされないまま論拠を比べます。',
      },
      {
        name: '評決を読む',
        text: '三つの数字は、可決・否決・棄権の票数です。その下に、票から評決を決める規則と、裁定者が同意したかどうかが出ます。実行に移す前に、この結論への最も強い反論と条件を読んでください。',
      },
      {
        name: '決める',
        text: '賢者たちは助言し、決めるのはあなたです。評決の下に自分の決定を書き、満たした条件に印を付け、結果が分かったら書き足します。',
      },
      {
        name: 'あとで探す',
        text: 'すべての審議は「履歴」にあります。検索のほか、2件に印を付けて比較できます。問い直し、名前の変更、保存、削除は各行のメニューから。',
      },
      {
        name: '様子がおかしいとき',
        text: '「接続」がサーバーまでの経路を順に確かめ、悪いところと直し方を示します。',
      },
    ],
    more: '図入りの詳しい説明は、MAGI のソースに含まれる docs/guide.ja.md にあります。',
  },
}
