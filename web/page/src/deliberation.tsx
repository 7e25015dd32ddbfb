import { sagesOf, type ExportFormat, type Sage, type View } from '@magi/stream'
import { useCallback, useEffect, useState, useSyncExternalStore } from 'react'
import { Button } from 'react-aria-components'
import { can } from './able.ts'
import { AfterButtons, Afterwards, type Wish } from './afterwards.tsx'
import { ConnectionState } from './connection.tsx'
import { Controls, NoteForm, Notes } from './controls.tsx'
import { useRemarked, type Remarked } from './decision.tsx'
import { sealOf, votesIn } from './format.ts'
import { ModeBand, Phases, QuestionHead, Totals } from './head.tsx'
import { ArrowDown, Play } from './icons.tsx'
import { Judge } from './judge.tsx'
import { focusLane, Lanes, scrollOf, useStage, type Stage } from './lanes.tsx'
import { save } from './library.ts'
import { Links } from './links.tsx'
import { markPassage, unmark } from './passage.ts'
import { ContentLang } from './prose.tsx'
import { Refused } from './refusal.tsx'
import { useKeeper, type Keeper } from './remarks.ts'
import { Player } from './player.tsx'
import type { Room, Shown } from './room.ts'
import { Seal } from './seal.tsx'
import { useWords } from './settings.tsx'
import { useShortcut } from './shortcuts.ts'
import { decisionOf, useJudgedAgain } from './stability.ts'
import { StabilityResult } from './stability-result.tsx'
import { Paused } from './states.tsx'
import { token } from './token.ts'
import { Why } from './trouble.tsx'
import { useFigures } from './use-figures.ts'
import { VerdictCard } from './verdict.tsx'
import { useHands } from './verbs.tsx'
import { useWay } from './way.ts'

interface DeliberationProps {
  room: Room
  /** `over` is the deliberation it was, where that has ended. */
  onAskAgain: (question: string, over?: string) => void
  onFollow: (id: string) => void
}

/** One deliberation: three lanes, the tally, the judge, the verdict. Live, resumed, or over. */
export default function Deliberation({ room, onAskAgain, onFollow }: DeliberationProps) {
  const shown = useSyncExternalStore(room.subscribe, room.shown)
  const { view, asked, connection, playback } = shown
  const question = view.question === '' ? (asked?.question ?? '') : view.question
  // Nothing of it was ever received, so there is nothing to show but why.
  const empty = connection?.name === 'failed' && view.id === undefined
  const going = view.end === undefined && connection?.name !== 'failed' && !playback
  const stage = useStage()
  const [noting, setNoting] = useState(false)
  const [wish, setWish] = useState<Wish>()
  const [turns, setTurns] = useJudgedAgain(view.id)
  const before = decisionOf(view)
  const hands = useHands(room, shown, playback !== undefined, setWish)
  const figures = useFigures(view, view.end === undefined || playback !== undefined)
  const keeper = useKeeper(view.id !== undefined && can(view, 'history'))
  const remarked = useRemarked(keeper, view.end ? view.id : undefined, conditionsOf(view))
  const toggleNote = (): void => setNoting((old) => !old)
  const closeNote = useCallback(() => setNoting(false), [])
  const notable = going && room.id !== undefined && can(view, 'note')
  useShortcut('n', notable ? toggleNote : undefined)
  useShortcut('v', view.end ? toVerdict : undefined)
  useEffect(() => unmark, [view.id])
  return (
    <main className="deliberation" tabIndex={-1} data-phase={view.phase}>
      <ModeBand view={view} playing={playback !== undefined} />
      <header className="question-head">
        <QuestionHead view={view} question={question} />
        <div className="question-side">
          <Totals shown={shown} total={figures.total} />
          {going && can(view, 'stop') && (
            <Controls room={room} shown={shown} noting={noting} onNote={toggleNote} />
          )}
        </div>
      </header>
      <Refused refusal={shown.refusals.all} onForgive={() => room.forgive('all')} />
      {noting && notable && (
        <NoteForm room={room} shown={shown} onClose={closeNote} onFollow={onFollow} />
      )}
      <div className="status-row">
        {!empty && <Phases view={view} />}
        {connection && connection.name !== 'over' && (
          <ConnectionState
            state={connection}
            askedAt={shown.askedAt}
            onNow={() => room.retryNow()}
          />
        )}
        {view.end && <ToVerdict view={view} />}
      </div>
      <Trouble shown={shown} room={room} onAskAgain={() => onAskAgain(question)} />
      {playback && <Player room={room} playback={playback} />}
      <Notices shown={shown} />
      <Paused view={view} />
      <Links view={view} keeper={keeper} />
      <Notes view={view} />
      {!empty && (
        <ContentLang value={view.lang}>
          <Lanes view={view} stage={stage} figures={figures} hands={hands} skew={shown.skew} />
          <Judge
            view={view}
            figures={figures.judge}
            hands={hands}
            card={
              <>
                <VerdictCard
                  view={view}
                  remarked={shownRemarks(keeper, remarked, shown)}
                  onDissent={(sage, text) => toPassage(stage, sage, text)}
                  actions={
                    <Actions
                      room={room}
                      shown={shown}
                      onAskAgain={() => onAskAgain(question, keeper && view.id)}
                      onFollow={onFollow}
                      onWish={setWish}
                    />
                  }
                />
                {before && turns.length > 0 && !playback && (
                  <StabilityResult before={before} ids={turns} />
                )}
              </>
            }
          />
        </ContentLang>
      )}
      {!empty && <Foot view={view} />}
      {wish && (
        <Afterwards
          room={room}
          shown={shown}
          wish={wish}
          onClose={() => setWish(undefined)}
          onFollow={onFollow}
          onStability={setTurns}
        />
      )}
    </main>
  )
}

