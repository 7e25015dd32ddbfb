import type { View } from '@magi/stream'
import { Pause } from './icons.tsx'
import { useWords } from './settings.tsx'

/** A pause, drawn and in words: who asked for it, and what it does. */
export function Paused({ view }: { view: View }) {
  const { room: words, connection } = useWords()
  const { paused } = view
  if (!paused || view.end) return null
  const why =
    paused.reason === 'asked' || paused.reason === ''
      ? words.pausedBy(paused.by)
      : `${connection.paused}: ${paused.reason}`
  return (
    <p className="notice notice-paused" data-notice="paused">
      <Pause /> <strong>{why}</strong> {words.pausedNote}
    </p>
  )
}
