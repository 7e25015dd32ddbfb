import { sagesOf, type ExportFormat, type Sage, type View } from '@magi/stream'
import { useEffect, useState, useSyncExternalStore } from 'react'
import { Button, ToggleButton, ToggleButtonGroup } from 'react-aria-components'
import { ConnectionState } from './connection.tsx'
import { clock } from './format.ts'
import { Play, StopIcon } from './icons.tsx'
import { Judge } from './judge.tsx'
import { Lane } from './lane.tsx'
import { save } from './library.ts'
import type { Room, Shown } from './room.ts'
import { ContentLang } from './prose.tsx'
import { useWords } from './settings.tsx'
import { Mark } from './shapes.tsx'
import { token } from './token.ts'
import { Why } from './trouble.tsx'
import { useWay } from './way.ts'

const SPEEDS = [1, 2, 4, 16]

interface DeliberationProps {
  room: Room
  onAskAgain: (question: string) => void
  onFollow: (id: string) => void
}

/** One deliberation: three lanes, the tally, the judge, the verdict. Live, resumed, or over. */
export function Deliberation({ room, onAskAgain, onFollow }: DeliberationProps) {
  const shown = useSyncExternalStore(room.subscribe, room.shown)
  const words = useWords()
  const { view, asked, connection } = shown
  const question = view.question === '' ? (asked?.question ?? '') : view.question
  // Nothing of it was ever received, so there is nothing to show but why.
  const empty = connection?.name === 'failed' && view.id === undefined
  const running =
    view.end === undefined && connection?.name !== 'failed' && !shown.playback && can(view, 'stop')
  useEscape(running && room.id !== undefined, () => void room.stop())
  return (
    <main className="deliberation" tabIndex={-1} data-phase={view.phase}>
      <ModeBand shown={shown} />
      <header className="question-head">
        <div>
          <h1 lang={view.lang}>
            {question === '' && empty ? words.connection.failed : shortened(question)}
          </h1>
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
        <div className="question-side">
          <Elapsed shown={shown} />
          {running && (
            <Button
              className="stop"
              isDisabled={shown.stopping || room.id === undefined}
              onPress={() => void room.stop()}
            >
              <StopIcon /> {shown.stopping ? words.stopping : words.stop} <kbd>Esc</kbd>
            </Button>
          )}
        </div>
      </header>
      <div className="status-row">
        {!empty && <Phases view={view} />}
        {connection && (
          <ConnectionState
            state={connection}
            askedAt={shown.askedAt}
            onNow={() => room.retryNow()}
          />
        )}
      </div>
      <Trouble shown={shown} room={room} onAskAgain={() => onAskAgain(question)} />
      {shown.playback && <Playback room={room} speed={shown.playback.speed} />}
      {view.end && (
        <a className="skip-verdict" href="#verdict" onClick={toVerdict}>
          {words.skipToVerdict}
        </a>
      )}
      <Notices shown={shown} />
      {view.paused && !view.end && (
        <p className="notice">
          {words.connection.paused}: {view.paused.reason}
        </p>
      )}
      <ContentLang value={view.lang}>
        {!empty && <Lanes view={view} />}
        {!empty && (
          <Judge
            view={view}
            actions={
              <Actions
                room={room}
                shown={shown}
                onAskAgain={() => onAskAgain(question)}
                onFollow={onFollow}
              />
            }
          />
        )}
      </ContentLang>
    </main>
  )
}

/** The longest question that stands as a heading, in characters. */
const HEADING = 240

/** A long question does not push the lanes off the screen. */
const shortened = (question: string): string => {
  const characters = [...question]
  return characters.length > HEADING ? `${characters.slice(0, HEADING).join('')} …` : question
}

/** What the door of this deliberation cannot do is not offered. */
const can = (view: View, what: string): boolean =>
  view.id === undefined || view.capabilities.includes(what)

/** The hash is the route, so the skip link moves the focus itself. */
function toVerdict(event: { preventDefault: () => void }): void {
  event.preventDefault()
  document.getElementById('verdict')?.focus()
}

