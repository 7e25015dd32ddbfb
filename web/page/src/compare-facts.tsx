import { SAGES, type Sage, type View } from '@magi/stream'
import type { ReactNode } from 'react'
import { confidenceOf, isSplit, sealOf } from './format.ts'
import { modelOf } from './lane.tsx'
import { usePresetNames } from './preset-names.ts'
import { Seal } from './seal.tsx'
import { useWords } from './settings.tsx'
import { useTexts } from './texts.ts'
import { judgeAlone, ruleText } from './verdict.tsx'
import { COMPARE, type CompareWords } from './words-compare.ts'
import { PANEL, type PanelWords } from './words-panel.ts'
import type { Words } from './words.ts'

/** One fact of both: what is compared, and what is drawn where that is more than its text. */
interface Fact {
  name: string
  left: string
  right: string
  draw?: [ReactNode, ReactNode]
}

/** The sum of tokens, as far as it is known. */
const tokensOf = (view: View): number | undefined => {
  const usage = view.end?.data.usage
  return usage && usage.input_tokens + usage.output_tokens
}

function voteText(view: View, sage: Sage, words: Words): string {
  const { vote } = view.sages[sage]
  return vote ? `${vote.decision} ${confidenceOf(words, vote.confidence)}` : ''
}

function VoteCell({ view, sage }: { view: View; sage: Sage }) {
  const words = useWords()
  const { vote } = view.sages[sage]
  if (!vote) return <>–</>
  return (
    <span className="vote-cell">
      <Seal kind={vote.decision} small />
      <small>{confidenceOf(words, vote.confidence)}</small>
    </span>
  )
}

/** The words of both: of the page, of this screen, and of a panel. */
interface AllWords {
  words: Words
  texts: CompareWords
  panel: PanelWords
  preset: (name: string) => string
}

/** How the judge, or the panel in its place, stood to the votes. */
function standing(view: View, { words, panel }: AllWords): string | undefined {
  if (view.end?.kind !== 'complete') return undefined
  const { overruled, judge_agrees: agrees, solomon_judgment: judgment } = view.end.data
  if (isSplit(judgment)) return panel.split
  const says = judgment.panel ? panel : words.verdict
  if (overruled) return says.overruled
  if (agrees === null) return words.judgeNotCalled
  if (agrees) return says.agrees
  return judgeAlone(words, view.end.data) ?? says.disagrees
}

const votesOf = (view: View) =>
  view.end?.kind === 'complete' ? view.end.data.solomon_judgment.panel : undefined

/** What a panel decided, or who would have been one. */
function panelText(view: View, texts: CompareWords): string | undefined {
  const votes = votesOf(view)
  if (votes)
    return votes.map((one) => `${one.model} ${one.final_decision ?? one.error ?? ''}`).join('\n')
  const named = view.council?.panel ?? []
  return named.length > 0 ? texts.panelUncalled(named.join(', ')) : undefined
}

function PanelCell({ view }: { view: View }) {
  const texts = useTexts(COMPARE)
  const panel = useTexts(PANEL)
  const votes = votesOf(view)
  if (!votes) return <>{panelText(view, texts) ?? texts.none}</>
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

function factsOf(left: View, right: View, all: AllWords): Fact[] {
  const { words, texts, panel } = all
  const number = new Intl.NumberFormat(words.code)
  const both = (name: string, of: (view: View) => string | undefined): Fact => ({
    name,
    left: of(left) ?? texts.none,
    right: of(right) ?? texts.none,
  })
  const complete = (view: View) => (view.end?.kind === 'complete' ? view.end.data : undefined)
  const sages = SAGES.filter((sage) =>
    [left, right].some((view) => view.council?.sages.includes(sage) ?? true),
  )
  return [
    {
      ...both(texts.verdict, (view) => sealOf(view)),
      draw: [<Seal kind={sealOf(left)} small />, <Seal kind={sealOf(right)} small />],
    },
    both(texts.votes, (view) => view.tally?.agreement.replaceAll('-', '–')),
    ...sages.map((sage) => ({
      ...both(texts.vote(words.sages[sage].name), (view) => voteText(view, sage, words)),
      draw: [<VoteCell view={left} sage={sage} />, <VoteCell view={right} sage={sage} />] as [
        ReactNode,
        ReactNode,
      ],
    })),
    both(texts.judge, (view) => standing(view, all)),
    {
      ...both(texts.panel, (view) => panelText(view, texts)),
      draw: [<PanelCell view={left} />, <PanelCell view={right} />],
    },
    both(texts.cost, (view) => {
      const cost = view.end?.data.cost_usd
      return cost === undefined ? undefined : words.cost(cost)
    }),
    both(texts.time, (view) => {
      const time = complete(view)?.execution_time
      return time === undefined ? undefined : words.seconds(time / 1000)
    }),
    both(texts.tokens, (view) => {
      const tokens = tokensOf(view)
      return tokens === undefined ? undefined : number.format(tokens)
    }),
    both(
      texts.preset,
      ({ council }) => council && `${all.preset(council.name)} v${council.version}`,
    ),
    both(texts.rule, ({ council }) => council && ruleText(words, council.rule)),
    both(texts.quorum, ({ council }) => council && String(council.quorum)),
    ...sages.map((sage) =>
      both(
        texts.model(words.sages[sage].name),
        (view) => modelOf(view.sages[sage], panel.of) || view.council?.models[sage],
      ),
    ),
    both(
      texts.model(words.judge.name),
      (view) => modelOf(view.judge, panel.of) || view.council?.models.solomon,
    ),
    both(texts.language, (view) => view.lang),
    contextFact(left, right, texts),
  ]
}

/** A context is compared whole, and shown by its length. */
function contextFact(left: View, right: View, texts: CompareWords): Fact {
  const shown = ({ context }: View): string =>
    context === undefined ? texts.contextNone : texts.contextBytes([...context].length)
  return {
    name: texts.context,
    left: left.context ?? '',
    right: right.context ?? '',
    draw: [shown(left), shown(right)],
  }
}

/** Every fact of the two beside each other; what differs is marked by a word, a sign and a ground. */
export function Facts({ left, right }: { left: View; right: View }) {
  const words = useWords()
  const texts = useTexts(COMPARE)
  const panel = useTexts(PANEL)
  const preset = usePresetNames()
  const facts = factsOf(left, right, { words, texts, panel, preset })
  return (
    <div className="table-scroll" tabIndex={0} role="group" aria-label={texts.facts}>
      <table className="table compare-table">
        <caption className="visually-hidden">{texts.facts}</caption>
        <thead>
          <tr>
            <th scope="col">{texts.what}</th>
            <th scope="col">A</th>
            <th scope="col">B</th>
            <th scope="col">
              <span className="visually-hidden">{texts.changed}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {facts.map((fact) => {
            const differs = fact.left !== fact.right
            return (
              <tr key={fact.name} data-differs={differs || undefined}>
                <th scope="row">{fact.name}</th>
                <td>{fact.draw?.[0] ?? fact.left}</td>
                <td>{fact.draw?.[1] ?? fact.right}</td>
                <td className="compare-mark">{differs ? `≠ ${texts.changed}` : texts.same}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}
