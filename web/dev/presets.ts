/** Councils as the server lists them: enough of each to choose by. */
export const PRESETS = [
  {
    name: 'default',
    version: 1,
    rule: 'majority',
    quorum: 2,
    title: { en: 'Default', ja: '標準' },
    good_for: {
      en: 'Everyday decisions for or against a proposal.',
      ja: '賛成か反対かを決めたい、ふつうの意思決定。',
    },
    bad_at: { en: 'Looking up facts, and arithmetic.', ja: '事実の調べものや計算。' },
  },
  {
    name: 'strict',
    version: 1,
    rule: 'unanimous',
    quorum: 3,
    title: { en: 'Strict', ja: '厳格' },
    good_for: { en: 'Decisions that are hard to undo.', ja: '取り返しのつかない決定。' },
    bad_at: { en: 'Urgent calls: it often ends undecided.', ja: '急ぎの判断。' },
  },
]
