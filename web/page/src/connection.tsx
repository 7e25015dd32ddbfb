import type { Problem, State } from '@magi/stream'
import { useEffect, useState } from 'react'
import { Button } from 'react-aria-components'
import { useWords } from './settings.tsx'
import type { Words } from './words.ts'

/** Where the connection stands, drawn and in words; the wait counts down. */
export function ConnectionState({ state, onNow }: { state: State; onNow: () => void }) {
  const words = useWords()
  const seconds = useCountdown(state.name === 'waiting' ? state.until : undefined)
  const [fresh, setFresh] = useState(false)
  const resumed = state.name === 'live' && state.resumed
  useEffect(() => {
    if (!resumed) return undefined
    setFresh(true)
    const timer = setTimeout(() => setFresh(false), 4000)
    return () => clearTimeout(timer)
  }, [resumed])
  const text = fresh && resumed ? words.connection.resumed : textOf(state, words, seconds)
  return (
    <p className="connection" data-state={state.name}>
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

function textOf(state: State, words: Words, seconds: number): string {
  const { connection } = words
  if (state.name !== 'waiting') return connection[state.name]
  // A server that answers but cannot serve now is not a lost connection.
  const refused = (state.problem?.status ?? 0) >= 400 ? state.problem : undefined
  return refused ? connection.busy(refused.message, seconds) : connection.waiting(seconds)
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

/** What a refusal means for the person, and the server's own words. */
export function problemText(words: Words, problem: Problem): string {
  if (problem.status === 404 || problem.status === 410) return words.problem.notFound
  if (problem.status === 401 || problem.status === 403)
    return `${words.problem.unauthorised} ${problem.message}`
  if (problem.code === 'gap') return words.problem.gap
  if (problem.status === 0) return words.problem.noAnswer
  const refused = words.problem.refused(problem.message)
  return problem.fix === undefined ? refused : `${refused} (${problem.fix})`
}
