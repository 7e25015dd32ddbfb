import { isMissing, sagesOf, type Lane, type Sage, type View } from '@magi/stream'
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { Button, ToggleButton, ToggleButtonGroup } from 'react-aria-components'
import { ModeBand } from './head.tsx'
import { Paces, PlayButton, Scrubber } from './player.tsx'
import { Prose } from './prose.tsx'
import type { Room, Shown } from './room.ts'
import { Seal } from './seal.tsx'
import { sealOf } from './format.ts'
import { useWords } from './settings.tsx'
import { Mark } from './shapes.tsx'
import { useTexts } from './texts.ts'
import { Timeline, useDecision } from './timeline.tsx'
import { traceOf, type Trace } from './trace.ts'
import { CostTable, TraceTable } from './trace-table.tsx'
import { Why } from './trouble.tsx'
import { TRACE } from './words-trace.ts'

const VIEWS = ['timeline', 'table', 'cost'] as const

/** Drawn at most this often while events come, in milliseconds. */
const OFTEN = 200

/** The shown state, but not for every token: a trace of thousands of events is built anew each time. */
function useSampled(room: Room): Shown {
  const shown = useSyncExternalStore(room.subscribe, room.shown)
  const [sampled, setSampled] = useState(shown)
  const last = useRef(0)
  const wanted = useRef(shown)
  wanted.current = shown
  useEffect(() => {
    // What a person does is drawn at once; what comes by itself may wait a little.
    const wait = shown.playback ? 0 : Math.max(0, last.current + OFTEN - performance.now())
    const timer = setTimeout(() => {
      last.current = performance.now()
      setSampled(wanted.current)
    }, wait)
    return () => clearTimeout(timer)
  }, [Math.floor(shown.count / 8), shown.playback, shown.connection, shown.view.end])
  return sampled
}

/** What happened when, in one picture, as a table, and what it cost; any moment of it again. */
export default function TraceScreen({ room }: { room: Room }) {
  const texts = useTexts(TRACE)
  const shown = useSampled(room)
  const [chosen, setChosen] = useState<(typeof VIEWS)[number]>('timeline')
  const { view, connection, playback, count, net } = shown
  const { reel } = room
  const trace = useMemo(() => traceOf(reel.events, reel.times, net), [reel, count, net])
  const failed = connection?.name === 'failed' ? connection.problem : undefined
  const at = playback?.at ?? trace.length
  // A moment before the first event knows nothing of the whole.
  const whole = room.canPlay ? reel.viewAt(reel.length) : view
  return (
    <main className="screen trace-screen" tabIndex={-1}>
      <ModeBand view={whole} />
      <header className="screen-head">
        <div>
          <h1 lang={view.lang}>{view.question === '' ? texts.title : short(view.question)}</h1>
          {view.id !== undefined && (
            <p className="trace-state">
              <Seal kind={sealOf(whole)} small />
            </p>
          )}
        </div>
        <ToggleButtonGroup
          className="segments"
          aria-label={texts.views.label}
          selectionMode="single"
          disallowEmptySelection
          selectedKeys={[chosen]}
          onSelectionChange={(keys) => setChosen([...keys][0] as (typeof VIEWS)[number])}
        >
          {VIEWS.map((one) => (
            <ToggleButton key={one} id={one}>
              {texts.views[one]}
            </ToggleButton>
          ))}
        </ToggleButtonGroup>
      </header>
      {failed && (
        <div className="alert-box" role="alert">
          <Why problem={failed} asking={false} />
        </div>
      )}
      {trace.rows.length === 0 ? (
        <p className="muted">{view.id !== undefined ? texts.notWhole : failed ? '' : texts.none}</p>
      ) : (
        <>
          {chosen === 'timeline' && (
            <>
              <Timeline trace={trace} at={at} onSeek={(ms) => room.seek(ms)} />
              <Controls room={room} shown={shown} at={at} trace={trace} />
              <Legend trace={trace} />
              <Moment view={view} at={at} live={playback === undefined && !trace.over} />
            </>
          )}
          {chosen === 'table' && <TraceTable trace={trace} />}
          {chosen === 'cost' && (
            <CostTable trace={trace} view={playback ? reel.viewAt(reel.length) : view} />
          )}
        </>
      )}
    </main>
  )
}

const short = (question: string): string => {
  const characters = [...question]
  return characters.length > 160 ? `${characters.slice(0, 160).join('')} …` : question
}

