import type { Lane, Sage, View } from '@magi/stream'
import { memo, useMemo } from 'react'
import type { Wish } from './afterwards.tsx'
import { can, isAtWork } from './able.ts'
import { Again, StopIcon, Swap } from './icons.tsx'
import { Refused } from './refusal.tsx'
import type { Room, Shown } from './room.ts'
import { useWords } from './settings.tsx'
import { Sign } from './sign.tsx'

/** What can be done just now, the same object while nothing of it changes. */
export interface Hands {
  room: Room
  doing: Shown['doing']
  refusals: Shown['refusals']
  able: { stop: boolean; retry: boolean; fork: boolean }
  over: boolean
  onWish: (wish: Wish) => void
}

/** Makes the hands of a deliberation; `idle` is while nothing may be done, as in a playback. */
export function useHands(
  room: Room,
  shown: Shown,
  idle: boolean,
  onWish: (wish: Wish) => void,
): Hands {
  const { view, doing, refusals } = shown
  const known = room.id !== undefined && !idle
  const over = view.end !== undefined
  const { capabilities, id } = view
  return useMemo(() => {
    const of: Pick<View, 'id' | 'capabilities'> = { id, capabilities }
    const may = (what: string): boolean => known && can(of, what)
    const able = { stop: may('stop'), retry: may('retry'), fork: may('fork') }
    return { room, doing, refusals, able, over, onWish }
  }, [room, doing, refusals, known, over, capabilities, id, onWish])
}

interface VerbsProps {
  who: Sage | 'judge'
  name: string
  lane: Lane
  hands: Hands
}

/** What can be done to one of the council: stop, let try again, the same with another model. */
export const Verbs = memo(function Verbs({ who, name, lane, hands }: VerbsProps) {
  const { room: words } = useWords()
  const { room, doing, refusals, able, over, onWish } = hands
  const stopped = lane.trouble?.code === 'stopped'
  const begun = lane.attempt > 0
  const stops = able.stop && isAtWork(lane, over) && !stopped
  // A judge who was stopped stays so until the end.
  const retries = able.retry && !over && begun && !(who === 'judge' && stopped)
  // At the end the card's own button judges again.
  const forks = able.fork && begun && !(who === 'judge' && over)
  return (
    <>
      <span className="lane-verbs">
        {retries && (
          <Sign
            className="icon-button"
            aria-label={words.retryOne(name)}
            isDisabled={doing.has(`retry:${who}`)}
            // With its number a second press is the same wish.
            onPress={() => void room.act(who, 'retry', { agent: who, attempt: lane.attempt })}
          >
            <Again />
          </Sign>
        )}
        {forks && (
          <Sign
            className="icon-button"
            aria-label={over ? words.againOne(name) : words.otherModel(name)}
            aria-haspopup="dialog"
            onPress={() => onWish({ kind: 'again', who })}
          >
            {over ? <Again /> : <Swap />}
          </Sign>
        )}
        {stops && (
          <Sign
            className="icon-button lane-stop"
            aria-label={words.stopOne(name)}
            isDisabled={doing.has(`stop:${who}`)}
            onPress={() => void room.act(who, 'stop', { agent: who })}
          >
            <StopIcon />
          </Sign>
        )}
      </span>
      <Refused refusal={refusals[who]} onForgive={() => room.forgive(who)} />
    </>
  )
})
