import type { Texts } from './texts.ts'
import type { BarKind, Mark } from './trace.ts'
import { SEAL_WORDS, type Words } from './words.ts'

/** A decision in the reader's language. */
const decided = (word: string, { code }: Words): string =>
  SEAL_WORDS[word as keyof typeof SEAL_WORDS]?.[code] ?? word

/** Whom something was meant for, by name. */
const named = (to: string, { sages, judge, room }: Words): string =>
  to === 'all' ? room.note.all : (sages[to as keyof typeof sages]?.name ?? judge.name)

/** A verb, whom it was meant for, and who gave it where that was another program. */
function verbText({ what, detail, agent }: Mark, words: Words): string {
  const verb = words.room.verbs[what as keyof typeof words.room.verbs] ?? what
  const to = agent === undefined ? '' : `: ${named(agent, words)}`
  return `${verb}${to}${detail === '' ? '' : words.aside(detail)}`
}

export interface TraceWords {
  title: string
  views: { label: string; timeline: string; table: string; cost: string }
  none: string
  notWhole: string
  plot: string
  net: string
  bars: Record<BarKind, string>
  legend: string
  density: string
  phases: Record<'sages' | 'judge', string>
  at: (time: string) => string
  now: string
  nothingYet: string
  toEnd: string
  /** A moment or a span of the axis. */
  seconds: (value: string) => string
  attempt: (attempt: number) => string
  chars: (count: number) => string
  /** Between the parts of what a stretch was. */
  comma: string
  mark: (mark: Mark, words: Words) => string
  table: { from: string; to: string; who: string; what: string; detail: string; caption: string }
  cost: {
    caption: string
    who: string
    model: string
    input: string
    output: string
    cost: string
    shareOfCost: string
    shareOfTokens: string
    total: string
    unknown: string
    estimated: string
    estimatedNote: string
    free: string
    attempts: string
    firstWord: string
    pending: string
  }
}