interface ControlsProps {
  room: Room
  shown: Shown
  at: number
  trace: Trace
}

function Controls({ room, shown, at, trace }: ControlsProps) {
  const texts = useTexts(TRACE)
  const said = useStanding()
  const { playback, view } = shown
  return (
    <div className="trace-controls">
      <PlayButton room={room} playback={playback} />
      <Scrubber room={room} at={at} length={trace.length} said={said(view)} />
      <Paces room={room} pace={playback?.pace} />
      {playback && (
        <Button className="link-button" onPress={() => room.endPlay()}>
          {texts.toEnd}
        </Button>
      )}
    </div>
  )
}

/** How each of the council stands, in one line. */
function useStanding(): (view: View) => string {
  const words = useWords()
  const state = useLaneState()
  return (view) =>
    [
      ...sagesOf(view).map((sage) => `${words.sages[sage].name}: ${state(view, sage)}`),
      ...(view.judge.attempt > 0 ? [`${words.judge.name}: ${state(view, 'judge')}`] : []),
    ].join(', ')
}

function useLaneState(): (view: View, who: Sage | 'judge') => string {
  const { lane: words } = useWords()
  const decision = useDecision()
  return (view, who) => {
    if (who !== 'judge') {
      const { vote } = view.sages[who]
      if (vote?.cause === 'stopped') return words.stopped
      if (vote) return isMissing(vote) ? words.failed : decision(vote.decision)
    } else if (view.judge.judgment) return decision(view.judge.judgment.final_decision)
    const lane: Lane = who === 'judge' ? view.judge : view.sages[who]
    if (lane.state === 'retrying') return lane.trouble ? words.retrying(lane.trouble) : ''
    return words[lane.state === 'done' ? 'done' : lane.state]
  }
}

const LEGEND = ['connecting', 'panel', 'thinking', 'writing', 'retrying', 'paused'] as const

/** What the bars mean; a panel's only where there is one. */
function Legend({ trace }: { trace: Trace }) {
  const texts = useTexts(TRACE)
  const judges = trace.rows.some((row) => row.bars.some((bar) => bar.kind === 'panel'))
  return (
    <ul className="legend" aria-label={texts.legend}>
      {LEGEND.filter((kind) => kind !== 'panel' || judges).map((kind) => (
        <li key={kind}>
          <svg viewBox="0 0 22 9" width="22" height="9" aria-hidden="true">
            <rect className="trace-bar" data-kind-of={kind} width="22" height="9" rx="1.5" />
          </svg>
          {texts.bars[kind]}
        </li>
      ))}
      <li>{texts.density}</li>
    </ul>
  )
}

/** So much of what was said last is shown of each, in characters. */
const TAIL = 420

/** The end of a text, from the beginning of a sentence on, or at least of a word. */
export function lastOf(text: string): string {
  if (text.length <= TAIL) return text
  const tail = text.slice(-TAIL)
  const sentence = /[。！？\n]|[.!?]\s/u.exec(tail)
  const word = sentence && sentence.index < TAIL / 2 ? sentence : /[\s、，]/u.exec(tail)
  const from = word && word.index < TAIL / 2 ? word.index + word[0].length : 0
  return `… ${tail.slice(from).trimStart()}`
}

/** What each of the council had said at the moment, and how it stood. */
function Moment({ view, at, live }: { view: View; at: number; live: boolean }) {
  const words = useWords()
  const texts = useTexts(TRACE)
  const state = useLaneState()
  return (
    <section className="moment" aria-labelledby="moment-title">
      <h2 id="moment-title">{live ? texts.now : texts.at(words.seconds(at / 1000))}</h2>
      <div className="moment-lanes">
        {[...sagesOf(view), 'judge' as const].map((who) => {
          const lane: Lane = who === 'judge' ? view.judge : view.sages[who]
          const agent = who === 'judge' ? 'solomon' : who
          const text = lane.text === '' ? lane.thinking : lane.text
          const tail = lastOf(text)
          return (
            <article key={who} data-agent={agent}>
              <h3>
                <Mark of={agent} /> {who === 'judge' ? words.judge.name : words.sages[who].name}
                <small>{state(view, who)}</small>
              </h3>
              {tail === '' ? (
                <p className="muted">{texts.nothingYet}</p>
              ) : (
                <div lang={view.lang} data-thinking={lane.text === '' || undefined}>
                  <Prose text={tail} />
                </div>
              )}
            </article>
          )
        })}
      </div>
    </section>
  )
}
