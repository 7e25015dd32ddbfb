import type { Listed, View } from '@magi/stream'
import { Branch } from './icons.tsx'
import { useLoaded, type Keeper } from './remarks.ts'
import { hashOf } from './route.ts'
import { Seal } from './seal.tsx'
import { useWords } from './settings.tsx'
import type { SealKind } from './words.ts'

/** The deliberation this one goes on from, and those that went on from it. */
export function Links({ view, keeper }: { view: View; keeper: Keeper | undefined }) {
  const { room: words } = useWords()
  const { id, forkOf, end, parts } = view
  // What went on by itself at a deadline is one story, told elsewhere.
  const from = forkOf !== undefined && !parts.includes(forkOf) ? forkOf : undefined
  const source = useLoaded(
    keeper && from !== undefined ? () => keeper.item(from) : undefined,
    from ?? '',
  )
  const linked = useLoaded(
    keeper && id !== undefined ? () => keeper.linked(id) : undefined,
    `${id ?? ''}:${end === undefined ? 'on' : 'over'}`,
  )
  const onwards = (linked.value ?? []).filter((one) => !parts.includes(one.id))
  if (from === undefined && onwards.length === 0) return null
  return (
    <nav className="links" aria-label={words.links.label}>
      <ul>
        {from !== undefined && (
          <li data-link="from">
            <Branch /> {words.links.from} <Link id={from} item={source.value} />
          </li>
        )}
        {onwards.map((item) => (
          <li key={item.id} data-link="to">
            <Branch /> {words.links.to} <Link id={item.id} item={item} />
          </li>
        ))}
      </ul>
    </nav>
  )
}

function Link({ id, item }: { id: string; item: Listed | undefined }) {
  const words = useWords()
  return (
    <a href={hashOf({ name: 'deliberation', id })}>
      {item ? (
        <>
          <Seal kind={kindOf(item)} small /> {item.agreement?.replaceAll('-', '–')}{' '}
          <time dateTime={item.created_at}>{words.when(new Date(item.created_at))}</time>
        </>
      ) : (
        id
      )}
    </a>
  )
}

function kindOf(item: Listed): SealKind {
  if (item.status === 'cancelled') return 'STOPPED'
  if (item.status === 'failed') return 'FAILED'
  if (item.status === 'running' || item.status === 'paused') return 'DELIBERATING'
  return item.final_decision ?? 'UNDECIDED'
}
