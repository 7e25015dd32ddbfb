import { memo, useEffect, useRef, useState, type ReactNode } from 'react'

/** So many rows stand or fall together. */
export const CHUNK = 25
/** A row that was never drawn is taken for this high, in pixels. */
const GUESS = 84
/** How far outside the window rows are drawn already. */
const MARGIN = '900px 0px'

/**
 * A long list of which only what is near the window is in the document. Rows may have any height: a
 * chunk that goes out of sight leaves a space as high as it was.
 */
export function Chunks<T extends { id: string }>({
  items,
  label,
  row,
}: {
  items: readonly T[]
  label: string
  row: (item: T) => ReactNode
}) {
  const starts = Array.from({ length: Math.ceil(items.length / CHUNK) }, (_, n) => n * CHUNK)
  return (
    <div className="chunks" role="list" aria-label={label}>
      {starts.map((from) => (
        <Chunk key={from} items={items} from={from} row={row} />
      ))}
    </div>
  )
}

interface ChunkProps<T> {
  items: readonly T[]
  from: number
  row: (item: T) => ReactNode
}

function Chunk<T extends { id: string }>({ items, from, row }: ChunkProps<T>) {
  const ref = useRef<HTMLDivElement>(null)
  const [near, setNear] = useState(from < 2 * CHUNK)
  const [height, setHeight] = useState<number>()
  useEffect(() => {
    const box = ref.current
    if (!box || typeof IntersectionObserver === 'undefined') return setNear(true)
    const watch = new IntersectionObserver(
      (entries) => {
        // On a busy machine out of sight and in again are told together: how it is now comes last.
        const entry = entries.at(-1)
        if (!entry) return
        // What has the focus stays, wherever it was scrolled to.
        const held = box.contains(document.activeElement)
        if (!entry.isIntersecting && !held) setHeight(entry.boundingClientRect.height)
        setNear(entry.isIntersecting || held)
      },
      { rootMargin: MARGIN },
    )
    watch.observe(box)
    return () => watch.disconnect()
  }, [])
  const mine = items.slice(from, from + CHUNK)
  const style = near ? undefined : { height: `${height ?? mine.length * GUESS}px` }
  return (
    <div ref={ref} role="presentation" className="chunk" {...(style ? { style } : {})}>
      {near &&
        mine.map((item, index) => (
          <div
            key={item.id}
            role="listitem"
            className="row"
            aria-setsize={items.length}
            aria-posinset={from + index + 1}
          >
            <Held item={item} row={row} />
          </div>
        ))}
    </div>
  )
}

/** A row is drawn again only when it, or how rows are drawn, has changed. */
const Held = memo(function Held<T>({ item, row }: { item: T; row: (item: T) => ReactNode }) {
  return <>{row(item)}</>
}) as <T>(props: { item: T; row: (item: T) => ReactNode }) => ReactNode
