import type { Deadline } from './preset-draft.ts'
import type { Texts } from './texts.ts'

type One = (value: string) => string

export interface PresetWords {
  title: string
  intro: string
  create: string
  import: string
  importFailed: Record<'too_large' | 'not_json' | 'not_a_preset', string>
  failed: One
  retry: string
  loading: string
  builtin: string
  own: string
  used: (count: number) => string
  version: (version: number) => string
  goodFor: string
  badAt: string
  open: One
  copy: string
  export: string
  remove: string
  removeSure: string
  back: string
  newTitle: string
  readOnly: string
  oldVersion: (version: number) => string
  newest: string
  sections: Record<'about' | 'decide' | 'roles' | 'time' | 'spend' | 'format' | 'versions', string>
  name: string
  nameHint: string
  fieldTitle: string
  base: string
  baseHint: string
  rule: string
  quorum: string
  late: string
  lateWord: Record<string, string>
  inherited: (value: string) => string
  settings: string
  prompt: string
  promptHint: string
  model: string
  modelHint: string
  fallbacks: string
  fallbacksHint: string
  temperature: string
  topP: string
  maxTokens: string
  member: string
  memberWord: { yes: string; no: string }
  vendorDefault: string
  deadlines: Record<Deadline, string>
  seconds: string
  usd: string
  tokens: string
  noLimit: string
  voteFormat: string
  verdictFormat: string
  formatNote: string
  versionOf: (version: number, when: string) => string
  restore: string
  lang: { ja: string; en: string }
  save: string
  saved: (name: string, version: number) => string
  cancel: string
  faults: Record<'number' | 'name' | 'needed', string>
  refused: One
  discard: string
}

