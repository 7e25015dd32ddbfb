import type { OutcomeWord } from './outcome.ts'
import type { Texts } from './texts.ts'

type One = (value: string) => string

export interface HistoryWords {
  title: string
  list: string
  search: string
  searchHint: string
  clearSearch: string
  verdict: string
  anyVerdict: string
  preset: string
  anyPreset: string
  /** A council that was put together for one question. */
  custom: string
  from: string
  to: string
  clear: string
  csv: string
  csvFailed: One
  shown: (count: number, more: boolean) => string
  empty: { title: string; text: string; ask: string }
  nothing: { title: string; text: string }
  failed: One
  retry: string
  more: string
  choose: One
  chosenOne: string
  compare: string
  dropChoice: string
  menu: One
  rename: string
  remarks: string
  again: string
  follow: string
  withOrigin: string
  save: (format: string) => string
  formats: Record<'md' | 'json' | 'ndjson' | 'html', string>
  remove: string
  linked: string
  linkedTo: One
  conversation: string
  mine: One
  outcome: Record<OutcomeWord, string>
  outcomeOther: string
  dialog: {
    title: string
    name: string
    nameEmpty: string
    tooLong: (limit: number) => string
    undecided: string
    unread: string
    save: string
    cancel: string
    failed: One
  }
  actionFailed: One
}

export const HISTORY: Texts<HistoryWords> = {
  en: {
    title: 'History',
    list: 'Deliberations, newest first',
    search: 'Search',
    searchHint: 'Words in the question, what was said, or your notes',
    clearSearch: 'Clear the search',
    verdict: 'Verdict',
    anyVerdict: 'Any verdict',
    preset: 'Preset',
    anyPreset: 'Any preset',
    custom: 'custom',
    from: 'From',
    to: 'To',
    clear: 'Clear filters',
    csv: 'Export as CSV',
    csvFailed: (why) => `The list could not be exported: ${why}`,
    shown: (count, more) =>
      count === 1 && !more ? '1 deliberation' : `${count}${more ? '+' : ''} deliberations`,
    empty: {
      title: 'Nothing has been deliberated yet',
      text: 'Every question that you put to the council is kept here with its votes, its dissent and its cost, so that you can find it again and note later how it turned out.',
      ask: 'Put the first question',
    },
    nothing: {
      title: 'Nothing matches',
      text: 'No deliberation has all of these words and meets these filters.',
    },
    failed: (why) => `The history could not be read: ${why}`,
    retry: 'Try again',
    more: 'Show more',
    choose: (title) => `Choose for comparison: ${title}`,
    chosenOne: 'One is chosen. Choose another to compare the two.',
    compare: 'Compare the two',
    dropChoice: 'Drop the choice',
    menu: (title) => `Actions: ${title}`,
    rename: 'Rename …',
    remarks: 'My decision and outcome …',
    again: 'Ask again',
    follow: 'Follow-up question',
    withOrigin: 'Compare with the one it goes on from',
    save: (format) => `Save as ${format}`,
    formats: {
      md: 'Markdown',
      json: 'JSON',
      ndjson: 'NDJSON (all events)',
      html: 'HTML, one file',
    },
    remove: 'Delete',
    linked: 'linked',
    linkedTo: (id) => `Goes on from ${id}`,
    conversation: 'Follow-up question',
    mine: (text) => `My decision: ${text}`,
    outcome: { good: 'turned out well', bad: 'turned out badly', mixed: 'mixed outcome' },
    outcomeOther: 'outcome noted',
    dialog: {
      title: 'Your notes',
      name: 'Title',
      nameEmpty: 'A title cannot be empty.',
      tooLong: (limit) => `This is longer than ${limit} bytes.`,
      undecided: 'Not decided yet',
      unread: 'The conditions of this verdict could not be read.',
      save: 'Save',
      cancel: 'Cancel',
      failed: (why) => `It could not be saved: ${why}`,
    },
    actionFailed: (why) => `That did not work: ${why}`,
  },
  ja: {
    title: '履歴',
    list: '審議の一覧（新しい順）',
    search: '検索',
    searchHint: '問い、発言、評決、自分の記録に含まれる言葉',
    clearSearch: '検索を消す',
    verdict: '評決',
    anyVerdict: 'すべての評決',
    preset: 'プリセット',
    anyPreset: 'すべてのプリセット',
    custom: '個別設定',
    from: '開始日',
    to: '終了日',
    clear: '条件を消す',
    csv: 'CSV で書き出す',
    csvFailed: (why) => `一覧を書き出せませんでした: ${why}`,
    shown: (count, more) => `${count}件${more ? '以上' : ''}`,
    empty: {
      title: 'まだ審議はありません',
      text: 'ここで問うたことは、票、反対意見、費用とともにすべてここに残ります。あとから探し、比べ、実際どうなったかを書き添えられます。',
      ask: '最初の問いを立てる',
    },
    nothing: {
      title: '見つかりません',
      text: 'これらの言葉をすべて含み、条件に合う審議はありませんでした。',
    },
    failed: (why) => `履歴を読み込めませんでした: ${why}`,
    retry: 'もう一度試す',
    more: 'さらに表示',
    choose: (title) => `比較に選ぶ: ${title}`,
    chosenOne: '1件を選びました。もう1件選ぶと比較できます。',
    compare: '2件を比較',
    dropChoice: '選択を解除',
    menu: (title) => `操作: ${title}`,
    rename: '題名を変える…',
    remarks: '自分の決定と結果…',
    again: 'もう一度問う',
    follow: '続けて問う',
    withOrigin: '元の審議と比較',
    save: (format) => `${format}${format.endsWith('）') ? '' : ' '}で保存`,
    formats: {
      md: 'Markdown',
      json: 'JSON',
      ndjson: 'NDJSON（全イベント）',
      html: 'HTML（一つのファイル）',
    },
    remove: '削除',
    linked: '関連あり',
    linkedTo: (id) => `${id} に続く審議`,
    conversation: '続きの問い',
    mine: (text) => `自分の決定: ${text}`,
    outcome: { good: '良い結果', bad: '悪い結果', mixed: '一長一短' },
    outcomeOther: '結果の記録あり',
    dialog: {
      title: '自分の記録',
      name: '題名',
      nameEmpty: '題名を空にはできません。',
      tooLong: (limit) => `${limit} バイトを超えています。`,
      undecided: 'まだ決めていない',
      unread: 'この評決の条件を読み込めませんでした。',
      save: '保存',
      cancel: 'やめる',
      failed: (why) => `保存できませんでした: ${why}`,
    },
    actionFailed: (why) => `できませんでした: ${why}`,
  },
}
