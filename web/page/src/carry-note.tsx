import { Button } from 'react-aria-components'
import type { Carry } from './carry.ts'
import { Close } from './icons.tsx'
import { hashOf } from './route.ts'
import { useWords } from './settings.tsx'

/** Says above the composer what the question takes along, and lets go of it. */
export function CarryNote({ carry, onDrop }: { carry: Carry; onDrop: () => void }) {
  const { carry: words } = useWords()
  const { context } = carry.with
  return (
    <aside className="carry" data-kind-of={carry.kind} aria-label={words[carry.kind]}>
      <div>
        <p className="carry-kind">{words[carry.kind]}</p>
        <a href={hashOf({ name: 'deliberation', id: carry.id })}>{carry.title}</a>
        <p className="muted">{carry.kind === 'follow' ? words.followNote : words.againNote}</p>
        {context !== undefined && (
          <details className="context">
            <summary>{words.context}</summary>
            <p>{context}</p>
          </details>
        )}
      </div>
      <Button className="icon-button" aria-label={words.drop} onPress={onDrop}>
        <Close />
      </Button>
    </aside>
  )
}
