import type { View } from '@magi/stream'
import { useEffect, useState } from 'react'
import { clock } from './format.ts'
import type { Figures } from './figures.ts'
import type { Shown } from './room.ts'
import { useSettings, useWords } from './settings.tsx'

/** The longest question that stands as a heading, in characters. */
const HEADING = 240

/** A long question does not push the lanes off the screen. */
const shortened = (question: string): string => {
  const characters = [...question]
  return characters.length > HEADING ? `${characters.slice(0, HEADING).join('')} …` : question
}

/** The question, and what was given with it. */
export function QuestionHead({ view, question }: { view: View; question: string }) {
  const words = useWords()
  return (
    <div>
      <h1 lang={view.lang}>{question === '' ? words.connection.failed : shortened(question)}</h1>
      {shortened(question) !== question && (
        <details className="context">
          <summary>{words.wholeQuestion}</summary>
          <p lang={view.lang}>{question}</p>
        </details>
      )}
      {view.context !== undefined && (
        <details className="context">
          <summary>{words.context}</summary>
          <p>{view.context}</p>
        </details>
      )}
    </div>
  )
}

/** In both languages, as every seal is. */
export function RehearsalMark() {
  return (
    <strong>
      <span lang="en">REHEARSAL</span> <span lang="ja">リハーサル</span>
    </strong>
  )
}

/** Rehearsal and replay are said loudly. */
export function ModeBand({ view, playing = false }: { view: View; playing?: boolean }) {
  const { mode } = useWords()
  const rehearsal = view.mode === 'rehearsal'
  const unheard = view.context !== undefined || view.notes.length > 0
  const replay = playing || view.mode === 'replay'
  if (!rehearsal && !replay) return null
  return (
    <div className="bands">
      {rehearsal && (
        <p className="band" data-mode="rehearsal">
          <RehearsalMark /> {mode.rehearsalNote}
          {unheard && ` ${mode.unheard}`}
        </p>
      )}
      {replay && (
        <p className="band" data-mode="replay">
          <strong>
            <span lang="en">REPLAY</span> <span lang="ja">再生</span>
          </strong>{' '}
          {mode.replayNote}
        </p>
      )}
    </div>
  )
}

/** The running clock, and what the whole has taken so far. */
export function Totals({ shown, total }: { shown: Shown; total: Figures }) {
  const words = useWords()
  const { figures } = useSettings()
  const { tokens, cost, estimated } = total
  const parts: string[] = []
  if (tokens !== undefined) parts.push(words.room.roughly(words.tokens(tokens), estimated))
  if (cost !== undefined) parts.push(words.room.roughly(words.cost(cost), estimated && cost > 0))
  return (
    <div className="totals">
      <Elapsed shown={shown} />
      {figures && parts.length > 0 && (
        <p className="total" title={estimated ? words.room.estimatedNote : undefined}>
          {parts.join(' · ')}
        </p>
      )}
    </div>
  )
}

function Elapsed({ shown }: { shown: Shown }) {
  const { view, skew } = shown
  const [now, setNow] = useState(() => Date.now())
  const running = view.end === undefined && view.startedAt !== undefined && !shown.playback
  useEffect(() => {
    if (!running) return undefined
    const timer = setInterval(() => setNow(Date.now()), 500)
    return () => clearInterval(timer)
  }, [running])
  if (view.startedAt === undefined) return null
  const until = running ? Math.max(now - skew, view.lastAt ?? 0) : (view.lastAt ?? view.startedAt)
  return <time className="elapsed">{clock(until - view.startedAt)}</time>
}

/** Where it stands on its way from the sages to the verdict. */
export function Phases({ view }: { view: View }) {
  const { phase: words } = useWords()
  const judged = view.judge.attempt > 0 || view.end?.kind === 'complete'
  const counted = view.tally !== undefined
  const steps = [
    { key: 'sages', label: words.sages, done: counted, now: view.phase === 'sages' },
    { key: 'tally', label: words.tally, done: counted && judged, now: view.phase === 'tally' },
    {
      key: 'judge',
      label: words.judge,
      done: view.judge.judgment !== undefined,
      now: view.phase === 'judge',
    },
    { key: 'verdict', label: words.verdict, done: view.end?.kind === 'complete', now: false },
  ]
  return (
    <ol className="phases" aria-label={words.label}>
      {steps.map((step) => (
        <li
          key={step.key}
          data-done={step.done || undefined}
          aria-current={step.now ? 'step' : undefined}
        >
          {step.label}
        </li>
      ))}
    </ol>
  )
}
