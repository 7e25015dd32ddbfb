/** The cells of a comparison that are more than a line of text. */
import { isMissing, type Dissent, type Sage, type View } from '@magi/stream'
import { confidenceOf, sealOfVote } from './format.ts'
import { Seal } from './seal.tsx'
import { useWords } from './settings.tsx'
import { Mark } from './shapes.tsx'
import { useTexts } from './texts.ts'
import { COMPARE, type CompareWords } from './words-compare.ts'
import { PANEL } from './words-panel.ts'

/** A sage's vote and how sure it was. */
export function VoteCell({ view, sage }: { view: View; sage: Sage }) {
  const words = useWords()
  const { vote } = view.sages[sage]
  return (
    vote && (
      <span className="vote-cell">
        <Seal kind={sealOfVote(vote)} small />
        {!isMissing(vote) && <small>{confidenceOf(words, vote.confidence)}</small>}
      </span>
    )
  )
}

const votesOf = (view: View) =>
  view.end?.kind === 'complete' ? view.end.data.solomon_judgment.panel : undefined

/** What a panel decided, or who would have been one; nothing where none was named. */
export function panelText(
  view: View,
  texts: Pick<CompareWords, 'panelUncalled'>,
): string | undefined {
  const votes = votesOf(view)
  if (votes)
    return votes.map((one) => `${one.model} ${one.final_decision ?? one.error ?? ''}`).join('\n')
  const named = view.council?.panel ?? []
  return named.length > 0 ? texts.panelUncalled(named.join(', ')) : undefined
}

/** What each of a panel decided, or who would have been one. */
export function PanelCell({ view }: { view: View }) {
  const texts = useTexts(COMPARE)
  const panel = useTexts(PANEL)
  const votes = votesOf(view)
  if (!votes) return panelText(view, texts)
  return (
    <ul className="panel-cell">
      {votes.map((one) => (
        <li key={one.model}>
          <span className="mono">{one.model}</span>{' '}
          {one.final_decision ? (
            <Seal kind={one.final_decision} small />
          ) : (
            <small>{panel.none(one.error ?? '')}</small>
          )}
        </li>
      ))}
    </ul>
  )
}

interface Said {
  /** The language of the council's words. */
  lang: string | undefined
}

/** Whose objection it is, and its words. */
export function Objection({ dissent, lang }: Said & { dissent: Dissent | undefined }) {
  const words = useWords()
  const sage = dissent?.agent
  return (
    <>
      {sage && (
        <p className="said-by" data-agent={sage}>
          <Mark of={sage} /> {words.sages[sage].name}
        </p>
      )}
      <p lang={lang}>{dissent?.text}</p>
    </>
  )
}

/** Conditions, or what would change the verdict. */
export function Listing({ points, lang }: Said & { points: readonly string[] }) {
  return (
    <ul className="said-list" lang={lang}>
      {points.map((point, index) => (
        <li key={index}>{point}</li>
      ))}
    </ul>
  )
}
