import type { Question } from '@magi/stream'
import { lazy, Suspense, useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { I18nProvider } from 'react-aria-components'
import { carried, carriedAgain, type Carry } from './carry.ts'
import { CarryNote } from './carry-note.tsx'
import { Deletions } from './deletions.ts'
import { AboutProvider, UNKNOWN } from './about.ts'
import { wantQuestion } from './focus.ts'
import { DeliberationBar } from './deliberation-bar.tsx'
import { sealOf } from './format.ts'
import { Gate, type Asked } from './gate.tsx'
import { Header } from './header.tsx'
import { Home } from './home.tsx'
import { belongsTo, heldFor, hold, keepLeaning } from './leaning.ts'
import { LiveRegion } from './live.tsx'
import { Pending } from './pending.tsx'
import { onDemand, soon } from './on-demand.tsx'
import { useKeeper } from './remarks.ts'
import { Room } from './room.ts'
import { go, parse, useRoute, type Route } from './route.ts'
import { useSettings, useWords } from './settings.tsx'
import { useShortcut, useShortcuts } from './shortcuts.ts'
import { isRunning, useEscape } from './stop.tsx'
import { useWay } from './way.ts'
import { SEAL_WORDS } from './words.ts'

/** The whole page: a header, and what the address names. */
export function App() {
  const { lang } = useSettings()
  return (
    <I18nProvider locale={lang === 'ja' ? 'ja-JP' : 'en-US'}>
      <Gate>{(asked, again) => <Screen asked={asked} onAgain={again} />}</Gate>
    </I18nProvider>
  )
}

// What is not needed for the first question comes when it is wanted.
const History = lazy(() => import('./history-screen.tsx'))
const TraceScreen = lazy(() => import('./trace-screen.tsx'))
const Compare = lazy(() => import('./compare-screen.tsx'))
const Presets = lazy(() => import('./presets-screen.tsx'))
const ConnectionCheck = lazy(() => import('./check-screen.tsx'))
// Whoever is about to ask, or to open an earlier one, is about to want it.
const deliberating = onDemand(async () => (await import('./deliberation.tsx')).default)
const comes = (): void => soon(deliberating)
if (parse(window.location.hash).name === 'deliberation') comes()

const idIn = (route: Route): string | undefined =>
  route.name === 'deliberation' || route.name === 'trace' ? route.id : undefined

function Screen({ asked, onAgain }: { asked: Asked; onAgain: () => void }) {
  const { door, archive, library } = useWay()
  const route = useRoute()
  const [room] = useState(() => new Room(door, archive))
  const [deletions] = useState(() => new Deletions(library.remove))
  const [draft, setDraft] = useState('')
  const [carry, setCarry] = useState<Carry>()
  const [asking, setAsking] = useState(false)
  const id = idIn(route)
  const before = useRef(id)

  useEffect(() => {
    room.onId = (made) => {
      belongsTo(made)
      setAsking(false)
      go({ name: 'deliberation', id: made })
    }
    const recovered = id === undefined && room.recover()
    if (typeof recovered === 'string') setDraft(recovered)
    else if (recovered === true) setAsking(true)
    else if (recovered) go({ name: 'deliberation', id: recovered.id })
    // Once: what a reload interrupted before it had an id.
  }, [room])

  useEffect(() => {
    if (id !== undefined) {
      setAsking(false)
      if (room.id !== id) room.open(id)
    } else if (before.current !== undefined) room.leave()
    before.current = id
  }, [room, id])

  const ask = (question: Question, leaning = ''): void => {
    setDraft('')
    setCarry(undefined)
    setAsking(true)
    hold(leaning)
    room.ask(question)
  }
  const home = (): void => {
    setAsking(false)
    room.leave()
    go({ name: 'home' })
  }
  const takeUp = (next: Carry): void => {
    setDraft(next.draft)
    setCarry(next)
    home()
  }
  const askAgain = (question: string, over?: string): void => {
    const bare = (): void => {
      setDraft(question)
      setCarry(undefined)
      home()
    }
    if (over === undefined) bare()
    else carriedAgain(library, over).then(takeUp, bare)
  }
  const inside = id !== undefined || (asking && route.name === 'home')
  useStopKey(room, inside)
  useWays(id, route.name === 'home' && !asking ? undefined : home)
  useHeldLeaning(id, room)
  const screen = (): React.ReactNode => {
    switch (route.name) {
      case 'history':
        return <History deletions={deletions} onCarry={takeUp} />
      case 'compare':
        return <Compare left={route.left} right={route.right} />
      case 'presets':
      case 'preset':
        return <Presets preset={route.name === 'preset' ? route.preset : undefined} />
      case 'connection':
        return <ConnectionCheck />
      case 'trace':
        return <TraceScreen room={room} />
      case 'deliberation':
        return deliberation
      case 'home':
        return asking ? (
          deliberation
        ) : (
          <Home
            asked={asked}
            onAgain={onAgain}
            draft={draft}
            preset={carry?.with.preset}
            onDraft={setDraft}
            onAsk={(question, leaning) => ask(carried(question, carry), leaning)}
            // A scene goes on from nothing, whatever is prepared in the composer.
            onScene={ask}
            onSoon={comes}
          >
            {carry && <CarryNote carry={carry} onDrop={() => setCarry(undefined)} />}
          </Home>
        )
    }
  }
  const deliberation = (
    <deliberating.Part
      room={room}
      onAskAgain={askAgain}
      onFollow={(next) => go({ name: 'deliberation', id: next })}
    />
  )
  return (
    <AboutProvider value={asked.state === 'there' ? asked.about : UNKNOWN}>
      <Header onHome={home} at={route.name} />
      <Title room={room} inside={inside} at={route.name} />
      <LiveRegion room={room} />
      {id !== undefined && <DeliberationBar room={room} id={id} at={route.name} onCarry={takeUp} />}
      <Suspense fallback={<Loading />}>
        <Arrival at={inside ? (asking ? 'asking' : `${route.name} ${id}`) : route.name}>
          {screen()}
        </Arrival>
      </Suspense>
      <Pending deletions={deletions} />
    </AboutProvider>
  )
}

/** Esc is bound to the deliberation itself: it stops on every view of it, in every phase. */
function useStopKey(room: Room, inside: boolean): void {
  const shown = useSyncExternalStore(room.subscribe, room.shown)
  useEscape(inside && isRunning(room, shown), () => void room.stop())
}

/** The keys that lead to other screens. */
function useWays(id: string | undefined, home: (() => void) | undefined): void {
  const { shortcuts } = useSettings()
  useShortcuts(shortcuts)
  useShortcut('g h', () => go({ name: 'history' }))
  useShortcut('g t', id === undefined ? undefined : () => go({ name: 'trace', id }))
  // From a deliberation the way to a question is the start page; the deliberation goes on.
  const toQuestion = home && ((): void => (wantQuestion(), home()))
  useShortcut('/', toQuestion)
}

/** A screen on its way. It has the height of one, so that nothing jumps, and says so only if it lasts. */
function Loading() {
  const words = useWords()
  return (
    <main className="screen" tabIndex={-1} aria-busy="true">
      <p className="muted loading">{words.nav.loading}</p>
    </main>
  )
}

/** What the person leaned to is kept beside the deliberation as soon as it has an id. */
function useHeldLeaning(id: string | undefined, room: Room): void {
  const { code } = useWords()
  const { view } = useSyncExternalStore(room.subscribe, room.shown)
  const known = view.id !== undefined && view.id === id
  const keeper = useKeeper(known && view.capabilities.includes('history'))
  useEffect(() => {
    if (!known || id === undefined || !keeper || heldFor(id) === undefined) return
    // Where it fails it waits in the tab, and stands in the verdict's card all the same.
    keepLeaning(keeper, id, code).catch(() => {})
  }, [known, id, keeper])
}

/**
 * Another screen begins at its top. What had the focus is gone with the old screen, so the new one
 * takes it as soon as it is here; where something still has it, it stays there.
 */
function Arrival({ at, children }: { at: string; children: React.ReactNode }) {
  const before = useRef(at)
  useEffect(() => {
    // The question got its id: the same screen.
    const same = before.current === 'asking' && at !== 'home'
    const arrived = before.current !== at && !same
    before.current = at
    if (!arrived) return
    window.scrollTo(0, 0)
    if (document.activeElement === document.body || document.activeElement === null)
      document.querySelector('main')?.focus({ preventScroll: true })
  }, [at])
  return children
}

/** The tab's title says how it stands, for whoever is in another tab. */
function Title({ room, inside, at }: { room: Room; inside: boolean; at: Route['name'] }) {
  const words = useWords()
  const { view } = useSyncExternalStore(room.subscribe, room.shown)
  const title =
    inside && view.question !== ''
      ? `${SEAL_WORDS[sealOf(view)][words.code]} · ${view.question.slice(0, 60)} · MAGI`
      : at === 'home' || inside
        ? `MAGI · ${words.tagline}`
        : `${words.nav.title[at]} · MAGI`
  useEffect(() => {
    document.title = title
  }, [title])
  return null
}
