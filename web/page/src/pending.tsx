import { useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { Button } from 'react-aria-components'
import type { Deletion, Deletions } from './deletions.ts'
import { useWords } from './settings.tsx'

/** What is about to be deleted, on every screen, with the way back. */
export function Pending({ deletions }: { deletions: Deletions }) {
  const list = useSyncExternalStore(deletions.subscribe, deletions.list)
  const { deleting: words } = useWords()
  const ref = useRef<HTMLDivElement>(null)
  useEffect(() => tellHeight(ref.current), [])
  return (
    <div ref={ref} className="pending" role="status" aria-label={words.label}>
      {list.map((one) => (
        <div key={one.id} className="pending-one" data-state={one.state}>
          <p>
            <strong>{one.title}</strong>
            <span>{one.state === 'failed' ? words.failed(one.why ?? '') : words.soon}</span>
          </p>
          {one.state === 'waiting' && <Left deletion={one} />}
          {one.state === 'failed' && (
            <Button className="button" onPress={() => deletions.ask(one.id, one.title)}>
              {words.again}
            </Button>
          )}
          {one.state !== 'sending' && (
            <Button className="button" onPress={() => deletions.undo(one.id)}>
              {one.state === 'failed' ? words.close : words.undo}
            </Button>
          )}
        </div>
      ))}
    </div>
  )
}

/** Tells the style sheets how much of the screen's foot it takes, so that nothing lies beneath it. */
function tellHeight(box: HTMLElement | null): (() => void) | undefined {
  if (!box || typeof ResizeObserver === 'undefined') return undefined
  const { style } = document.documentElement
  const sizes = new ResizeObserver(() => style.setProperty('--pending', `${box.offsetHeight}px`))
  sizes.observe(box, { box: 'border-box' })
  return () => {
    sizes.disconnect()
    style.removeProperty('--pending')
  }
}

/** The seconds left. Not spoken: the sentence beside it says all. */
function Left({ deletion }: { deletion: Deletion }) {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 250)
    return () => clearInterval(timer)
  }, [])
  const seconds = Math.max(0, Math.ceil((deletion.at - now) / 1000))
  return (
    <span className="pending-left" aria-hidden="true">
      {seconds}
    </span>
  )
}
