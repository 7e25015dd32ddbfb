import { SAGES, type Complete, type Listed, type Sage, type View } from '@magi/stream'
import type { ReactNode } from 'react'
import { Listing, Objection, PanelCell, panelText, VoteCell } from './compare-cells.tsx'
import { isSplit, sealOf, sealOfVote } from './format.ts'
import { modelOf } from './lane.tsx'
import { linesOf, parse } from './mine.ts'
import { parseOutcome } from './outcome.ts'
import { usePresetNames } from './preset-names.ts'
import { Seal } from './seal.tsx'
import { useWords } from './settings.tsx'
import { useTexts } from './texts.ts'
import { judgeAlone, ruleText } from './verdict.tsx'
import { whyOf } from './why.ts'
import { COMPARE, type CompareWords } from './words-compare.ts'
import { PANEL, type PanelWords } from './words-panel.ts'
import type { Words } from './words.ts'

/** One of the two: what was deliberated, and what a person wrote beside it. */
export interface Side {
  view: View
  item: Listed | undefined
  /** What a person wrote is kept, and could not be read. */
  unread?: true
}

/** One fact of both: what is compared, empty where there is nothing, and how it is drawn. */
interface Fact {
  name: string
  left: string
  right: string
  /** Where that is more than its text. */
  draw?: (side: Side) => ReactNode
  /** Sentences, which need the width. */
  long?: true
  /** Stands there even where neither has it. */
  always?: true
}

type Make = (
  name: string,
  of: (side: Side) => string | undefined,
  more?: Pick<Fact, 'draw' | 'long' | 'always'>,
) => Fact

/** The words of both: of the page, of this screen, and of a panel. */
interface AllWords {
  words: Words
  texts: CompareWords
  panel: PanelWords
  preset: (name: string) => string
}

const completeOf = ({ view }: Side): Complete | undefined =>
  view.end?.kind === 'complete' ? view.end.data : undefined

/** The sum of tokens, as far as it is known. */
const tokensOf = ({ view }: Side): number | undefined => {
  const usage = view.end?.data.usage
  return usage && usage.input_tokens + usage.output_tokens
}

/** The vote alone: how sure it was stands beside it, and makes no other vote of it. */
function voteText(view: View, sage: Sage): string | undefined {
  const { vote } = view.sages[sage]
  return vote && sealOfVote(vote)
}

/** How the judge, or the panel in its place, stood to the votes. */
function standing(data: Complete | undefined, { words, panel }: AllWords): string | undefined {
  if (!data) return undefined
  const { overruled, judge_agrees: agrees, solomon_judgment: judgment } = data
  if (isSplit(judgment)) return panel.split
  const says = judgment.panel ? panel : words.verdict
  if (overruled) return says.overruled
  if (agrees === null) return words.judgeNotCalled
  if (agrees) return says.agrees
  return judgeAlone(words, data) ?? says.disagrees
}

/** What was decided, by whom, and how. */
function decisionFacts(make: Make, sages: readonly Sage[], all: AllWords): Fact[] {
  const { words, texts } = all
  const seal = ({ view }: Side) => <Seal kind={sealOf(view)} small />
  const panel = ({ view }: Side) => <PanelCell view={view} />
  const counted = ({ view }: Side) => view.tally && texts.counted(view.tally)
  return [
    make(texts.verdict, ({ view }) => sealOf(view), { draw: seal, always: true }),
    make(texts.votes, counted, { long: true, always: true }),
    ...sages.map((sage) =>
      make(texts.vote(words.sages[sage].name), ({ view }) => voteText(view, sage), {
        draw: ({ view }) => <VoteCell view={view} sage={sage} />,
      }),
    ),
    make(texts.judge, (side) => standing(completeOf(side), all), { long: true }),
    make(texts.panel, ({ view }) => panelText(view, texts), { draw: panel }),
  ]
}

/** What speaks against the verdict, and what hangs on it. */
function groundFacts(make: Make, { words, texts }: AllWords): Fact[] {
  const judged = (side: Side) => completeOf(side)?.solomon_judgment
  const list = (name: string, of: (side: Side) => readonly string[] | undefined): Fact =>
    make(name, (side) => of(side)?.join('\n'), {
      draw: (side) => <Listing points={of(side) ?? []} lang={side.view.lang} />,
      long: true,
    })
  const why = (side: Side): string | undefined => {
    const data = completeOf(side)
    return data && whyOf(data)
  }
  return [
    make(words.verdict.reason, why, {
      draw: (side) => <p lang={side.view.lang}>{why(side)}</p>,
      long: true,
    }),
    make(
      texts.objection,
      (side) => {
        const dissent = judged(side)?.dissent
        return dissent && dissent.text !== '' ? `${dissent.agent ?? ''} ${dissent.text}` : undefined
      },
      {
        draw: (side) => <Objection dissent={judged(side)?.dissent} lang={side.view.lang} />,
        long: true,
      },
    ),
    make(
      words.verdict.recommendation,
      (side) => {
        const data = completeOf(side)
        // The votes in words are no recommendation.
        return data?.recommendation === data?.summary ? undefined : data?.recommendation
      },
      {
        draw: (side) => <p lang={side.view.lang}>{completeOf(side)?.recommendation}</p>,
        long: true,
      },
    ),
    list(words.verdict.conditions, (side) => judged(side)?.conditions),
    list(words.verdict.wouldChange, (side) => judged(side)?.would_change),
  ]
}