export const PRESETS: Texts<PresetWords> = {
  en: {
    title: 'Presets',
    intro:
      'A preset is a council that can be asked for by name: its roles, its models, and how votes become a verdict. Each says what it is bad at.',
    create: 'New preset',
    import: 'Import',
    importFailed: {
      too_large: 'The file is larger than 512 KiB.',
      not_json: 'The file is not JSON.',
      not_a_preset: 'The file holds no preset: it has neither “bad_at” nor “council”.',
    },
    failed: (why) => `The presets could not be read: ${why}`,
    retry: 'Try again',
    loading: 'Reading the presets',
    builtin: 'built in',
    own: 'your own',
    used: (count) => (count === 1 ? 'used once' : `used ${count} times`),
    version: (version) => `version ${version}`,
    goodFor: 'Good for',
    badAt: 'Bad at',
    open: (name) => `Open ${name}`,
    copy: 'Copy',
    export: 'Export',
    remove: 'Delete',
    removeSure: 'Delete for good',
    back: 'All presets',
    newTitle: 'New preset',
    readOnly: 'This one comes with the program and cannot be changed. A copy can.',
    oldVersion: (version) => `This is version ${version}, as it was.`,
    newest: 'Show the newest',
    sections: {
      about: 'What it is',
      decide: 'How it decides',
      roles: 'Who sits on it',
      time: 'How long it may take',
      spend: 'What it may spend',
      format: 'How they must answer',
      versions: 'Versions',
    },
    name: 'Name',
    nameHint: '1 to 64 of a–z, 0–9 and -',
    fieldTitle: 'Title',
    base: 'Made from',
    baseHint: 'What is left empty below is as in this one.',
    rule: 'Rule',
    quorum: 'Quorum',
    late: 'A late sage',
    lateWord: { wait: 'is waited for', exclude: 'is left out' },
    inherited: (value) => (value === '' ? 'as in the base' : `as in the base: ${value}`),
    settings: 'as in the settings',
    prompt: 'Role',
    promptHint: 'Empty: the text of the base.',
    model: 'Model',
    modelHint: 'provider:model',
    fallbacks: 'Fallbacks',
    fallbacksHint: 'In this order, separated by commas',
    temperature: 'Temperature',
    topP: 'Top-p',
    maxTokens: 'Most tokens of an answer',
    member: 'On the council',
    memberWord: { yes: 'yes', no: 'no' },
    vendorDefault: 'the vendor’s',
    deadlines: {
      connect: 'Until a call is accepted',
      first_token: 'Until the first word',
      idle: 'Silence between two words',
      sage_total: 'One sage, all attempts',
      judge_total: 'The judge, all attempts',
      late: 'Waiting for a late sage',
      whole: 'The whole deliberation',
      throttle_cap: 'Throttled waiting that counts',
      unwatched: 'While nobody watches',
      paused: 'While paused',
    },
    seconds: 's',
    usd: 'US dollars',
    tokens: 'Tokens',
    noLimit: 'no limit',
    voteFormat: 'The sages’ vote',
    verdictFormat: 'The judge’s verdict',
    formatNote:
      'This follows every role text. It cannot be changed, because votes are counted by program.',
    versionOf: (version, when) =>
      when === '' ? `Version ${version}` : `Version ${version}, ${when}`,
    restore: 'Edit from this version',
    lang: { ja: 'in Japanese', en: 'in English' },
    save: 'Save',
    saved: (name, version) => `${name} is saved as version ${version}.`,
    cancel: 'Cancel',
    faults: {
      number: 'A number, 0 or more.',
      name: '1 to 64 of a–z, 0–9 and -.',
      needed: 'Say in one language at least what it is bad at.',
    },
    refused: (why) => `It was not saved: ${why}`,
    discard: 'Discard changes',
  },
  ja: {
    title: 'プリセット',
    intro:
      'プリセットは、名前で呼び出せる評議の構成です。役割、モデル、票から評決を出す決め方をまとめ、何が苦手かも明記します。',
    create: '新しく作る',
    import: '読み込む',
    importFailed: {
      too_large: 'ファイルが 512 KiB を超えています。',
      not_json: 'ファイルが JSON ではありません。',
      not_a_preset: 'プリセットのファイルではありません（bad_at も council もありません）。',
    },
    failed: (why) => `プリセットを読み込めませんでした: ${why}`,
    retry: 'もう一度試す',
    loading: 'プリセットを読み込んでいます',
    builtin: '組み込み',
    own: '自作',
    used: (count) => `${count}回使用`,
    version: (version) => `第${version}版`,
    goodFor: '向いていること',
    badAt: '苦手なこと',
    open: (name) => `${name} を開く`,
    copy: '複製',
    export: '書き出す',
    remove: '削除',
    removeSure: '本当に削除',
    back: 'プリセット一覧',
    newTitle: '新しいプリセット',
    readOnly: '組み込みのプリセットは変更できません。複製すれば編集できます。',
    oldVersion: (version) => `第${version}版の内容です。`,
    newest: '最新の版を表示',
    sections: {
      about: '概要',
      decide: '決め方',
      roles: '構成員',
      time: '制限時間',
      spend: '予算',
      format: '回答の形式',
      versions: '版の履歴',
    },
    name: '識別名',
    nameHint: 'a〜z、0〜9、- で1〜64文字',
    fieldTitle: '名称',
    base: '土台',
    baseHint: '下で空欄にした項目は、これと同じになります。',
    rule: '決め方',
    quorum: '定足数',
    late: '遅れた賢者',
    lateWord: { wait: '待つ', exclude: '除いて進める' },
    inherited: (value) => (value === '' ? '土台と同じ' : `土台と同じ（${value}）`),
    settings: '設定どおり',
    prompt: '役割の説明',
    promptHint: '空欄なら土台の文章を使います。',
    model: 'モデル',
    modelHint: 'プロバイダー:モデル',
    fallbacks: '代替モデル',
    fallbacksHint: '試す順に、カンマ区切りで',
    temperature: '温度',
    topP: 'Top-p',
    maxTokens: '回答の最大トークン数',
    member: '評議に加える',
    memberWord: { yes: '加える', no: '加えない' },
    vendorDefault: 'プロバイダーの既定値',
    deadlines: {
      connect: '呼び出しの受付まで',
      first_token: '最初の言葉まで',
      idle: '言葉の途切れ',
      sage_total: '賢者一人（全試行）',
      judge_total: '裁定者（全試行）',
      late: '遅れた賢者を待つ時間',
      whole: '審議全体',
      throttle_cap: '制限による待ち時間を数える上限',
      unwatched: '誰も見ていないとき',
      paused: '一時停止中',
    },
    seconds: '秒',
    usd: '米ドル',
    tokens: 'トークン',
    noLimit: '上限なし',
    voteFormat: '賢者の票',
    verdictFormat: '裁定者の評決',
    formatNote:
      'すべての役割の説明に続けて渡されます。票はプログラムが数えるため、変更できません。',
    versionOf: (version, when) => (when === '' ? `第${version}版` : `第${version}版（${when}）`),
    restore: 'この版から編集',
    lang: { ja: '日本語', en: '英語' },
    save: '保存',
    saved: (name, version) => `${name} を第${version}版として保存しました。`,
    cancel: 'やめる',
    faults: {
      number: '0以上の数を入れてください。',
      name: 'a〜z、0〜9、- を使い、1〜64文字にしてください。',
      needed: '苦手なことを、どちらかの言語で書いてください。',
    },
    refused: (why) => `保存できませんでした: ${why}`,
    discard: '変更を捨てる',
  },
}
