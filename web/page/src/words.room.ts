import type { Verb } from '@magi/stream'
import type { Unread } from './material.ts'
import type { OutcomeWord } from './outcome.ts'
import type { Shortcut } from './shortcuts.ts'

type One = (value: string) => string

/** The texts of what is done in the room: verbs, the person's own decision, settings, keys. */
export interface RoomWords {
  close: string
  cancel: string
  dismiss: string
  verbs: Record<Verb, string>
  /** Begins a refusal: the verb's name, then the reason follows. */
  refused: One

  pause: string
  resume: string
  pausedBy: One
  pausedNote: string
  stopOne: One
  retryOne: One
  againOne: One
  otherModel: One
  judgeStopped: string
  stands: string
  reused: string
  late: string
  /** Why a role waits before its next attempt, by the code of the trouble. */
  waits: Readonly<Partial<Record<string, string>>>
  waitsFor: (why: string, seconds: number) => string
  followAll: string
  votesIn: (votes: number, of: number) => string
  overruled: One
  dissents: One
  /** By the rule there is no decision, but the judge came to one. */
  judgeAlone: One
  toPlace: string
  /** The dissent is in the judge's words, which stand nowhere in the lane. */
  /** Where the dissent stands in no speech. */
  judgesWords: string
  toVote: (sage: string) => string

  written: (tokens: number, estimated: boolean) => string
  rate: (tokensPerSecond: number) => string
  roughly: (text: string, estimated: boolean) => string
  estimatedNote: string

  note: {
    open: string
    title: string
    kind: string
    kinds: { fact: string; question: string; correction: string }
    /** What stands before the note's text, as the council reads it. */
    prefix: { fact: string; question: string; correction: string }
    hint: { fact: string; question: string; correction: string }
    to: string
    all: string
    about: string
    late: string
    rehearsal: string
    tooLong: string
    send: string
    fork: string
    told: string
    toWhom: One
  }
  after: {
    open: { rejudge: string; again: string; tell: string }
    title: { rejudge: string; again: string; tell: string }
    rejudge: string
    again: string
    againNow: string
    tell: string
    who: string
    judge: string
    ask: string
    fork: string
    rules: { same: string; majority: string; unanimous: string; judge: string }
  }
  model: string
  modelHint: string
  links: {
    label: string
    from: string
    to: string
    /** The questions before and after it in a conversation. */
    before: string
    after: string
  }

  decision: {
    title: string
    leaning: string
    follow: string
    other: string
    instead: string
    why: string
    save: string
    saved: string
    failed: string
    /** What was written earlier could not be read. */
    unread: string
    where: { server: string; own: string }
    met: (done: number, of: number) => string
    turned: string
    turns: Record<OutcomeWord | 'none', string>
    turnedNote: string
    saveTurned: string
  }
  leaning: { add: string; label: string; hint: string }
  preset: { label: string; of: (title: string) => string; badAt: string }
  context: {
    attach: string
    drop: string
    size: (bytes: number, limit: number) => string
    tooLong: (bytes: number, limit: number) => string
    unread: (file: Unread) => string
  }

  settings: {
    title: string
    send: string
    sends: { enter: string; mod: string }
    modHint: string
    keys: string
    keysNote: string
    figures: string
    figuresNote: string
    kept: string
    ownServer: string
    byConfig: string
    check: string
    forget: string
  }
  help: {
    title: string
    keyboard: string
    off: string
    note: string
    then: string
    send: string
    keys: Record<Shortcut, string>
  }
  say: { paused: string; goesOn: string }
}
