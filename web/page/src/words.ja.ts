import { some } from './some.ts'
import { room } from './words.room.ja.ts'
import type { Words } from './words.ts'

const time = new Intl.DateTimeFormat('ja', { dateStyle: 'medium', timeStyle: 'short' })
const number = new Intl.NumberFormat('ja')

export const ja: Words = {
  code: 'ja',
  tagline: '問いはひとつ、賢者は三人、評決はひとつ',
  headline: '何を決めますか？',
  intro:
    '三人の賢者が、互いの答えを見ずに同時に考えます。票はプログラムが数え、裁定者が論拠を吟味して評決を述べます。',
  question: '問い',
  questionHint: '12月に課金システムを新しいデータベースへ移行すべきか？',
  wholeQuestion: '問いの全文',
  context: '背景',
  contextHint: '事実、数字、メモなど、賢者に知っておいてほしいこと。',
  addContext: '背景を加える',
  answerIn: '回答の言語',
  auto: '自動',
  convene: '審議を始める',
  enterHint: 'Enter で開始、Shift+Enter で改行',
  tooLong: (bytes, limit) =>
    `問いが長すぎます（${number.format(bytes)} / ${number.format(limit)} バイト）。詳細は「背景」に移してください。`,
  pageLanguage: '表示言語',
  theme: { label: '外観', auto: '自動', dark: 'ダーク', light: 'ライト' },
  home: 'MAGI トップへ',
  skipToVerdict: '評決へ移動',
  skipToEnd: '結果へ移動',

  sages: {
    caspar: { name: 'CASPAR', role: '実務 ― リスクから考える' },
    balthasar: { name: 'BALTHASAR', role: '創造 ― 人と倫理から考える' },
    melchior: { name: 'MELCHIOR', role: '科学 ― 根拠から考える' },
  },
  judge: { name: 'SOLOMON', role: '裁定者' },

  token: {
    title: 'トークンが必要です',
    why: 'サーバーの起動時に MAGI_TOKEN に設定した値です。このタブを閉じるまで保持します。',
    whyBearer: (host) =>
      `${host} は ID プロバイダーが発行したトークン（JWT）を求めます。トークンはこのタブを閉じるまで保持し、${host} 以外には送りません。`,
    label: 'トークン',
    wrong: 'サーバーはこのトークンを受け付けませんでした。',
    enter: '開く',
  },
  config: {
    title: 'このページの設定に誤りがあります',
    fault: ({ field, kind, allowed = [] }) => {
      const list = allowed.join('、')
      if (kind === 'page')
        return 'config.json の代わりに Web ページが返されました。未知のアドレスをすべて index.html に振り向けるホスティングで起こります。'
      if (kind === 'json') return 'config.json が JSON として読めません。'
      if (kind === 'object') return 'config.json には JSON オブジェクトを一つ書いてください。'
      const wrong = {
        unknown: `という項目はありません。使えるのは ${list} です`,
        text: 'には文字列を書いてください',
        choice: `には ${list} のいずれかを書いてください`,
        missing: 'がありません。ほかの項目との組み合わせで必要です',
        address:
          'にはアドレス（https://…）、このサイト内のパス（/…）、ID プールはその ID（リージョン:…）、ランタイムはその ARN を書いてください',
        door: `は door が ${list} のときだけ使えます`,
      }
      return `config.json: 「${field}」${wrong[kind]}。`
    },
    fix: 'このページと同じ場所にあるファイルを直し、再読み込みしてください。各項目は docs/hosting.ja.md で説明しています。',
  },
  door: {
    label: '接続先',
    name: ({ door, sign, service }, host) => {
      const how = {
        none: '',
        bearer: '（トークン認証）',
        sigv4: '（ID プールの認証情報で署名）',
        'content-sha256': '（リクエストごとにハッシュを付与）',
      }[sign]
      if (door === 'server') return `MAGI サーバー ${host}${how}`
      if (service === 'bedrock-agentcore' || host.includes('agentcore'))
        return `AgentCore ${host}${how}`
      return `${host}${how}`
    },
    reaching: (host) =>
      `${host} に接続しています。最初の呼び出しでは起動に数秒かかることがあります。`,
  },
  way: (found) => {
    switch (found.kind) {
      case 'gave_up':
        return {
          what: `途中の中継が${found.seconds === undefined ? '' : `${found.seconds.toFixed(0)}秒で`}待つのをやめました（504）。サーバーは最初の1秒から少しずつ答えを送っています。この中継は答えが全部そろうまで溜め込み、そろう前に時間切れになっています。`,
          fix: 'ブラウザから Function URL か AgentCore を直接呼んでください（config.json の base）。ホスティングのプロキシ（SSR のルートやリライト）ではストリーミングできません。',
        }
      case 'web_page':
        return {
          what: `${found.where} から返ってきたのは MAGI の答えではなく Web ページでした。`,
          fix: 'config.json の base が違うか、ホスティングがそのアドレスを index.html に書き換えています。',
        }
      case 'wrong_path':
        return {
          what: `${found.where} に MAGI はありません（404）。`,
          fix: 'config.json の base と runtime を確認してください。パスは /invocations で終わり、リージョンはランタイムのものと一致している必要があります。',
        }
      case 'cors':
        return {
          what: `${found.host} には届いていますが、このページが答えを読むことは許可されていません（CORS）。`,
          fix: `相手側で、オリジン ${found.origin}、メソッド POST、ヘッダー authorization、content-type、x-amz-date、x-amz-security-token、x-amz-content-sha256、x-amzn-bedrock-agentcore-runtime-session-id を許可してください。`,
        }
      case 'blocked':
        return {
          what: `このページ自身のコンテンツセキュリティポリシーが ${found.host} の呼び出しを禁じています。`,
          fix: 'ホスティングがページに付けるヘッダーの connect-src に、そのオリジンを加えてください。',
        }
      case 'unreachable':
        return {
          what: `${found.host} が応答しません。`,
          fix: 'config.json の base と region、そしてこの端末のネットワークを確認してください。',
        }
      case 'clock':
        return {
          what: `時刻のずれを理由に署名が拒否されました: ${found.message}`,
          fix: 'この端末の時計を合わせてください。ページは Date ヘッダーで補正しますが、それには相手側が date を公開している必要があります（CORS の expose）。',
        }
      case 'signature':
        return {
          what: `署名が拒否されました（403）: ${found.message}`,
          fix: 'config.json の region、service、identity_pool を確認してください。パス、ホスト、ヘッダーを書き換えるプロキシを通ると署名は壊れます。直接呼んでください。',
        }
      case 'forbidden':
        return {
          what: `このページの呼び出しは許可されていません（403）: ${found.message}`,
          fix: 'ID プールのロールには lambda:InvokeFunctionUrl と lambda:InvokeFunction の両方（または bedrock-agentcore:InvokeAgentRuntime）が必要です。config.json の sign も相手側の認証方式に合わせてください。',
        }
      case 'identity':
        return {
          what: `ID プールから認証情報を取得できません: ${found.message}`,
          fix: 'config.json の identity_pool、プールがゲストを許可していること、ゲスト用のロールがあることを確認してください。',
        }
      case 'token':
        return {
          what: 'トークンが受け付けられません。未入力か、期限切れか、別の ID プロバイダーのものです。',
          fix: '再読み込みして、新しいトークンを入力してください。',
        }
      case 'throttled':
        return {
          what: 'リクエストが制限されています（429）。',
          fix: '少し待ってください。続くようなら、関数の同時実行数かクォータを引き上げてください。',
        }
      case 'too_large':
        return {
          what: '答えが大きすぎて、全部そろうまで溜め込む中継を通れませんでした（413）。',
          fix: 'Function URL を RESPONSE_STREAM にしてください。バッファリングでは 6 MB が上限です。',
        }
      case 'refused_whole':
        return {
          what: `${found.seconds.toFixed(0)}秒間一言もないまま、答えは届きませんでした（502）。ストリーミングなら2秒ごとに合図が届くはずなので、答えは全部そろうまで溜め込まれ、最後に拒否されています。6 MB を超えると必ずそうなります。`,
          fix: 'Function URL を RESPONSE_STREAM にしてください。すでにそうなら、失敗の原因は関数のログにあります。',
        }
      case 'function_failed':
        return {
          what: '関数が答える前に失敗しました（502）。',
          fix: '原因は関数のログにあります。多いのは権限の不足、ランタイム ARN の誤り、メモリ不足です。',
        }
      case 'container_failed':
        return {
          what: 'AgentCore はコンテナに届きましたが、コンテナが失敗しました（424）。',
          fix: '原因はランタイムのログにあります。多いのは起動の失敗、モデルを呼ぶ権限の不足です。',
        }
      case 'cut_for_good':
        return {
          what: '接続が切れました。この経路には続きから受け取る仕組みがありません。それまでの発言はここに残っています。',
          fix: 'もう一度問うことはできます。',
        }
      case 'nothing_came':
        return {
          what: '最初の言葉が届く前に答えが途切れました。審議は始まっているかもしれないため、自動では問い直しません。',
          fix: '問い直すと、もう一度審議され、費用もその分かかります。',
        }
      case 'deadline_too_short':
        return {
          what: '賢者が一人も投票しないうちに、二回続けて呼び出しの制限時間が来ました。続けても同じことの繰り返しになります。',
          fix: '関数のタイムアウトを延ばす（最長15分）か、より速いモデルを選んでください。',
        }
      case 'no_state':
        return {
          what: '関数の制限時間が来ましたが、続きに必要な状態へ署名する鍵が関数にありません。それまでの発言はここに残っています。',
          fix: '関数に MAGI_STATE_KEY（32 バイト以上）を設定するか、タイムアウトを延ばして（最長15分）、もう一度問うてください。',
        }
      case 'not_kept':
        return {
          what: 'この審議の控えはこのブラウザにありません。別のブラウザで問うたか、削除したか、ブラウザが消去しています。',
          fix: '問うたブラウザで開くか、もう一度問うてください。',
        }
    }
  },
  held: ({ kind, heldMs }) => ({
    what:
      kind === 'whole'
        ? `サーバーまでの経路が答えを溜め込んでいます。賢者たちはその間も話し続けていましたが、すべてが${(heldMs / 1000).toFixed(0)}秒後に一度に届きました。`
        : `サーバーまでの経路が答えを溜め込んでいます。発言から最大${(heldMs / 1000).toFixed(0)}秒遅れて、まとめて届いています。`,
    fix: '途中の中継がバッファリングしています。ホスティングのプロキシか、BUFFERED の Function URL です。Function URL を RESPONSE_STREAM にし、ブラウザからプロキシを通さずに呼んでください。',
  }),
  noWord: (seconds) =>
    `${seconds}秒たっても最初の言葉が届きません。起動済みのサーバーは2秒ごとに合図を送るので、まだ起動中か、途中の中継が答えを溜め込んでいます`,
  own: {
    note: 'この経路には履歴がないため、記録はこのブラウザだけに保存されます。大事なものはファイルに保存してください。',
    promised: {
      kept: 'ブラウザは、自動では消去しないことを約束しています。',
      may_be_cleared: 'ディスクが足りなくなると、ブラウザが消去することがあります。',
      unknown: 'ブラウザが消去するかどうかは確認できません。',
    },
    unkept: {
      full: 'このブラウザにはもう空きがありません。これからの発言は表示されますが保存されません。古い審議を削除するか、記録をファイルに保存してください。',
      unavailable:
        'ブラウザの設定により保存できません（プライベートウィンドウ、またはサイトデータが無効）。離れる前に記録をファイルに保存してください。',
    },
    save: (format) => `${format} で保存`,
    saveFailed: (message) => `記録を作れませんでした: ${message}`,
    goneOn: (parts) =>
      `一回の呼び出しの制限時間が${parts}回来ましたが、それまでの票を引き継いで審議は自動的に続きました。`,
  },
  answers: {
    rehearsal: 'いまはリハーサルが答えます（用意された台本。モデルは使いません）。',
    rehearsalHow: 'モデルをつなぐには、環境変数を一つ設定して起動し直します。例:',
    models: (list) => `回答するモデル: ${list}`,
    unknown: '何が回答するかを、サーバーから取得できませんでした。',
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
    unheard: '背景や伝えたことは答えに反映されません。',
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
        ? `${trouble.attempt}回目が失敗、再試行します`
        : `${trouble.attempt}回目が失敗、${trouble.retryIn.toFixed(1)}秒後に再試行します`,
    done: '投票済み',
    failed: '票なし',
    stopped: '中断',
    attempt: (attempt) => `${attempt}回目`,
    thoughts: '思考の過程',
    past: (attempt) => `${attempt}回目（破棄）`,
    replaced: (attempt) => `${attempt}回目（置き換え済み）`,
    expand: (name) => `${name} を拡大`,
    shrink: (name) => `${name} を並べて表示`,
    latest: '最新へ',
    newLines: (count) => `新着${count}行`,
    text: (name) => `${name} の発言`,
    choose: '表示する賢者',
    nothingSaid: '発言はありませんでした。',
    firstWord: (time) => `応答開始 ${time}`,
  },
  judgeWaits: (votes, of) => `賢者の投票を待っています（${of}票中${votes}票）。`,
  judgeNotCalled: '裁定は行われませんでした。',
  judgeOrder: '裁定者には名前を伏せています',
  judgeSees: (letter) => `賢者${letter} =`,

  verdict: {
    title: '評決',
    reason: '理由',
    judgeReason: '裁定者の理由',
    wholeReason: '理由の全文',
    recommendation: '推奨',
    dissent: 'この結論への最も強い反論',
    dissentBy: (name) => `この結論への最も強い反論（${name}）`,
    noDissent: 'この結論への反論は記録されていません。',
    conditions: '条件',
    conditionsIf: '進める場合の条件',
    wouldChange: '結論が変わるとすれば',
    scores: '論拠の重み（0〜100）',
    missing: '欠けているもの',
    degraded: '不完全: 評議の一部が欠けています',
    votes: '票数',
    counts: { APPROVED: '可決', REJECTED: '否決', ABSTAINED: '棄権' },
    sum: ({ approved, rejected, abstained }) =>
      some([
        approved > 0 && `可決${approved}`,
        rejected > 0 && `否決${rejected}`,
        abstained > 0 && `棄権${abstained}`,
      ]).join('・'),
    rule: '決め方',
    rules: {
      majority: '多数決',
      unanimous: '全員一致（不一致なら不成立）',
      judge: '裁定者が決める',
      veto: (name) => `多数決、ただし ${name} の否決で否決`,
    },
    agrees: '裁定者は票の結果に同意しています。',
    disagrees: '裁定者は票の結果に同意していません。結論は票によるものです。',
    overruled: '裁定者が票の結果を覆しました。',
    votesStand: '結論は票のままです。',
    confidence: '確信度',
    confidenceWord: (value) => (value >= 0.8 ? '高' : value >= 0.5 ? '中' : '低'),
    notGiven: '申告なし',
    record: '記録',
    again: 'もう一度問う',
    replay: '再生',
    goOn: '続きから再開',
    sagesAnswered: (count, of) => `賢者${of}人中${count}人が投票`,
    stoppedBy: (by) =>
      by === 'user'
        ? 'あなたが中断しました'
        : by === 'unwatched'
          ? '見ている人がいないため中断しました'
          : by === 'budget'
            ? '予算に達したため中断しました'
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
      stopped: '中断されました',
      late: '定足数に達したため、待たずに進みました',
      votes_changed: '票が変わったため、裁定をやり直します',
      panel_failed: '裁定パネルで回答したモデルが二つに満ちませんでした',
      circuit_open: '障害が続いているため、プロバイダーへの接続をしばらく控えています',
      untrusted: 'プロバイダーを信頼できません（TLS）',
      malformed: '回答の形式が壊れています',
      empty: '回答が空でした',
      bad_request: 'プロバイダーがリクエストを受け付けませんでした',
      internal: 'MAGI 内部の不具合です',
      deadline: '呼び出しの制限時間が来ました',
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
    resumed: '受信を再開（欠落なし）',
    waiting: (seconds) =>
      seconds > 0
        ? `接続が切れました。${seconds}秒後に再接続します`
        : '接続が切れました。再接続しています',
    busy: (message, seconds) => `${message}（${seconds}秒後に再試行）`,
    offline: 'オフラインです。ネットワークが戻れば続きから受信します',
    over: '終了',
    paused: '一時停止',
    closed: '切断',
    failed: '接続できません',
    now: '今すぐ再接続',
    retry: 'もう一度試す',
  },
  playback: {
    label: '再生',
    speed: '速さ',
    end: '最後まで表示',
    play: '再生する',
    hold: '一時停止',
    moment: '時点',
    instant: '一気に',
  },

  say: {
    convened: (mode) => `審議を始めました。${mode === '' ? '' : `${mode}です。`}`,
    goesOn: '呼び出しの制限時間が来ました。審議は続いています。',
    vote: (name, decision, confidence) => `${name}、${decision}、確信度 ${confidence}。`,
    missing: (name) => `${name} の票はありません。`,
    judging: '票を数え終えました。SOLOMON が裁定しています。',
    panel: 'SOLOMON に代わり、裁定パネルが判断しています。',
    verdict: (words) => `評決、${words}。`,
    stopped: '審議は中断されました。',
    reconnecting: '接続が切れました。再接続しています。',
    resumed: '再び接続しました。',
  },
  problem: {
    notFound:
      'この審議は見つかりません。削除されたか、別のサーバーのものです。問い直すことができます。',
    noAnswer: 'サーバーが応答しません。magi serve は動いていますか？',
    refused: (message) => `サーバーが受け付けませんでした: ${message}`,
    unauthorised: 'サーバーがトークンを求めているか、このページを許可していません。',
    gap: 'イベントに欠落があり、読み直しても埋まりませんでした。',
    code: (code) => `（${code}）`,
    page: (message) =>
      `ページに不具合が起きました: ${message}。審議は続いています。再読み込みすると表示されます。`,
    reload: '再読み込み',
    unloaded: 'ページのこの部分を読み込めませんでした。もう一度試すか、再読み込みしてください。',
  },

  nav: {
    label: '画面',
    ask: '問う',
    history: '履歴',
    presets: 'プリセット',
    connection: '接続',
    views: 'この審議の見方',
    deliberation: '審議',
    trace: '経過',
    follow: '続けて問う',
    all: 'すべて見る',
    loading: '読み込み中',
    title: {
      history: '履歴',
      presets: 'プリセット',
      preset: 'プリセット',
      connection: '接続の確認',
      compare: '比較',
      deliberation: '審議',
      trace: '経過',
    },
  },
  carry: {
    again: '問い直し',
    follow: '前の問い',
    againNote: '元の審議に関連づけて、新しく審議します。問いを書き換えてもかまいません。',
    followNote: '賢者には、前の問いとその評決が伝わります。',
    context: '引き継ぐ内容',
    drop: '引き継がずに問う',
  },
  deleting: {
    label: '削除',
    soon: '10秒後に削除します。それまでは元に戻せます。ページを閉じた場合は削除されません。',
    undo: '元に戻す',
    failed: (why) => `削除できませんでした: ${why}`,
    again: 'もう一度試す',
    close: '閉じる',
  },
  room,

  seconds: (value) => (value < 60 ? `${value.toFixed(1)}秒` : clock(value)),
  tokens: (value) => `${number.format(value)} トークン`,
  estimated: '推定',
  aside: (text) => `（${text}）`,
  cost: (usd) => `${usd === 0 ? '0' : usd.toFixed(usd < 0.1 ? 4 : 2)} USD`,
  noCost: '価格不明',
  when: (at) => time.format(at),
}

function clock(seconds: number): string {
  const whole = Math.floor(seconds)
  return `${Math.floor(whole / 60)}分${whole % 60}秒`
}
