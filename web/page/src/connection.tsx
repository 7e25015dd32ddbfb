import type { State } from '@magi/stream'
import { useEffect, useState } from 'react'
import { Button } from 'react-aria-components'
import { useWords } from './settings.tsx'
import { problemText } from './trouble.tsx'
import { useWay } from './way.ts'
import type { Words } from './words.ts'

/** Where the connection stands, drawn and in words; the wait counts down. */
export function ConnectionState({
  state,
  askedAt,
  onNow,
}: {
  state: State
  /** When the request was sent that has no word yet. */
  askedAt: number | undefined
  onNow: () => void
}) {
  const words = useWords()
  const { config } = useWay()
  const seconds = useCountdown(state.name === 'waiting' ? state.until : undefined)
  const [fresh, setFresh] = useState(false)
  const resumed = state.name === 'live' && state.resumed
  useEffect(() => {
    if (!resumed) return undefined
    setFresh(true)
    const timer = setTimeout(() => setFresh(false), 4000)
    return () => clearTimeout(timer)
  }, [resumed])
  const silent = useSilence(askedAt)
  // A server that answers but cannot serve now is not a lost connection.
  const refused = state.name === 'waiting' && (state.problem?.status ?? 0) >= 400
  const busy = refused && state.problem ? problemText(words, state.problem, config, false).what : ''
  const text =
    fresh && resumed
      ? words.connection.resumed
      : silent > 0
        ? words.noWord(silent)
        : textOf(state, words, seconds, busy)
  return (
    <p
      className="connection"
      data-state={state.name}
      data-silent={silent > 0 || undefined}
      data-resumed={(fresh && resumed) || undefined}
    >
      <span className="connection-lamp" aria-hidden="true" />
      <span>{text}</span>
      {(state.name === 'waiting' || state.name === 'offline') && (
        <Button className="link-button" onPress={onNow}>
          {words.connection.now}
        </Button>
      )}
    </p>
  )
}

function textOf(state: State, words: Words, seconds: number, busy: string): string {
  const { connection } = words
  if (state.name !== 'waiting') return connection[state.name]
  return busy === '' ? connection.waiting(seconds) : connection.busy(busy, seconds)
}

/** Silence that is worth a word, in seconds; an AgentCore session may take this long to wake. */
const WORTH = 8

/** How long there has been no word, in seconds; 0 while that is nothing to speak of. */
function useSilence(askedAt: number | undefined): number {
  const [seconds, setSeconds] = useState(0)
  useEffect(() => {
    setSeconds(0)
    if (askedAt === undefined) return undefined
    const look = (): void => setSeconds(Math.floor((Date.now() - askedAt) / 1000))
    const timer = setInterval(look, 1000)
    return () => clearInterval(timer)
  }, [askedAt])
  return seconds >= WORTH ? seconds : 0
}

function useCountdown(until: number | undefined): number {
  const left = (): number => (until === undefined ? 0 : Math.ceil((until - Date.now()) / 1000))
  const [seconds, setSeconds] = useState(left)
  useEffect(() => {
    setSeconds(left())
    if (until === undefined) return undefined
    const timer = setInterval(() => setSeconds(left()), 250)
    return () => clearInterval(timer)
  }, [until])
  return Math.max(0, seconds)
}