/** What a person made of it. */
const ownFacts = (make: Make, { words, texts }: AllWords): Fact[] => [
  make(texts.notes, ({ unread }) => unread && texts.unread, { long: true }),
  make(texts.leaning, ({ item }) => parse(item?.my_decision ?? '').leaning, { long: true }),
  make(
    words.room.decision.title,
    (side) => {
      const conditions = completeOf(side)?.solomon_judgment.conditions
      return linesOf(side.item?.my_decision ?? '', words, conditions).join('\n')
    },
    { long: true },
  ),
  make(
    texts.outcome,
    ({ item }) => {
      const { word, note } = parseOutcome(item?.outcome)
      return [word === undefined ? '' : words.room.decision.turns[word], note]
        .filter((part) => part !== '')
        .join('\n')
    },
    { long: true },
  ),
]

/** What it took. */
const priceFacts = (make: Make, { words, texts }: AllWords): Fact[] => [
  make(texts.cost, ({ view }) => {
    const cost = view.end?.data.cost_usd
    return cost === undefined ? undefined : words.cost(cost)
  }),
  make(texts.time, (side) => {
    const time = completeOf(side)?.execution_time
    return time === undefined ? undefined : words.seconds(time / 1000)
  }),
  make(texts.tokens, (side) => {
    const tokens = tokensOf(side)
    return tokens === undefined ? undefined : new Intl.NumberFormat(words.code).format(tokens)
  }),
]

/** Who was asked, by which rules, and what they were told. */
function councilFacts(make: Make, sages: readonly Sage[], all: AllWords): Fact[] {
  const { words, texts, panel } = all
  return [
    make(
      texts.preset,
      ({ view: { council } }) => council && `${all.preset(council.name)} v${council.version}`,
    ),
    make(texts.rule, ({ view: { council } }) => council && ruleText(words, council.rule)),
    make(texts.quorum, ({ view: { council } }) => council && String(council.quorum)),
    ...sages.map((sage) =>
      make(
        texts.model(words.sages[sage].name),
        ({ view }) => modelOf(view.sages[sage], panel.of) || view.council?.models[sage],
      ),
    ),
    make(
      texts.model(words.judge.name),
      ({ view }) => modelOf(view.judge, panel.of) || view.council?.models.solomon,
    ),
    make(texts.language, ({ view }) => languageName(view.lang, words)),
    // A context is compared whole, and shown by its length.
    make(texts.context, ({ view }) => view.context, {
      draw: ({ view }) => texts.contextBytes([...(view.context ?? '')].length),
    }),
  ]
}

/** What a language is called in the page's own. */
function languageName(tag: string | undefined, { code }: Words): string | undefined {
  try {
    return tag && new Intl.DisplayNames(code, { type: 'language' }).of(tag)
  } catch {
    return tag
  }
}

/** Every fact that either of the two has. */
export function factsOf(left: Side, right: Side, all: AllWords): Fact[] {
  const make: Make = (name, of, more) => ({
    name,
    left: of(left) ?? '',
    right: of(right) ?? '',
    ...more,
  })
  const sages = SAGES.filter((sage) =>
    [left, right].some(({ view }) => view.council?.sages.includes(sage) ?? true),
  )
  return [
    ...decisionFacts(make, sages, all),
    ...groundFacts(make, all),
    ...ownFacts(make, all),
    ...priceFacts(make, all),
    ...councilFacts(make, sages, all),
  ].filter((fact) => fact.always || fact.left !== '' || fact.right !== '')
}

/**
 * Every fact of the two beside each other; what differs is marked by a word, a sign and a ground. On a narrow
 * screen a row is a block, so what it is is said by roles too: some browsers forget a table that is drawn otherwise.
 */
export function Facts({ left, right }: { left: Side; right: Side }) {
  const words = useWords()
  const texts = useTexts(COMPARE)
  const panel = useTexts(PANEL)
  const preset = usePresetNames()
  const facts = factsOf(left, right, { words, texts, panel, preset })
  return (
    <div className="table-scroll" tabIndex={0} role="group" aria-label={texts.facts}>
      <table className="table compare-table" role="table">
        <caption className="visually-hidden">{texts.facts}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {[texts.what, 'A', 'B'].map((name) => (
              <th key={name} scope="col" role="columnheader">
                {name}
              </th>
            ))}
            <th scope="col" role="columnheader">
              <span className="visually-hidden">{texts.mark}</span>
            </th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {facts.map((fact) => (
            <Row key={fact.name} fact={fact} left={left} right={right} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Row({ fact, left, right }: { fact: Fact; left: Side; right: Side }) {
  const texts = useTexts(COMPARE)
  const differs = fact.left !== fact.right
  const cell = (text: string, side: Side): ReactNode =>
    text === '' ? texts.none : (fact.draw?.(side) ?? text)
  return (
    <tr role="row" data-differs={differs || undefined} data-long={fact.long}>
      <th scope="row" role="rowheader">
        {fact.name}
      </th>
      <td role="cell">{cell(fact.left, left)}</td>
      <td role="cell">{cell(fact.right, right)}</td>
      <td className="compare-mark" role="cell">
        {differs ? `≠ ${texts.differs}` : texts.same}
      </td>
    </tr>
  )
}
