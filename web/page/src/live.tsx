import { isMissing } from '@magi/stream'
import { useEffect, useRef, useState } from 'react'
import { Announcer } from './announce.ts'
import { confidenceOf, sealOf } from './format.ts'
import type { Moment, Room } from './room.ts'
import { useWords } from './settings.tsx'
import { SEAL_WORDS, type Words } from './words.ts'

/** The one hidden status region: phase boundaries, never tokens, at most one message per 2 s. */
export function LiveRegion({ room }: { room: Room }) {
  const words = useWords()
  const [text, setText] = useState('')
  const latest = useRef(words)
  latest.current = words
  useEffect(() => {
    const announcer = new Announcer(setText)
    room.onMoment = (moment) => {
      const said = wordsFor(moment, latest.current)
      if (said !== undefined) announcer.say(said)
    }
    return () => {
      announcer.clear()
      room.onMoment = () => {}
    }
  }, [room])
  return (
    <div className="visually-hidden" role="status">
      {text}
    </div>
  )
}

/** What to say of a moment; undefined for most of them. */
export function wordsFor(moment: Moment, words: Words): string | undefined {
  if ('connection' in moment) {
    const { connection, before } = moment
    if (connection.name === 'waiting' && before?.name === 'live') return words.say.reconnecting
    if (connection.name === 'live' && connection.resumed) return words.say.resumed
    return undefined
  }
  const { event, view } = moment
  switch (event.type) {
    case 'start':
      if (view.parts.length > 0) return words.say.goesOn
      return words.say.convened(event.data.mode === 'rehearsal' ? words.mode.rehearsal : '')
    case 'agent_complete': {
      const { name } = words.sages[event.agentId]
      if (isMissing(event.data)) return words.say.missing(name)
      const decision = SEAL_WORDS[event.data.decision][words.code]
      return words.say.vote(name, decision, confidenceOf(words, event.data.confidence))
    }
    case 'paused':
      return event.data.reason === 'deadline' ? undefined : words.room.say.paused
    case 'resumed':
      return words.room.say.goesOn
    case 'judge_start':
      if (view.judge.panel.length > 0) return words.say.panel
      return event.data.attempt === 1 ? words.say.judging : undefined
    case 'complete':
      return words.say.verdict(SEAL_WORDS[sealOf(view)][words.code])
    case 'cancelled':
      return words.say.stopped
    case 'error':
      return undefined
    default:
      return undefined
  }
}
