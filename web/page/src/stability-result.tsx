import type { FinalDecision } from '@magi/stream'
import { useId } from 'react'
import { hashOf } from './route.ts'
import { Seal } from './seal.tsx'
import { useWords } from './settings.tsx'
import { Mark } from './shapes.tsx'
import { stabilityOf, useTurns, type Turn } from './stability.ts'
import { useTexts } from './texts.ts'
import { useWay } from './way.ts'
import { STABILITY } from './words-stability.ts'

/** How many of the judgements in other orders came to the same decision, and which did not. */
export function StabilityResult({
  before,
  ids,
}: {
  before: FinalDecision
  ids: readonly string[]
}) {
  const texts = useTexts(STABILITY)
  const { door } = useWay()
  const turns = useTurns(door, ids)
  const id = useId()
  const stability = stabilityOf(before, turns)
  const { same, judged, of, ended } = stability
  const over = of > 0 && ended === of
  return (
    <section
      className="stability"
      aria-labelledby={id}
      data-stable={over ? judged > 0 && same === judged : undefined}
    >
      <div className="stability-head">
        <h3 id={id}>{texts.title}</h3>
        <Seal kind={before} small />
        <p role="status">{over ? texts.over(stability) : texts.judging(ended, of)}</p>
      </div>
      <ol>
        {turns.map((turn, at) => (
          <Row key={turn.id} turn={turn} place={at + 1} before={before} />
        ))}
      </ol>
    </section>
  )
}

interface RowProps {
  turn: Turn
  /** From 1. */
  place: number
  before: FinalDecision
}

function Row({ turn, place, before }: RowProps) {
  const texts = useTexts(STABILITY)
  const words = useWords()
  const { id, state, decision, order } = turn
  const differs = state === 'judged' && decision !== before
  return (
    <li data-differs={differs || undefined}>
      {order.length > 0 && (
        <span className="stability-order">
          <span className="visually-hidden">
            {texts.order(order.map((sage) => words.sages[sage].name).join(', '))}
          </span>
          {order.map((sage) => (
            <Mark key={sage} of={sage} />
          ))}
        </span>
      )}
      {decision ? <Seal kind={decision} small /> : <span>{texts.states[state as 'none']}</span>}
      <span className="stability-word">
        {decision && (differs ? `≠ ${texts.differs}` : texts.same)}
      </span>
      <a href={hashOf({ name: 'deliberation', id })}>{texts.open(place)}</a>
    </li>
  )
}
