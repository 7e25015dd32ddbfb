import type { Found, Step } from './check.ts'
import type { Texts } from './texts.ts'

/** What was found, and the one thing that mends it. */
interface Said {
  what: string
  fix?: string
}

export interface CheckWords {
  title: string
  intro: string
  again: string
  running: string
  sum: (failed: number, warned: number) => string
  outcome: Record<Found['outcome'] | 'waiting', string>
  step: Record<Step, string>
  say: (found: Exclude<Found, { outcome: 'fail'; problem: unknown }>) => Said
  door: string
  deeper: string
}

const trustEn: Record<string, string> = {
  local: 'The server is open to the programs of this machine and to this page.',
  token: 'The token is accepted.',
  platform: 'The platform in front has let this page in.',
}
const trustJa: Record<string, string> = {
  local: 'このサーバーは、この端末のプログラムとこのページから利用できます。',
  token: 'トークンは受け付けられました。',
  platform: '手前のプラットフォームが、このページからのアクセスを許可しました。',
}

export const CHECK: Texts<CheckWords> = {
  en: {
    title: 'Connection check',
    intro:
      'The page goes its way to the council step by step. Nothing is deliberated, and nothing is paid for.',
    again: 'Check again',
    running: 'Checking',
    sum: (failed, warned) =>
      failed > 0
        ? `${failed === 1 ? '1 problem' : `${failed} problems`} found.`
        : warned > 0
          ? `It works. ${warned === 1 ? 'One thing is' : `${warned} things are`} worth knowing.`
          : 'Everything is in order.',
    outcome: {
      ok: 'in order',
      warn: 'worth knowing',
      fail: 'problem',
      skip: 'not tried',
      waiting: 'checking',
    },
    step: {
      network: 'Network of this machine',
      reach: 'Way to the council',
      trust: 'Being let in',
      clock: 'Clocks',
      stream: 'Streaming',
      models: 'Models',
      storage: 'Keeping things here',
    },
    say: (found) => {
      if (found.outcome === 'skip')
        return { what: 'A step before it failed, so this was not tried.' }
      switch (found.step) {
        case 'network':
          if (found.outcome === 'warn')
            return {
              what: 'The browser says this machine is offline. This page and its server are on the machine itself and need no network; models elsewhere do.',
            }
          return found.outcome === 'ok'
            ? { what: 'The browser says there is a network.' }
            : { what: 'The browser says this machine is offline.', fix: 'Connect it to a network.' }
        case 'reach':
          return {
            what: `Answered after ${Math.round(found.ms)} ms${found.version === '' ? '' : `, version ${found.version}`}.`,
          }
        case 'trust':
          return { what: trustEn[found.trust] ?? 'The door has let this page in.' }
        case 'clock': {
          const seconds = Math.round(Math.abs(found.skewMs) / 1000)
          if (found.outcome === 'ok')
            return { what: 'This machine’s clock agrees with the council’s.' }
          return {
            what: `This machine’s clock is ${seconds} s ${found.skewMs > 0 ? 'ahead of' : 'behind'} the council’s.`,
            fix: 'Set this machine’s clock. Signed requests are refused above five minutes.',
          }
        }
        case 'stream':
          if (found.outcome === 'ok')
            return {
              what: `${found.frames} pieces came one by one within ${Math.round(found.ms)} ms: nothing on the way holds answers back.`,
            }
          if (found.why === 'held')
            return {
              what: 'A hop on the way holds answers back until they are whole.',
              fix: 'Call the door directly. A hosting proxy (an SSR route, a rewrite) cannot stream, and a Function URL must be RESPONSE_STREAM.',
            }
          if (found.why === 'elsewhere')
            return {
              what: 'Whether answers are held back could not be measured: the page’s words reach another process than the one that streams.',
              fix: 'Behind several processes, bind a session to one of them.',
            }
          return {
            what: `The test of streaming failed${found.message === '' ? '' : `: ${found.message}`}.`,
            fix: 'Check again; if it stays, run magi doctor, which sees more of the way.',
          }
        case 'models':
          return found.outcome === 'ok'
            ? { what: `Answered by ${found.models.join(', ')}.` }
            : {
                what: 'No model is connected: rehearsal answers with written scenes.',
                fix: 'Set one variable where the council runs and start it again, for example MAGI_MODEL=ollama:llama3.2.',
              }
        case 'storage':
          return found.outcome === 'ok'
            ? { what: 'This browser lets the page remember its settings.' }
            : {
                what: 'This browser lets the page keep nothing (a private window, or site data is switched off).',
                fix: 'Allow site data for this page, or save the records of what matters.',
              }
      }
    },
    door: 'The way',
    deeper: 'A browser cannot see names, certificates and hops. The command line can: magi doctor.',
  },
  ja: {
    title: '接続の確認',
    intro: 'サーバーまでの経路を順に確かめます。審議は行わず、費用もかかりません。',
    again: '確認し直す',
    running: '確認中',
    sum: (failed, warned) =>
      failed > 0
        ? `${failed}件の問題が見つかりました。`
        : warned > 0
          ? `問題なく使えます。知っておくとよいことが${warned}件あります。`
          : 'すべて正常です。',
    outcome: { ok: '正常', warn: '注意', fail: '問題', skip: '未確認', waiting: '確認中' },
    step: {
      network: 'この端末のネットワーク',
      reach: 'サーバーへの到達',
      trust: '利用の許可',
      clock: '時計',
      stream: 'ストリーミング',
      models: 'モデル',
      storage: 'このブラウザでの保存',
    },
    say: (found) => {
      if (found.outcome === 'skip') return { what: '手前で失敗したため、確かめていません。' }
      switch (found.step) {
        case 'network':
          if (found.outcome === 'warn')
            return {
              what: 'この端末はオフラインです。このページとサーバーは端末の中にあるため、ネットワークは不要です。外部のモデルを使うには必要です。',
            }
          return found.outcome === 'ok'
            ? { what: 'ブラウザはネットワークにつながっています。' }
            : { what: 'この端末はオフラインです。', fix: 'ネットワークに接続してください。' }
        case 'reach':
          return {
            what: `${Math.round(found.ms)} ミリ秒で応答しました${found.version === '' ? '' : `（バージョン ${found.version}）`}。`,
          }
        case 'trust':
          return { what: trustJa[found.trust] ?? 'このページの利用は許可されています。' }
        case 'clock': {
          const seconds = Math.round(Math.abs(found.skewMs) / 1000)
          if (found.outcome === 'ok') return { what: 'この端末の時計はサーバーと合っています。' }
          return {
            what: `この端末の時計はサーバーより${seconds}秒${found.skewMs > 0 ? '進んで' : '遅れて'}います。`,
            fix: 'この端末の時計を合わせてください。5分を超えてずれると、署名付きのリクエストは拒否されます。',
          }
        }
        case 'stream':
          if (found.outcome === 'ok')
            return {
              what: `${found.frames}個の断片が ${Math.round(found.ms)} ミリ秒で一つずつ届きました。途中で溜め込まれていません。`,
            }
          if (found.why === 'held')
            return {
              what: '途中の中継が、答えを全部そろうまで溜め込んでいます。',
              fix: '相手を直接呼んでください。ホスティングのプロキシ（SSR のルートやリライト）ではストリーミングできません。Function URL は RESPONSE_STREAM にしてください。',
            }
          if (found.why === 'elsewhere')
            return {
              what: '溜め込みの有無を測れませんでした。ページの合図が、送信しているのとは別のプロセスに届いています。',
              fix: 'プロセスが複数あるときは、同じセッションを同じプロセスへ振り分けてください。',
            }
          return {
            what: `ストリーミングの試験に失敗しました${found.message === '' ? '' : `: ${found.message}`}。`,
            fix: '確認し直してください。続くようなら、経路をさらに詳しく調べる magi doctor を実行してください。',
          }
        case 'models':
          return found.outcome === 'ok'
            ? { what: `回答するモデル: ${found.models.join('、')}` }
            : {
                what: 'モデルがつながっていません。リハーサルの台本が答えます。',
                fix: 'サーバーの環境変数を一つ設定し、起動し直してください。例: MAGI_MODEL=ollama:llama3.2',
              }
        case 'storage':
          return found.outcome === 'ok'
            ? { what: 'このブラウザはページの設定を保存できます。' }
            : {
                what: 'ブラウザの設定により保存できません（プライベートウィンドウ、またはサイトデータが無効）。',
                fix: 'このページのサイトデータを許可するか、大事な記録をファイルに保存してください。',
              }
      }
    },
    door: '経路',
    deeper:
      '名前解決、証明書、途中の中継はブラウザからは見えません。コマンドラインの magi doctor で調べられます。',
  },
}