const conditionsOf = (view: View): readonly string[] =>
  view.end?.kind === 'complete' ? (view.end.data.solomon_judgment.conditions ?? []) : []

/** Nobody decides in a playback. */
const shownRemarks = (
  keeper: Keeper | undefined,
  remarked: Remarked,
  { playback }: Shown,
): Remarked | undefined => (keeper && !playback ? remarked : undefined)

/** Goes to where a dissent was said: its words if they are there, else the vote that carries it. */
function toPassage(stage: Stage, sage: Sage, text: string): void {
  focusLane(stage, sage)
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      const box = scrollOf(sage)
      const vote = box?.closest('.lane')?.querySelector<HTMLElement>('.vote')
      vote?.removeAttribute('data-pointed')
      if (box && !markPassage(box, text)) vote?.setAttribute('data-pointed', '')
    }),
  )
}

/** Above three lanes the verdict is below the fold: how it ended, and the way there. */
function ToVerdict({ view }: { view: View }) {
  const words = useWords()
  return (
    <a
      className="to-verdict"
      href="#verdict"
      onClick={(event) => {
        // The hash is the route, so the skip link moves the focus itself.
        event.preventDefault()
        toVerdict()
      }}
    >
      <Seal kind={sealOf(view)} small />
      <span>
        {view.end?.kind === 'complete' ? words.skipToVerdict : words.skipToEnd} <ArrowDown />
      </span>
    </a>
  )
}

function toVerdict(): void {
  const card = document.getElementById('verdict')
  // By itself the focus brings the middle of what is taller than the window into sight.
  card?.focus({ preventScroll: true })
  card?.scrollIntoView({ block: 'start' })
}

/** On a narrow screen: how it stands, always in sight, and the way to the verdict. */
function Foot({ view }: { view: View }) {
  const words = useWords()
  const sages = sagesOf(view)
  const votes = votesIn(view)
  return (
    <div className="verdict-bar">
      <Seal kind={sealOf(view)} small />
      {view.end ? (
        <Button className="link-button" onPress={toVerdict}>
          {view.end.kind === 'complete' ? words.skipToVerdict : words.skipToEnd}
        </Button>
      ) : (
        <span>{words.room.votesIn(votes, sages.length)}</span>
      )}
    </div>
  )
}

/** Trying the same again cannot mend these. */
const FINAL: ReadonlySet<string> = new Set(['cut_for_good', 'no_state', 'not_kept', 'nothing_came'])

/** The one alert of the whole: a failed connection. */
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
  const { connection } = shown
  const failed = connection?.name === 'failed' ? connection.problem : undefined
  const asking = shown.view.question === '' ? (shown.asked?.question ?? '') : shown.view.question
  const gone = failed?.status === 404 || failed?.status === 410
  return (
    <div className="alert" role="alert">
      {failed && (
        <div className="alert-box">
          <Why problem={failed} asking={room.id === undefined} />
          {room.told.length > 0 && (
            <Records room={room} id={room.told.at(-1)?.id ?? ''} view={shown.view} />
          )}
          {!gone && !FINAL.has(failed.code) && (
            <Button className="button" onPress={() => room.again()}>
              {words.connection.retry}
            </Button>
          )}
          <Button className="button" onPress={onAskAgain}>
            {asking === '' ? words.newQuestion : words.verdict.again}
          </Button>
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

interface ActionsProps {
  room: Room
  shown: Shown
  onAskAgain: () => void
  onFollow: (id: string) => void
  onWish: (wish: Wish) => void
}

function Actions({ room, shown, onAskAgain, onFollow, onWish }: ActionsProps) {
  const words = useWords()
  const { id } = room
  const { end } = shown.view
  const goOn = async (): Promise<void> => {
    const done = await room.act('after', 'resume')
    if (done) onFollow(done.id)
  }
  return (
    <>
      {end?.kind !== 'complete' && can(shown.view, 'resume') && (
        <Button
          className="button"
          isDisabled={shown.doing.has('resume:after')}
          onPress={() => void goOn()}
        >
          {words.verdict.goOn}
        </Button>
      )}
      {!shown.playback && id !== undefined && <AfterButtons view={shown.view} onWish={onWish} />}
      <Button className="button" onPress={onAskAgain}>
        {words.verdict.again}
      </Button>
      {room.canPlay && !shown.playback && (
        <Button className="button" onPress={() => room.play(1)}>
          <Play /> {words.verdict.replay}
        </Button>
      )}
      {id !== undefined && <Records room={room} id={id} view={shown.view} />}
      {shown.refusals.after?.verb === 'resume' && (
        <Refused refusal={shown.refusals.after} onForgive={() => room.forgive('after')} />
      )}
    </>
  )
}

/** The record as files: links where a link can open it, else made or fetched and then saved. */
function Records({ room, id, view }: { room: Room; id: string; view: View }) {
  const words = useWords()
  const { library, archive } = useWay()
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
          : (await import('./record.ts')).recordOf(
              room.told,
              format,
              await archive?.item(id).catch(() => undefined),
            )
      save(blob, `magi-${id}.${format}`)
    } catch (error) {
      setFailed(words.own.saveFailed(error instanceof Error ? error.message : String(error)))
    }
  }
  return (
    <span className="records">
      {words.verdict.record}:{' '}
      {library.formats.map((format) =>
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
