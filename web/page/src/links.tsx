import type { Listed, View } from '@magi/stream'
import { titleOf } from './carry.ts'
import { sealOfListed, votesText } from './format.ts'
import { Branch } from './icons.tsx'
import { useLoaded, type Keeper } from './remarks.ts'
import { hashOf } from './route.ts'
import { Seal } from './seal.tsx'
import { useWords } from './settings.tsx'

/** The deliberation this one goes on from, and those that went on from it. */
export function Links({ view, keeper }: { view: View; keeper: Keeper | undefined }) {
  const { room: words } = useWords()
  const { id, forkOf, conversationId, end, parts } = view
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
  const talk = useLoaded(
    keeper && id !== undefined ? () => keeper.beside(id, conversationId) : undefined,
    `${id ?? ''}:${end === undefined ? 'on' : 'over'}`,
  )
  const { before, after = [] } = talk.value ?? {}
  const onwards = (linked.value ?? []).filter((one) => !parts.includes(one.id))
  // What goes on from an earlier one belongs to its conversation, too, and is named once.
  const earlier = from === undefined ? before : undefined
  const all = [from, earlier, ...onwards, ...after]
  if (all.every((one) => one === undefined)) return null
  return (
    <nav className="links" aria-label={words.links.label}>
      <ul>
        {from !== undefined && (
          <li data-link="from">
            <Branch /> {words.links.from} <Link id={from} item={source.value} />
          </li>
        )}
        {earlier && (
          <li data-link="before">
            <Branch /> {words.links.before} <Asked item={earlier} />
          </li>
        )}
        {onwards.map((item) => (
          <li key={item.id} data-link="to">
            <Branch /> {words.links.to} <Link id={item.id} item={item} />
          </li>
        ))}
        {after.map((item) => (
          <li key={item.id} data-link="after">
            <Branch /> {words.links.after} <Asked item={item} />
          </li>
        ))}
      </ul>
    </nav>
  )
}

/** Another question of the same conversation, by its name. */
function Asked({ item }: { item: Listed }) {
  return (
    <a href={hashOf({ name: 'deliberation', id: item.id })}>
      <Seal kind={sealOfListed(item)} small /> <span lang={item.lang}>{titleOf(item)}</span>
    </a>
  )
}

function Link({ id, item }: { id: string; item: Listed | undefined }) {
  const words = useWords()
  return (
    <a href={hashOf({ name: 'deliberation', id })}>
      {item ? (
        <>
          <Seal kind={sealOfListed(item)} small />{' '}
          {item.agreement && votesText(words, item.agreement)}{' '}
          <time dateTime={item.created_at}>{words.when(new Date(item.created_at))}</time>
        </>
      ) : (
        id
      )}
    </a>
  )
}
