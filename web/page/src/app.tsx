import type { Question } from '@magi/stream'
import { useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { I18nProvider } from 'react-aria-components'
import { Deliberation } from './deliberation.tsx'
import { sealOf } from './format.ts'
import { Gate, type Asked } from './gate.tsx'
import { Header } from './header.tsx'
import { Home } from './home.tsx'
import { LiveRegion } from './live.tsx'
import { Room } from './room.ts'
import { go, useRoute } from './route.ts'
import { useSettings, useWords } from './settings.tsx'
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
  const route = useRoute()
  const [room] = useState(() => new Room(door, archive))
  const [draft, setDraft] = useState('')
  const [asking, setAsking] = useState(false)
  const id = route.name === 'deliberation' ? route.id : undefined
  const before = useRef(id)

  useEffect(() => {
    room.onId = (made) => {
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

  const ask = (question: Question): void => {
    setDraft('')
    setAsking(true)
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
  useArrival(inside ? (id ?? 'asking') : 'home')
  return (
    <>
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
    </>
  )
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