/** Esc stops whenever the deliberation is running, whatever has the focus, but never while composing. */
function useEscape(active: boolean, call: () => void): void {
  useEffect(() => {
    if (!active) return undefined
    const pressed = (event: KeyboardEvent): void => {
      if (event.key === 'Escape' && !event.defaultPrevented && !event.isComposing) call()
    }
    window.addEventListener('keydown', pressed)
    return () => window.removeEventListener('keydown', pressed)
  })
}

function ModeBand({ shown }: { shown: Shown }) {
  const { mode } = useWords()
  const { view, playback } = shown
  const rehearsal = view.mode === 'rehearsal'
  const replay = playback !== undefined || view.mode === 'replay'
  if (!rehearsal && !replay) return null
  return (
    <div className="bands">
      {rehearsal && (
        <p className="band" data-mode="rehearsal">
          <strong>
            <span lang="en">REHEARSAL</span> <span lang="ja">リハーサル</span>
          </strong>{' '}
          {mode.rehearsalNote}
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

function Phases({ view }: { view: View }) {
  const { phase: words } = useWords()
  const judged = view.judge.attempt > 0 || view.end?.kind === 'complete'
  const steps = [
    {
      key: 'sages',
      label: words.sages,
      done: view.tally !== undefined,
      now: view.phase === 'sages',
    },
    {
      key: 'tally',
      label: words.tally,
      done: view.tally !== undefined && judged,
      now: view.phase === 'tally',
    },
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

/** Trying the same again cannot mend these. */
const FINAL: ReadonlySet<string> = new Set(['cut_for_good', 'no_state', 'not_kept', 'nothing_came'])

/** The one alert: a failed connection, a refused verb. */
function Trouble({
  shown,
  room,
  onAskAgain,
}: {
  shown: Shown
  room: Room
  onAskAgain: () => void
}) {
  const words = useWords()
  const { connection, problem } = shown
  const failed = connection?.name === 'failed' ? connection.problem : undefined
  const what = failed ?? problem
  const asking = shown.view.question === '' ? (shown.asked?.question ?? '') : shown.view.question
  const gone = failed?.status === 404 || failed?.status === 410
  return (
    <div className="alert" role="alert">
      {what && (
        <div className="alert-box">
          <Why problem={what} asking={room.id === undefined} />
          {failed && room.told.length > 0 && (
            <Records room={room} id={room.told.at(-1)?.id ?? ''} view={shown.view} />
          )}
          {failed && !gone && !FINAL.has(failed.code) && (
            <Button className="button" onPress={() => room.again()}>
              {words.connection.retry}
            </Button>
          )}
          {failed && (
            <Button className="button" onPress={onAskAgain}>
              {asking === '' ? words.newQuestion : words.verdict.again}
            </Button>
          )}
        </div>
      )}
      {shown.view.end?.kind === 'error' && !shown.playback && (
        <span className="visually-hidden">
          {words.verdict.failed} {shown.view.end.data.message}
        </span>
      )}
    </div>
  )
}

/** What the person should know of the way and of the copy, beside what is said. */
function Notices({ shown }: { shown: Shown }) {
  const words = useWords()
  const { held, unkept, view } = shown
  const why = held && words.held(held)
  return (
    <div role="status">
      {view.parts.length > 0 && (
        <p className="notice" data-notice="gone-on">
          {words.own.goneOn(view.parts.length)}
        </p>
      )}
      {why && (
        <div className="notice notice-loud" data-notice="held">
          <p>{why.what}</p>
          <p className="why-fix">{why.fix}</p>
        </div>
      )}
      {unkept && (
        <p className="notice notice-loud" data-notice="unkept">
          {words.own.unkept[unkept]}
        </p>
      )}
    </div>
  )
}

/** The three lanes: side by side, one enlarged, or on a narrow screen one at a time. */
function Lanes({ view }: { view: View }) {
  const words = useWords()
  const sages = sagesOf(view)
  const [enlarged, setEnlarged] = useState<Sage>()
  const [chosen, setChosen] = useState<Sage>('caspar')
  const shown = sages.includes(chosen) ? chosen : (sages[0] ?? 'caspar')
  return (
    <>
      <ToggleButtonGroup
        className="lane-tabs"
        aria-label={words.lane.choose}
        selectionMode="single"
        disallowEmptySelection
        selectedKeys={[shown]}
        onSelectionChange={(keys) => setChosen([...keys][0] as Sage)}
      >
        {sages.map((sage) => (
          <ToggleButton key={sage} id={sage} data-agent={sage} data-state={view.sages[sage].state}>
            <Mark of={sage} /> {words.sages[sage].name}
          </ToggleButton>
        ))}
      </ToggleButtonGroup>
      <div className="lanes" data-count={sages.length} data-enlarged={enlarged}>
        {sages.map((sage) => (
          <div
            key={sage}
            className="lane-slot"
            data-chosen={sage === shown || undefined}
            data-large={sage === enlarged || undefined}
          >
            <Lane
              sage={sage}
              lane={view.sages[sage]}
              over={view.end !== undefined}
              enlarged={enlarged === sage}
              onEnlarge={() => setEnlarged((old) => (old === sage ? undefined : sage))}
            />
          </div>
        ))}
      </div>
    </>
  )
}

interface ActionsProps {
  room: Room
  shown: Shown
  onAskAgain: () => void
  onFollow: (id: string) => void
}

function Actions({ room, shown, onAskAgain, onFollow }: ActionsProps) {
  const words = useWords()
  const { id } = room
  const { end } = shown.view
  const goOn = async (): Promise<void> => {
    const next = await room.resume()
    if (next !== undefined) onFollow(next)
  }
  return (
    <>
      {end?.kind !== 'complete' && can(shown.view, 'resume') && (
        <Button className="button" onPress={() => void goOn()}>
          {words.verdict.goOn}
        </Button>
      )}
      <Button className="button" onPress={onAskAgain}>
        {words.verdict.again}
      </Button>
      {room.canPlay && !shown.playback && (
        <Button className="button" onPress={() => room.play(1)}>
          <Play /> {words.verdict.replay}
        </Button>
      )}
      {id !== undefined && <Records room={room} id={id} view={shown.view} />}
    </>
  )
}

const FORMATS = ['md', 'json', 'ndjson'] as const

/** The record as files: links where a link can open it, else made or fetched and then saved. */
function Records({ room, id, view }: { room: Room; id: string; view: View }) {
  const words = useWords()
  const { library } = useWay()
  const [failed, setFailed] = useState('')
  if (library.kind === 'server' && !can(view, 'export')) return null
  // A link cannot carry a token.
  const link = library.kind === 'server' && token.read() === undefined ? library.link : undefined
  const saveAs = async (format: ExportFormat): Promise<void> => {
    setFailed('')
    try {
      const blob =
        library.kind === 'server'
          ? await library.record(id, format)
          : (await import('./record.ts')).recordOf(room.told, format)
      save(blob, `magi-${id}.${format}`)
    } catch (error) {
      setFailed(words.own.saveFailed(error instanceof Error ? error.message : String(error)))
    }
  }
  return (
    <span className="records">
      {words.verdict.record}:{' '}
      {FORMATS.map((format) =>
        link ? (
          <a key={format} href={link(id, format)} download={`magi-${id}.${format}`}>
            {format}
          </a>
        ) : (
          <Button
            key={format}
            className="link-button"
            aria-label={words.own.save(format)}
            onPress={() => void saveAs(format)}
          >
            {format}
          </Button>
        ),
      )}
      <span role="status">{failed}</span>
    </span>
  )
}

function Playback({ room, speed }: { room: Room; speed: number }) {
  const { playback } = useWords()
  return (
    <div className="playback" role="group" aria-label={playback.label}>
      <span id="playback-speed">{playback.speed}</span>
      <ToggleButtonGroup
        className="segments"
        aria-labelledby="playback-speed"
        selectionMode="single"
        disallowEmptySelection
        selectedKeys={[String(speed)]}
        onSelectionChange={(keys) => room.setSpeed(Number([...keys][0]))}
      >
        {SPEEDS.map((one) => (
          <ToggleButton key={one} id={String(one)}>
            {one}×
          </ToggleButton>
        ))}
      </ToggleButtonGroup>
      <Button className="button" onPress={() => room.endPlay()}>
        {playback.end}
      </Button>
    </div>
  )
}
