import {
  sagesOf,
  type JudgeComplete,
  type JudgeLane,
  type PanelVote,
  type View,
} from '@magi/stream'
import { useId } from 'react'
import { scoreText } from './format.ts'
import { Tick, Warn } from './icons.tsx'
import { Seal } from './seal.tsx'
import { useWords } from './settings.tsx'
import { Mark } from './shapes.tsx'
import { useTexts } from './texts.ts'
import { PANEL, type PanelCount } from './words-panel.ts'

/** Counts what each of a panel decided. */
export function countOf(panel: readonly PanelVote[]): PanelCount {
  const of = (decision: PanelVote['final_decision']): number =>
    panel.filter((one) => one.final_decision === decision).length
  return {
    approved: of('APPROVED'),
    rejected: of('REJECTED'),
    undecided: of('UNDECIDED'),
    none: of(undefined),
  }
}

/** Who judges in the judge's place, and who of them has ended. What they decided is told with the last. */
export function PanelAtWork({ judge }: { judge: JudgeLane }) {
  const texts = useTexts(PANEL)
  const { panel } = judge
  const ended = panel.filter(({ state }) => state === 'judged' || state === 'failed').length
  return (
    <div className="panel-work">
      <p className="panel-head">
        <strong>{texts.judging}</strong> <span>{texts.answered(ended, panel.length)}</span>
      </p>
      <ul className="panel-seats">
        {panel.map(({ model, state }) => (
          <li key={model} data-state={state}>
            <span className="panel-lamp" aria-hidden="true">
              {state === 'judged' && <Tick />}
              {state === 'failed' && <Warn />}
            </span>
            <span className="panel-model">{model}</span>
            <span className="panel-state">{texts.seats[state]}</span>
          </li>
        ))}
      </ul>
      <p className="muted">{texts.why}</p>
    </div>
  )
}

/**
 * What each of a panel decided and scored, and what came of it: the majority and the medians. The roles
 * are said, because on a narrow screen the rows are laid out as no table's are.
 */
export function PanelVotes({ view, judgment }: { view: View; judgment: JudgeComplete }) {
  const words = useWords()
  const texts = useTexts(PANEL)
  const id = useId()
  const { panel = [] } = judgment
  if (panel.length === 0) return null
  const sages = sagesOf(view)
  return (
    <section className="panel" aria-labelledby={id}>
      <h3 id={id}>
        {texts.title} <span className="panel-count">{texts.count(countOf(panel))}</span>
      </h3>
      <table className="panel-table" role="table">
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader">{texts.model}</th>
            <th role="columnheader">{texts.decision}</th>
            {sages.map((sage) => (
              <th key={sage} role="columnheader" data-agent={sage}>
                <Mark of={sage} />
                <span className="visually-hidden">{texts.score(words.sages[sage].name)}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {panel.map((vote) => (
            <tr key={vote.model} role="row" data-speaks={vote.speaks || undefined}>
              <th role="rowheader">
                <span className="panel-model">{vote.model}</span>
                {vote.speaks && <small className="panel-speaks">{texts.speaks}</small>}
              </th>
              {vote.final_decision === undefined ? (
                <td className="panel-none" role="cell" colSpan={sages.length + 1}>
                  {texts.none(vote.error ?? '')}
                </td>
              ) : (
                <Ballot decision={vote.final_decision} scores={vote.sage_scores} sages={sages} />
              )}
            </tr>
          ))}
        </tbody>
        <tfoot role="rowgroup">
          <tr role="row">
            <th role="rowheader">{texts.result}</th>
            <Ballot
              decision={judgment.final_decision}
              scores={judgment.sage_scores}
              sages={sages}
            />
          </tr>
        </tfoot>
      </table>
    </section>
  )
}

interface BallotProps {
  decision: JudgeComplete['final_decision']
  scores: PanelVote['sage_scores']
  sages: ReturnType<typeof sagesOf>
}

function Ballot({ decision, scores = {}, sages }: BallotProps) {
  const { code } = useWords()
  return (
    <>
      <td role="cell">
        <Seal kind={decision} small />
      </td>
      {sages.map((sage) => {
        const score = scores[sage]
        return (
          <td key={sage} role="cell" className="panel-score">
            {score === undefined ? '–' : scoreText(code, score)}
          </td>
        )
      })}
    </>
  )
}