export const TRACE: Texts<TraceWords> = {
  en: {
    title: 'Trace',
    views: { label: 'Show as', timeline: 'Timeline', table: 'Table', cost: 'Cost' },
    none: 'Nothing has happened yet.',
    notWhole:
      'The log is no longer kept from its beginning, so what happened when cannot be drawn.',
    plot: 'Timeline: press or drag to see a moment; the slider below does the same by keyboard',
    net: 'Council and connection',
    bars: {
      connecting: 'waiting for the first word',
      panel: 'a panel judges',
      thinking: 'thinking',
      writing: 'writing',
      retrying: 'waiting to try again',
      paused: 'paused',
    },
    legend: 'Legend',
    density: 'height: how much was said',
    phases: { sages: 'Sages', judge: 'Judge' },
    at: (time) => `At ${time}`,
    now: 'Now',
    nothingYet: 'has said nothing yet',
    toEnd: 'To the end',
    seconds: (value) => `${value} s`,
    attempt: (attempt) => `attempt ${attempt}`,
    chars: (count) => `${count.toLocaleString('en')} characters`,
    comma: ', ',
    mark: (mark, words) => {
      const { kind, what, detail } = mark
      switch (kind) {
        case 'vote':
          return `voted ${decided(what, words)}`
        case 'missing':
          return 'gave no vote'
        case 'judged':
          return `judged ${decided(what, words)}`
        case 'member':
          return detail === '' ? `${what} has judged` : `${what}: no answer`
        case 'fault':
          return `failed, tries again: ${words.trouble(what)}`
        case 'gave_up':
          return `failed for good: ${words.trouble(what)}`
        case 'tally':
          return `votes counted: ${what}`
        case 'verdict':
          return `verdict: ${decided(what, words)}`
        case 'stopped':
          return words.verdict.stoppedBy(what)
        case 'failed':
          return 'failed'
        case 'note':
          return `note to ${named(what, words)}`
        case 'verb':
          return verbText(mark, words)
        case 'refused':
          return `${verbText(mark, words)}: refused`
        case 'rewind':
          return `taken up again after event ${what}`
        case 'seam':
          return 'went on in another call'
        case 'lost':
          return 'connection lost'
        case 'offline':
          return 'this machine was offline'
        case 'back':
          return what === '0' ? 'connected again' : `connected again, ${what} events caught up`
      }
    },
    table: {
      from: 'From',
      to: 'To',
      who: 'Who',
      what: 'What',
      detail: 'Detail',
      caption: 'What happened when, in seconds since the question',
    },
    cost: {
      caption: 'Tokens and cost of each role',
      who: 'Role',
      model: 'Model',
      input: 'Tokens in',
      output: 'Tokens out',
      cost: 'Cost',
      shareOfCost: 'Share of the cost',
      shareOfTokens: 'Share of tokens out',
      total: 'Total',
      unknown: 'price not known',
      estimated: 'estimated',
      estimatedNote:
        '“Estimated”: the vendor did not count these tokens, so they are bytes divided by four. Costs are tokens times the prices in the settings; the bill is the vendor’s.',
      free: 'A rehearsal: no model was asked, and nothing was paid.',
      attempts: 'Attempts',
      firstWord: 'First word',
      pending: 'not done yet',
    },
  },
  ja: {
    title: '経過',
    views: { label: '表示', timeline: '時間軸', table: '表', cost: '費用' },
    none: 'まだ何も起きていません。',
    notWhole: 'ログの冒頭がもう保存されていないため、時間の流れを描けません。',
    plot: '時間軸: 押すかドラッグするとその時点を表示します。下のスライダーならキーボードでも操作できます',
    net: '評議全体と接続',
    bars: {
      connecting: '最初の言葉を待機',
      panel: '裁定パネルが裁定中',
      thinking: '思考',
      writing: '執筆',
      retrying: '再試行待ち',
      paused: '一時停止',
    },
    legend: '凡例',
    density: '高さは発言の量',
    phases: { sages: '賢者', judge: '裁定' },
    at: (time) => `${time}の時点`,
    now: '現在',
    nothingYet: 'まだ発言なし',
    toEnd: '最後へ',
    seconds: (value) => `${value}秒`,
    attempt: (attempt) => `${attempt}回目`,
    chars: (count) => `${count.toLocaleString('ja')}文字`,
    comma: '、',
    mark: (mark, words) => {
      const { kind, what, detail } = mark
      switch (kind) {
        case 'vote':
          return `${decided(what, words)}に投票`
        case 'missing':
          return '票なし'
        case 'judged':
          return `${decided(what, words)}と裁定`
        case 'member':
          return detail === '' ? `${what} が判断済み` : `${what}: 回答なし`
        case 'fault':
          return `失敗、再試行（${words.trouble(what)}）`
        case 'gave_up':
          return `失敗、断念（${words.trouble(what)}）`
        case 'tally':
          return `集計: ${what}`
        case 'verdict':
          return `評決: ${decided(what, words)}`
        case 'stopped':
          return words.verdict.stoppedBy(what)
        case 'failed':
          return '審議が失敗'
        case 'note':
          return `${words.room.note.toWhom(named(what, words))}の伝言`
        case 'verb':
          return verbText(mark, words)
        case 'refused':
          return `${verbText(mark, words)}: 受け付けられず`
        case 'rewind':
          return `イベント ${what} から再開`
        case 'seam':
          return '次の呼び出しで続行'
        case 'lost':
          return '接続が切れた'
        case 'offline':
          return 'この端末がオフライン'
        case 'back':
          return what === '0' ? '再接続' : `再接続、${what}件を取り戻した`
      }
    },
    table: {
      from: '開始',
      to: '終了',
      who: '誰が',
      what: '何を',
      detail: '詳細',
      caption: 'いつ何が起きたか（問うてからの秒数）',
    },
    cost: {
      caption: '役割ごとのトークンと費用',
      who: '役割',
      model: 'モデル',
      input: '入力トークン',
      output: '出力トークン',
      cost: '費用',
      shareOfCost: '費用の割合',
      shareOfTokens: '出力トークンの割合',
      total: '合計',
      unknown: '価格不明',
      estimated: '推定',
      estimatedNote:
        '「推定」はプロバイダーがトークン数を返さなかったもので、バイト数を4で割った値です。費用はトークン数に設定の単価を掛けたもので、実際の請求額はプロバイダーによります。',
      free: 'リハーサルのため、モデルは使っておらず、費用もかかっていません。',
      attempts: '試行',
      firstWord: '応答開始',
      pending: '未完了',
    },
  },
}
