/** What the development server plays: one of each ending the page must draw. */
import type { Script } from './script.ts'

export const OWN: Omit<Script, 'question' | 'lang'> = {
  mode: 'rehearsal',
  parts: {
    caspar: {
      text: 'No model is connected, so I have no opinion to give. I would examine what breaks first, who repairs it at night, and how the step is taken back.',
      decision: 'ABSTAINED',
      cause: 'rehearsal',
    },
    balthasar: {
      text: 'No model is connected. I would ask who gains, who carries the burden, and who was not in the room when this was proposed.',
      decision: 'ABSTAINED',
      cause: 'rehearsal',
    },
    melchior: {
      text: 'No model is connected. I would look for a measurement, its error, and what result would prove the proposal wrong.',
      decision: 'ABSTAINED',
      cause: 'rehearsal',
    },
  },
  summary: 'No decision: no model is connected, so every sage abstained.',
  recommendation: 'Connect a model: set MAGI_MODEL and start again.',
}

export const SCENES: Record<string, Script> = {
  billing: {
    question: 'Move billing to the new database in December?',
    lang: 'en',
    mode: 'rehearsal',
    parts: {
      caspar: {
        text: 'December is the month in which billing must not stop. The invoices of the year close on the 31st, and two of the four people who know the old schema are away from the 18th.\n\nWhat breaks first is the nightly reconciliation: it reads both databases, and nobody has run it against the new one with a full month.\n\n- The rollback has been written, but **never rehearsed**.\n- The freeze starts on the 10th.\n- A failed night costs a day of invoices.\n\nI would move in January, or in December with a rollback that somebody has done twice.',
        decision: 'REJECTED',
        confidence: 0.82,
        conditions: ['A rollback rehearsed twice on a copy of production'],
        would_change: ['A tested rollback', 'A freeze that begins after the 20th'],
        breakAt: 120,
      },
      balthasar: {
        thinking:
          'Who waits for this? Support has asked since spring. What does a bad December do to them?',
        text: 'Support answers forty letters a week about wrong invoices, and every one of them is a person who was promised an answer by December. The new database ends most of those letters.\n\nThe team wants to move now, while the work is in their hands. Waiting until January means that others finish it.\n\nMove, with a named person on call each night of the first week, and tell the customers beforehand.',
        decision: 'APPROVED',
        confidence: 0.64,
        conditions: ['A named person on call for the first seven nights'],
        would_change: ['Nobody willing to be on call over the holidays'],
      },
      melchior: {
        thinking: 'Five rehearsals. Compare error rates. Sample is small.',
        text: 'Five rehearsals were run with a copy of October. All five finished; the longest took 3 h 12 min against a window of 6 h. The totals agreed to the cent in each.\n\nWhat is not measured: a month with year-end bookings. The nearest evidence is June, which has half-year bookings, and June agreed as well.\n\nThe evidence supports the move. One rehearsal with last December would settle what is left.',
        decision: 'APPROVED',
        confidence: 0.78,
        conditions: ['One rehearsal with the data of last December'],
        would_change: ['A mismatch in that rehearsal'],
      },
    },
    judge: {
      text: 'Two approve and one rejects, and they do not contradict each other: the measurements speak for the move, the calendar against it. The objection names a thing that can be done in a week, a rehearsed rollback, so it is a condition rather than a refusal.',
      decision: 'APPROVED',
      confidence: 0.71,
      dissent: {
        agent: 'caspar',
        text: 'December is the month in which billing must not stop.',
      },
      conditions: [
        'Rehearse the rollback twice before the freeze on the 10th',
        'Name a person on call for the first seven nights',
        'Run one rehearsal with the data of last December',
      ],
      would_change: ['The rollback rehearsal fails', 'The freeze moves to an earlier day'],
      scores: { caspar: 78, balthasar: 66, melchior: 84 },
    },
    summary:
      'Move billing in December, before the freeze, on the condition that the rollback has been rehearsed.',
    recommendation: 'Rehearse the rollback this week; if it fails once, move in January.',
  },
  ekimae: {
    question: '駅前の市立図書館を、来年度から24時間開館にすべきか?',
    lang: 'ja',
    mode: 'rehearsal',
    parts: {
      caspar: {
        text: '夜間の開館でまず問題になるのは人員です。いまの職員数では、深夜に二人体制を組むと昼の窓口が週に十二時間閉まります。\n\n警備と光熱費は年間でおよそ二千四百万円の増加と見積もられています。財源の裏付けがないまま始めれば、三年目に縮小することになります。',
        decision: 'REJECTED',
        confidence: 0.8,
        conditions: ['夜間職員の採用と財源の確保'],
        would_change: ['県の補助が三年以上続くと決まること'],
      },
      balthasar: {
        thinking: '夜に居場所のない人は誰か。終電を逃した人、家に帰りたくない若者。',
        text: '夜に明かりのついた、お金のかからない場所がある。それだけで助かる人がいます。家に居場所のない若者、夜勤明けの人、受験生。\n\n図書館は本を貸すだけの場所ではありません。まず金曜と土曜の夜から始め、利用者の声を聞いてから広げてはどうでしょうか。',
        decision: 'APPROVED',
        confidence: 0.7,
        would_change: ['夜間に働く人の負担が減らせないとわかること'],
      },
      melchior: {
        text: '近隣三市の記録では、零時から五時の利用者は平均で一時間あたり三・一人でした。終夜開館を続けたのは三市のうち一市だけです。\n\n一方、二十二時までの延長では利用が二割増えています。根拠が支持するのは終夜開館ではなく、延長です。',
        decision: 'REJECTED',
        confidence: 0.86,
        conditions: ['二十二時までの延長を先に半年試す'],
        would_change: ['深夜の需要を示す調査'],
      },
    },
    judge: {
      text: '反対の二者は費用と利用実績という別々の根拠から同じ結論に至っています。賛成の論は対象となる人を最も具体的に描いていますが、その人たちが深夜の図書館を使うという証拠はまだありません。',
      decision: 'REJECTED',
      confidence: 0.77,
      dissent: {
        agent: 'balthasar',
        text: '図書館は本を貸すだけの場所ではありません。',
      },
      conditions: ['二十二時までの延長を半年試し、利用を測る'],
      would_change: ['金曜・土曜の試行で一時間あたり十人を超えること'],
      scores: { caspar: 74, balthasar: 70, melchior: 88 },
    },
    summary: '来年度からの24時間開館は見送り、まず22時までの延長を半年試す。',
    recommendation: '延長の試行と合わせて、金曜と土曜の夜間開館を一か月だけ試す。',
  },
  quay: {
    question: 'Build the second quay before the dredging is paid for?',
    lang: 'en',
    mode: 'live',
    parts: {
      caspar: {
        text: 'The dredging contract is not signed, and a quay that no ship can reach earns nothing. The builder wants half of the sum in advance.',
        decision: 'REJECTED',
        confidence: 0.74,
        would_change: ['A signed dredging contract'],
      },
      balthasar: {
        text: 'The crews have waited two winters for the work. A quay that stands makes the dredging harder to put off once more.',
        decision: 'APPROVED',
        confidence: 0.58,
      },
      melchior: {
        text: 'Of nine ports that built first, seven dredged within two years. The other two are still paying for an empty quay.',
        decision: 'APPROVED',
        confidence: 0.66,
      },
    },
    judge: {
      text: "All of SOLOMON's models failed, so a panel of 4 judged instead: 2 for, 1 against, 1 without an answer. Scores are medians; the words are those of anthropic:claude-haiku-4-5.\n\nThe record of the nine ports carries more than the fear of an empty quay, as long as the advance is kept small.",
      decision: 'APPROVED',
      dissent: {
        agent: 'caspar',
        text: 'The dredging contract is not signed, and a quay that no ship can reach earns nothing.',
      },
      conditions: ['Pay no more than a tenth in advance'],
      would_change: ['The dredging is refused'],
      scores: { caspar: 72, balthasar: 55, melchior: 81 },
      panel: [
        {
          model: 'openai:gpt-5-mini',
          final_decision: 'APPROVED',
          sage_scores: { caspar: 64, balthasar: 70, melchior: 90 },
        },
        {
          model: 'anthropic:claude-haiku-4-5',
          final_decision: 'APPROVED',
          sage_scores: { caspar: 72, balthasar: 55, melchior: 81 },
          speaks: true,
        },
        {
          model: 'ollama:qwen3:8b',
          error: 'the connection to the model was reset (network)',
        },
        {
          model: 'bedrock:global.amazon.nova-lite-v1:0',
          final_decision: 'REJECTED',
          sage_scores: { caspar: 88, balthasar: 40, melchior: 66 },
        },
      ],
    },
    summary:
      'Approved. 2 of 3 sages voted for it, 1 against; 0 abstained or did not answer. SOLOMON agrees with the votes.',
    recommendation: 'Build, with a tenth in advance.',
  },
  hotori: {
    question: '河川敷の旧倉庫を、取り壊さず交流施設に改修すべきか?',
    lang: 'ja',
    mode: 'live',
    parts: {
      caspar: {
        text: '耐震補強の見積もりが二社で倍ちがいます。金額が固まるまで決めるべきではありません。',
        decision: 'REJECTED',
        confidence: 0.7,
      },
      balthasar: {
        text: '倉庫は地区で唯一残った昭和の建物です。壊せば戻せませんが、改修はあとからでも見直せます。',
        decision: 'APPROVED',
        confidence: 0.72,
      },
      melchior: {
        text: '同規模の改修七例のうち五例が、三年目に想定の利用者数を超えています。',
        decision: 'APPROVED',
        confidence: 0.61,
      },
    },
    judge: {
      text: 'SOLOMON のモデルがすべて失敗したため、2つのモデルの裁定パネルが代わりに判断しました（賛成1、反対1、回答なし0）。点数は各モデルの中央値、以下は openai:gpt-5-mini の文章です。\n\n費用の不確かさと、失われるものの大きさが釣り合っており、どちらとも決められません。',
      decision: 'UNDECIDED',
      scores: { caspar: 75.5, balthasar: 68, melchior: 70 },
      panel: [
        {
          model: 'openai:gpt-5-mini',
          final_decision: 'APPROVED',
          sage_scores: { caspar: 70, balthasar: 74, melchior: 72 },
          speaks: true,
        },
        {
          model: 'anthropic:claude-haiku-4-5',
          final_decision: 'REJECTED',
          sage_scores: { caspar: 81, balthasar: 62, melchior: 68 },
        },
      ],
    },
    summary:
      '可決。賢者3名のうち、賛成2、反対1、棄権・無回答0でした。SOLOMON に代わる裁定パネルの判断は割れました。',
    recommendation: '耐震補強の見積もりを三社目から取る。',
  },
  degraded: {
    question: 'Drop support for clients older than three years?',
    lang: 'en',
    mode: 'live',
    parts: {
      caspar: {
        text: 'Four per cent of the traffic is a small number and a large customer.',
        decision: 'REJECTED',
      },
      balthasar: { text: '', decision: 'ABSTAINED', cause: 'failed' },
      melchior: {
        text: 'The old protocol is behind every incident of the last quarter but one.',
        decision: 'APPROVED',
        confidence: 0,
      },
    },
    judge: { text: '', decision: 'UNDECIDED', fails: true },
    summary: 'One for, one against, one missing: there is no decision.',
    recommendation: 'Ask again when the provider answers.',
  },
  broken: {
    question: 'What if no provider answers?',
    lang: 'en',
    mode: 'live',
    noVotes: true,
    parts: {
      caspar: { text: '', decision: 'ABSTAINED', cause: 'failed' },
      balthasar: { text: '', decision: 'ABSTAINED', cause: 'timeout' },
      melchior: { text: '', decision: 'ABSTAINED', cause: 'failed' },
    },
  },
}

// The last of each language is one that takes its time: the tests stop, cut and reload it.
for (const [name, of, question] of [
  ['january', 'billing', 'Move billing to the new database in January instead?'],
  ['kouminkan', 'ekimae', '公民館を、来年度から24時間開館にすべきか?'],
] as const) {
  const scene = SCENES[of]
  if (scene) SCENES[name] = { ...scene, question }
}
