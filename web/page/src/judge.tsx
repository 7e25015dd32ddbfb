import { sagesOf, type Sage, type View } from '@magi/stream'
import type { ReactNode } from 'react'
import { Chart } from './chart.tsx'
import type { Figures } from './figures.ts'
import { votesIn } from './format.ts'
import { Foot, LaneText } from './lane.tsx'
import { PanelAtWork } from './panel.tsx'
import { Seal } from './seal.tsx'
import { useWords } from './settings.tsx'
import { Mark } from './shapes.tsx'
import { Verbs, type Hands } from './verbs.tsx'

interface JudgeProps {
  view: View
  /** The verdict's card, at the end. */
  card: ReactNode
  figures: Figures
  hands: Hands
}

/** The judge's strip: the chart of the council, what SOLOMON says, and at the end the verdict. */
export function Judge({ view, card, figures, hands }: JudgeProps) {
  const words = useWords()
  const { judge, end } = view
  // Each of a panel sees the sages in an order of its own.
  const order = judge.panel.length > 0 ? [] : judge.order
  const panel = judge.panel.length > 0 && judge.state === 'connecting' && !end
  const spoke = judge.text !== '' || judge.thinking !== '' || judge.trouble !== undefined
  return (
    <div className="judge-row">
      <Chart view={view} />
      <div className="judge-side">
        {card}
        {(spoke || !end || judge.attempt > 0) && (
          <section
            className="judge"
            data-agent="solomon"
            data-status={judge.state}
            aria-labelledby="judge-title"
            aria-busy={!end && judge.state === 'writing'}
          >
            <header className="judge-head">
              <Mark of="solomon" size={20} />
              <h2 id="judge-title">{words.judge.name}</h2>
              <p>{words.judge.role}</p>
              <Order order={order} />
              {!end && <Seal kind="DELIBERATING" small />}
              <Verbs who="judge" name={words.judge.name} lane={judge} hands={hands} />
            </header>
            {judge.attempt > 0 ? (
              <LaneText
                lane={judge}
                label={words.lane.text(words.judge.name)}
                over={end !== undefined}
              >
                {panel && <PanelAtWork judge={judge} />}
              </LaneText>
            ) : (
              <p className="muted">{waiting(view, words)}</p>
            )}
            {judge.attempt > 0 && <Foot lane={judge} figures={figures} />}
          </section>
        )}
      </div>
    </div>
  )
}

/** Who is Sage A, B and C in the judge's words: it does not know their names, the reader may. */
function Order({ order }: { order: readonly Sage[] }) {
  const words = useWords()
  if (order.length === 0) return null
  return (
    <ul className="order" aria-label={words.judgeOrder}>
      {order.map((sage, index) => (
        <li key={sage}>
          {words.judgeSees('ABC'.charAt(index))} <Mark of={sage} /> {words.sages[sage].name}
        </li>
      ))}
    </ul>
  )
}

function waiting(view: View, words: ReturnType<typeof useWords>): string {
  if (view.judge.trouble?.code === 'stopped') return words.room.judgeStopped
  if (view.end) return words.judgeNotCalled
  return words.judgeWaits(votesIn(view), sagesOf(view).length)
}
