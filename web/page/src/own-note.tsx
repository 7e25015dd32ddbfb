import type { Promised } from './archive.ts'
import { useWords } from './settings.tsx'
import { useAsked } from './use-asked.ts'

/** Says where the copies are, and whether they last. */
export function OwnNote({ ask }: { ask: () => Promise<Promised> }) {
  const { own } = useWords()
  const promised = useAsked(ask)
  return (
    <p className="muted own-note">
      {own.note} {promised.state === 'there' && own.promised[promised.value]}
    </p>
  )
}
