import type { Cause, Held, Sage, Trouble } from '@magi/stream'
import type { Promised, Trouble as Unkept } from './archive.ts'
import type { Config, ConfigFault } from './config.ts'
import type { Finding } from './diagnosis.ts'
import type { RoomWords } from './words.room.ts'

/** The languages of the page. */
export type Lang = 'en' | 'ja'

type One = (value: string) => string

/** Every text of the page. A language that lacks one does not compile. */
export interface Words {
  code: Lang
  tagline: string
  headline: string
  intro: string
  question: string
  questionHint: string
  wholeQuestion: string
  context: string
  contextHint: string
  addContext: string
  answerIn: string
  auto: string
  convene: string
  enterHint: string
  tooLong: (bytes: number, limit: number) => string
  pageLanguage: string
  theme: { label: string; auto: string; dark: string; light: string }
  home: string
  skipToVerdict: string
  /** The same where there is no verdict. */
  skipToEnd: string

  sages: Record<Sage, { name: string; role: string }>
  judge: { name: string; role: string }

  token: {
    title: string
    why: string
    /** The same for a token of an identity provider. */
    whyBearer: One
    label: string
    wrong: string
    enter: string
  }
  config: { title: string; fault: (fault: ConfigFault) => string; fix: string }
  door: { label: string; name: (config: Config, host: string) => string; reaching: One }
  /** What was found on the way to the council, and the one thing that mends it. */
  way: (found: Finding) => { what: string; fix: string }
  held: (held: Held) => { what: string; fix: string }
  noWord: (seconds: number) => string
  own: {
    note: string
    promised: Record<Promised, string>
    unkept: Record<Unkept, string>
    save: (format: string) => string
    saveFailed: One
    goneOn: (parts: number) => string
  }
  answers: {
    rehearsal: string
    rehearsalHow: string
    models: One
    unknown: string
  }

  scenes: { title: string; note: string; play: string; none: string }
  history: { title: string; none: string; open: One; failed: string; more: string }
  mode: {
    rehearsal: string
    rehearsalNote: string
    /** Of a rehearsal that was given more than a question. */
    unheard: string
    replay: string
    replayNote: string
  }

  phase: { label: string; sages: string; tally: string; judge: string; verdict: string }
  lane: {
    waiting: string
    connecting: string
    thinking: string
    writing: string
    retrying: (trouble: Trouble) => string
    done: string
    failed: string
    stopped: string
    attempt: (attempt: number) => string
    thoughts: string
    past: (attempt: number) => string
    replaced: (attempt: number) => string
    expand: One
    shrink: One
    latest: string
    newLines: (count: number) => string
    text: One
    choose: string
    nothingSaid: string
    firstWord: One
  }
  judgeWaits: (votes: number, of: number) => string
  judgeNotCalled: string
  judgeOrder: string
  judgeSees: One

  verdict: {
    title: string
    reason: string
    judgeReason: string
    wholeReason: string
    recommendation: string
    dissent: string
    dissentBy: One
    noDissent: string
    conditions: string
    /** The same where the council does not approve. */
    conditionsIf: string
    wouldChange: string
    scores: string
    missing: string
    degraded: string
    votes: string
    /** What stands beneath the numbers. */
    counts: Record<'APPROVED' | 'REJECTED' | 'ABSTAINED', string>
    /** The votes that there are, with their words. */
    sum: (votes: { approved: number; rejected: number; abstained: number }) => string
    rule: string
    rules: { majority: string; unanimous: string; judge: string; veto: One }
    agrees: string
    disagrees: string
    overruled: string
    /** After the judge's dissent. */
    votesStand: string
    confidence: string
    confidenceWord: (value: number) => string
    notGiven: string
    record: string
    again: string
    replay: string
    goOn: string
    sagesAnswered: (count: number, of: number) => string
    stoppedBy: One
    stoppedNote: string
    failed: string
  }
  cause: Record<Cause, string>
  trouble: (code: string) => string

  newQuestion: string
  stop: string
  stopping: string
  connection: {
    connecting: string
    live: string
    resumed: string
    waiting: (seconds: number) => string
    busy: (message: string, seconds: number) => string
    offline: string
    over: string
    paused: string
    closed: string
    failed: string
    now: string
    retry: string
  }
  playback: {
    label: string
    speed: string
    end: string
    play: string
    hold: string
    moment: string
    instant: string
  }

  say: {
    convened: One
    goesOn: string
    vote: (name: string, decision: string, confidence: string) => string
    missing: One
    judging: string
    panel: string
    verdict: One
    stopped: string
    reconnecting: string
    resumed: string
  }
  problem: {
    notFound: string
    noAnswer: string
    refused: One
    unauthorised: string
    gap: string
    code: One
    page: One
    reload: string
    /** A part that comes on demand did not come. */
    unloaded: string
  }

  nav: {
    label: string
    ask: string
    history: string
    presets: string
    connection: string
    /** The two views of one deliberation. */
    views: string
    deliberation: string
    trace: string
    follow: string
    all: string
    loading: string
    title: Record<
      'history' | 'presets' | 'preset' | 'connection' | 'compare' | 'deliberation' | 'trace',
      string
    >
  }
  carry: {
    again: string
    follow: string
    againNote: string
    followNote: string
    context: string
    drop: string
  }
  deleting: {
    label: string
    soon: string
    undo: string
    failed: One
    again: string
    close: string
  }
  /** What is done in the room; in files of its own. */
  room: RoomWords

  seconds: (value: number) => string
  tokens: (value: number) => string
  estimated: string
  /** A remark in brackets, to put behind a text. */
  aside: (text: string) => string
  cost: (usd: number) => string
  noCost: string
  when: (at: Date) => string
}

/** The words of a vote or a verdict: always both languages, so that a seal reads the same anywhere. */
export const SEAL_WORDS = {
  APPROVED: { ja: '可決', en: 'APPROVED' },
  REJECTED: { ja: '否決', en: 'REJECTED' },
  ABSTAINED: { ja: '棄権', en: 'ABSTAINED' },
  DELIBERATING: { ja: '審議中', en: 'DELIBERATING' },
  UNDECIDED: { ja: '不成立', en: 'NO DECISION' },
  MISSING: { ja: '票なし', en: 'NO VOTE' },
  STOPPED: { ja: '中断', en: 'STOPPED' },
  FAILED: { ja: '失敗', en: 'FAILED' },
} as const

export type SealKind = keyof typeof SEAL_WORDS
