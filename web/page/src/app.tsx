import type { Question } from '@magi/stream'
import { useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { I18nProvider } from 'react-aria-components'
import { AboutProvider, UNKNOWN } from './about.ts'
import { Deliberation } from './deliberation.tsx'
import { wantQuestion } from './focus.ts'
import { sealOf } from './format.ts'
import { Gate, type Asked } from './gate.tsx'
import { Header } from './header.tsx'
import { Home } from './home.tsx'
import { belongsTo, heldFor, hold, keepLeaning } from './leaning.ts'
import { LiveRegion } from './live.tsx'
import { useKeeper } from './remarks.ts'
import { Room } from './room.ts'
import { go, useRoute } from './route.ts'
import { useSettings, useWords } from './settings.tsx'
import { useShortcut, useShortcuts } from './shortcuts.ts'
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

function Screen({ asked, onAgain }: { asked: Asked; onAgain: () => void }) {
  const { door, archive } = useWay()
  const { shortcuts } = useSettings()
  const route = useRoute()
  const [room] = useState(() => new Room(door, archive))
  const [draft, setDraft] = useState('')
  const [asking, setAsking] = useState(false)
  const id = route.name === 'deliberation' ? route.id : undefined
  const before = useRef(id)

  useEffect(() => {
    room.onId = (made) => {
      belongsTo(made)
      setAsking(false)
      go({ name: 'deliberation', id: made })
    }
    const recovered = id === undefined && room.recover()
    if (typeof recovered === 'string') setDraft(recovered)
    else if (recovered) setAsking(true)
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
    setAsking(true)
    hold(leaning)
    room.ask(question)
  }
  const home = (): void => {
    setAsking(false)
    room.leave()
    go({ name: 'home' })
  }
  const askAgain = (question: string): void => {
    setDraft(question)
    home()
  }
  const inside = id !== undefined || asking
  useShortcuts(shortcuts)
  useShortcut('g h', () => (window.location.hash = '#/history'))
  useShortcut(
    'g t',
    id === undefined ? undefined : () => (window.location.hash = `#/d/${id}/trace`),
  )
  // From a deliberation the way to a question is the start page; the deliberation goes on.
  const toQuestion = (): void => {
    wantQuestion()
    home()
  }
  useShortcut('/', inside ? toQuestion : undefined)
  useHeldLeaning(id, room)
  useArrival(inside ? (id ?? 'asking') : 'home')
  return (
    <AboutProvider value={asked.state === 'there' ? asked.about : UNKNOWN}>
      <Header onHome={home} />
      <Title room={room} inside={inside} />
      <LiveRegion room={room} />
      {inside ? (
        <Deliberation
          room={room}
          onAskAgain={askAgain}
          onFollow={(next) => go({ name: 'deliberation', id: next })}
        />
      ) : (
        <Home asked={asked} onAgain={onAgain} draft={draft} onDraft={setDraft} onAsk={ask} />
      )}
    </AboutProvider>
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
 * takes it; where something still has it, it stays there.
 */
function useArrival(screen: string): void {
  const before = useRef(screen)
  useEffect(() => {
    // The question got its id: the same screen.
    const same = before.current === 'asking' && screen !== 'home'
    if (before.current === screen || same) {
      before.current = screen
      return
    }
    before.current = screen
    window.scrollTo(0, 0)
    if (document.activeElement === document.body || document.activeElement === null)
      document.querySelector('main')?.focus({ preventScroll: true })
  }, [screen])
}

/** The tab's title says how it stands, for whoever is in another tab. */
function Title({ room, inside }: { room: Room; inside: boolean }) {
  const words = useWords()
  const { view } = useSyncExternalStore(room.subscribe, room.shown)
  const title =
    inside && view.question !== ''
      ? `${SEAL_WORDS[sealOf(view)][words.code]} · ${view.question.slice(0, 60)} · MAGI`
      : `MAGI · ${words.tagline}`
  useEffect(() => {
    document.title = title
  }, [title])
  return null
}
