import { useState, useSyncExternalStore } from 'react'
import { Button } from 'react-aria-components'
import { followOf, listedOf, type Carry } from './carry.ts'
import { hashOf, type Route } from './route.ts'
import { Refused } from './refusal.tsx'
import type { Room } from './room.ts'
import { useWords } from './settings.tsx'
import { isRunning, Stop } from './stop.tsx'
import { useWay } from './way.ts'

interface BarProps {
  room: Room
  id: string
  at: Route['name']
  onCarry: (carry: Carry) => void
}

/** The two ways to look at one deliberation, and a question that follows up on it. */
export function DeliberationBar({ room, id, at, onCarry }: BarProps) {
  const { nav: words } = useWords()
  const { library } = useWay()
  const [failed, setFailed] = useState('')
  const follow = async (): Promise<void> => {
    setFailed('')
    try {
      onCarry(await followOf(library, await listedOf({ get: library.snapshot }, room.id ?? id)))
    } catch (error) {
      setFailed(error instanceof Error ? error.message : String(error))
    }
  }
  const tab = (name: 'deliberation' | 'trace') => (
    <a href={hashOf({ name, id })} aria-current={at === name ? 'page' : undefined}>
      {words[name]}
    </a>
  )
  return (
    <div className="deliberation-bar">
      <nav className="places" aria-label={words.views}>
        {tab('deliberation')}
        {tab('trace')}
      </nav>
      <span role="status" className="muted">
        {failed}
      </span>
      <Button className="link-button" onPress={() => void follow()}>
        {words.follow}
      </Button>
      <StopHere room={room} at={at} />
    </div>
  )
}

/** Where the deliberation's own controls are not in sight: on its trace, and while a moment of it is shown. */
function StopHere({ room, at }: Pick<BarProps, 'room' | 'at'>) {
  const shown = useSyncExternalStore(room.subscribe, room.shown)
  if (at !== 'trace' && !shown.playback) return null
  return (
    <>
      {isRunning(room, shown) && <Stop room={room} shown={shown} />}
      {at === 'trace' && (
        <Refused refusal={shown.refusals.all} onForgive={() => room.forgive('all')} />
      )}
    </>
  )
}
