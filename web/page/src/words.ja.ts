import type { Words } from './words.ts'

const time = new Intl.DateTimeFormat('ja', { dateStyle: 'medium', timeStyle: 'short' })
const number = new Intl.NumberFormat('ja')

export const ja: Words = {
  code: 'ja',
  tagline: '問いはひとつ、賢者は三人、評決はひとつ',
  headline: '何を決めますか?',
  intro:
    '三人の賢者が、互いの答えを見ずに同時に考えます。票はプログラムが数え、裁定者が論拠を吟味して評決を述べます。',
  question: '問い',
  questionHint: '12月に課金システムを新しいデータベースへ移行すべきか?',
  wholeQuestion: '問いの全文',
  context: '背景',
  contextHint: '事実、数字、メモなど、賢者に知っておいてほしいこと。',
  addContext: '背景を加える',
  answerIn: '回答の言語',
  auto: '自動',
  convene: '審議を始める',
  enterHint: 'Enterで開始、Shift+Enterで改行',
  tooLong: (bytes, limit) =>
    `問いが長すぎます(${number.format(bytes)} / ${number.format(limit)} バイト)。詳細は「背景」に移してください。`,
  pageLanguage: '表示言語',
  theme: { label: '外観', auto: '自動', dark: 'ダーク', light: 'ライト' },
  home: 'MAGI トップへ',
  skipToVerdict: '評決へ移動',

  sages: {
    caspar: { name: 'CASPAR', role: '実務 ― リスクから考える' },
    balthasar: { name: 'BALTHASAR', role: '創造 ― 人と倫理から考える' },
    melchior: { name: 'MELCHIOR', role: '科学 ― 根拠から考える' },
  },
  judge: { name: 'SOLOMON', role: '裁定者' },

  token: {
    title: 'トークンが必要です',
    why: 'サーバーの起動時に MAGI_TOKEN に設定した値です。このタブを閉じるまで保持します。',
    label: 'トークン',
    wrong: 'サーバーはこのトークンを受け付けませんでした。',
    enter: '開く',
  },
  answers: {
    rehearsal: 'いまはリハーサルが答えます(用意された台本。モデルは使いません)。',
    rehearsalHow: 'モデルをつなぐには、環境変数をひとつ設定して起動し直します。例:',
    models: (list) => `回答するモデル: ${list}`,
    unknown: '何が回答するかをサーバーから取得できませんでした。',
  },

  scenes: {
    title: 'リハーサルを見る',
    note: '用意された台本をその場で上演します。アカウントもモデルも費用も要りません。',
    play: '次の場面を上演:',
    none: 'このサーバーには台本がありません。',
  },
  history: {
    title: 'これまでの審議',
    none: 'まだ審議の記録はありません。',
    open: (question) => `開く: ${question}`,
    failed: '記録を読み込めませんでした。',
    more: 'さらに古い記録を表示',
  },
  mode: {
    rehearsal: 'リハーサル',
    rehearsalNote: 'この答えはあらかじめ書かれた台本です。モデルには問い合わせていません。',
    replay: '再生',
    replayNote: '実際にあった審議を再生しています。新たな問い合わせはしていません。',
  },

  phase: {
    label: '進行',
    sages: '賢者',
    tally: '集計',
    judge: '裁定',
    verdict: '評決',
  },
  lane: {
    waiting: '待機中',
    connecting: '接続中',
    thinking: '思考中',
    writing: '執筆中',
    retrying: (trouble) =>
      trouble.retryIn === undefined
        ? `${trouble.attempt}回目が失敗、やり直します`
        : `${trouble.attempt}回目が失敗、${trouble.retryIn.toFixed(1)}秒後にやり直します`,
    done: '投票済み',
    failed: '票なし',
    stopped: '中断',
    attempt: (attempt) => `${attempt}回目`,
    thoughts: '思考の過程',
    past: (attempt) => `${attempt}回目(破棄)`,
    expand: (name) => `${name} を拡大`,
    shrink: (name) => `${name} を並べて表示`,
    latest: '最新へ',
    newLines: (count) => `新着 ${count} 行`,
    text: (name) => `${name} の発言`,
    choose: '表示する賢者',
    nothingSaid: '発言はありませんでした。',
    firstWord: (time) => `応答開始 ${time}`,
  },
  judgeWaits: (votes, of) => `賢者の投票を待っています(${of}票中 ${votes}票)。`,
  judgeNotCalled: '裁定は行われませんでした。',
  judgeOrder: '裁定者には名前を伏せています',
  judgeSees: (letter) => `賢者${letter} =`,

  verdict: {
    title: '評決',
    reason: '理由',
    recommendation: '推奨',
    dissent: '最も強い反対意見',
    dissentBy: (name) => `最も強い反対意見(${name})`,
    noDissent: '反対意見は記録されていません。',
    conditions: '条件',
    wouldChange: '結論が変わるとすれば',
    scores: '論拠の重み(0〜100)',
    missing: '欠けているもの',
    degraded: '不完全: 評議の一部が欠けています',
    votes: '票数(可決・否決・棄権)',
    rule: '決め方',
    rules: {
      majority: '多数決',
      unanimous: '全員一致(不一致なら不成立)',
      judge: '裁定者が決める',
      veto: (name) => `多数決、ただし ${name} の否決で否決`,
    },
    agrees: '裁定者は票の結果に同意しています。',
    disagrees: '裁定者は票の結果に同意していません。結論は票によるものです。',
    overruled: '裁定者が票の結果を覆しました。',
    confidence: '確信度',
    confidenceWord: (value) => (value >= 0.8 ? '高' : value >= 0.5 ? '中' : '低'),
    notGiven: '申告なし',
    record: '記録',
    again: 'もう一度問う',
    replay: '再生',
    goOn: '続きから再開',
    sagesAnswered: (count, of) => `賢者 ${of}人中 ${count}人が投票`,
    stoppedBy: (by) =>
      by === 'user'
        ? 'あなたが中断しました'
        : by === 'unwatched'
          ? '見ている人がいないため終了しました'
          : by === 'budget'
            ? '予算に達したため終了しました'
            : `${by} により中断されました`,
    stoppedNote: 'それまでの発言は残っています。評決はありません。',
    failed: '審議は失敗しました。評決はありません。',
  },
  cause: {
    own: '検討のうえ棄権',
    rehearsal: 'モデルが接続されていないため、意見を述べられません',
    refused: 'モデルが回答を拒みました',
    failed: 'プロバイダーの障害',
    timeout: '時間切れ',
    unparsable: '回答から票を読み取れませんでした',
    stopped: '中断されました',
  },
  trouble: (code) =>
    ({
      throttled: 'プロバイダーがリクエストを制限しています',
      overloaded: 'プロバイダーが混み合っています',
      unauthorised: 'プロバイダーにキーを拒否されました',
      not_found: 'プロバイダーにこのモデルがありません',
      truncated: '回答が途中で切れました',
      filtered: 'プロバイダーが回答を遮断しました',
      unparsable: '回答を読み取れませんでした',
      refused: 'モデルが回答を拒みました',
      network: 'プロバイダーとの接続が切れました',
      'timeout:connect': '時間内に接続できませんでした',
      'timeout:first_token': '時間内に最初の言葉が届きませんでした',
      'timeout:idle': '応答が途絶えました',
      'timeout:total': '時間切れ',
    })[code] ?? code,

  newQuestion: '新しい問い',
  stop: '中断',
  stopping: '中断しています',
  connection: {
    connecting: '接続中',
    live: '受信中',
    resumed: '受信を再開(欠落なし)',
    waiting: (seconds) =>
      seconds > 0
        ? `接続が切れました。${seconds}秒後に再接続します`
        : '接続が切れました。再接続しています',
    busy: (message, seconds) => `${message}(${seconds}秒後に再試行)`,
    offline: 'オフラインです。ネットワークが戻れば続きから受信します',
    over: '終了',
    paused: '一時停止',
    closed: '切断',
    failed: '接続できません',
    now: '今すぐ再接続',
    retry: 'もう一度試す',
  },
  playback: { label: '再生', speed: '速さ', end: '最後まで表示' },

  say: {
    convened: (mode) => `審議を始めました。${mode === '' ? '' : `${mode}です。`}`,
    vote: (name, decision, confidence) => `${name}、${decision}、確信度 ${confidence}。`,
    missing: (name) => `${name} の票はありません。`,
    judging: '票を数え終えました。SOLOMON が裁定しています。',
    verdict: (words) => `評決、${words}。`,
    stopped: '審議は中断されました。',
    reconnecting: '接続が切れました。再接続しています。',
    resumed: '再び接続しました。',
  },
  problem: {
    notFound:
      'この審議は見つかりません。削除されたか、別のサーバーのものです。問い直すことができます。',
    noAnswer: 'サーバーが応答しません。magi serve は動いていますか?',
    refused: (message) => `サーバーが受け付けませんでした: ${message}`,
    unauthorised: 'サーバーがトークンを求めているか、このページを許可していません。',
    gap: '記録に欠落があり、読み直しても埋まりませんでした。',
    code: (code) => `(${code})`,
    page: (message) =>
      `ページに不具合が起きました: ${message}。審議は続いています。再読み込みすると表示されます。`,
    reload: '再読み込み',
  },

  seconds: (value) => (value < 60 ? `${value.toFixed(1)}秒` : clock(value)),
  tokens: (value) => `${number.format(value)} トークン`,
  estimated: '推定',
  cost: (usd) => `${usd === 0 ? '0' : usd.toFixed(usd < 0.1 ? 4 : 2)} USD`,
  noCost: '価格不明',
  when: (at) => time.format(at),
}

function clock(seconds: number): string {
  const whole = Math.floor(seconds)
  return `${Math.floor(whole / 60)}分${whole % 60}秒`
}
