import {
  sagesOf,
  type Complete,
  type Failure,
  type JudgeComplete,
  type Sage,
  type View,
} from '@magi/stream'
import type { ReactNode } from 'react'
import { Button } from 'react-aria-components'
import { Conditions, Decision, type Remarked } from './decision.tsx'
import {
  conditionsTitle,
  confidenceOf,
  isSplit,
  scoreText,
  sealOf,
  sealOfVote,
  tokensOf,
  votesIn,
} from './format.ts'
import { Warn } from './icons.tsx'
import { Fold } from './lane.tsx'
import { PanelVotes } from './panel.tsx'
import { findPassage } from './passage.ts'
import { Prose, useContentLang } from './prose.tsx'
import { Seal } from './seal.tsx'
import { useWords } from './settings.tsx'
import { Mark } from './shapes.tsx'
import { useTexts } from './texts.ts'
import { PANEL } from './words-panel.ts'
import { firstSentence, groundsOf, isOwn } from './why.ts'
import { SEAL_WORDS, type Words } from './words.ts'

interface CardProps {
  view: View
  actions: ReactNode
  /** What a person writes beside it; without it the conditions are there to read alone. */
  remarked?: Remarked | undefined
  /** Goes to where the dissent was said. */
  onDissent?: ((sage: Sage, text: string) => void) | undefined
}

/** How it ended: the verdict with its dissent and its conditions, or why there is none. */
export function VerdictCard({ view, actions, remarked, onDissent }: CardProps) {
  const words = useWords()
  const { end } = view
  if (!end) return null
  return (
    <section
      className="verdict"
      id="verdict"
      tabIndex={-1}
      aria-labelledby="verdict-title"
      data-kind={sealOf(view)}
    >
      <header className="verdict-head">
        <h2 id="verdict-title" className="visually-hidden">
          {words.verdict.title}
        </h2>
        <Seal kind={sealOf(view)} />
        {end.kind === 'complete' && <Count view={view} data={end.data} />}
      </header>
      {end.kind === 'complete' && (
        <Decided view={view} data={end.data} remarked={remarked} onDissent={onDissent} />
      )}
      {end.kind === 'cancelled' && (
        <div className="verdict-text">
          <p className="verdict-lead">{words.verdict.stoppedBy(end.data.by)}</p>
          {/* That a person stopped it is said by the line above. */}
          {end.data.by !== 'user' && end.data.reason !== '' && (
            <p className="muted">{end.data.reason}</p>
          )}
          <p>{words.verdict.stoppedNote}</p>
        </div>
      )}
      {end.kind === 'error' && (
        <div className="verdict-text">
          <p className="verdict-lead">{words.verdict.failed}</p>
          <p>
            {end.data.message} <span className="muted">{words.problem.code(end.data.code)}</span>
          </p>
          <Missing missing={unsaid(end.data)} />
        </div>
      )}
      {end.kind === 'complete' && remarked && (
        <Decision remarked={remarked} verdict={end.data.final_decision !== 'UNDECIDED'} />
      )}
      <footer className="verdict-foot">
        <p className="verdict-numbers">{numbersOf(words, view).join(' · ')}</p>
        <div className="verdict-actions">{actions}</div>
      </footer>
    </section>
  )
}

/** Who is missing and is not named by the message itself. */
const unsaid = ({ message, missing = [] }: Failure): Complete['missing'] =>
  missing.filter((one) => one.message === undefined || !message.includes(one.message))

/** The votes as marks with their own seals, and the count in code. */
function Count({ view, data }: { view: View; data: Complete }) {
  const words = useWords()
  const { approved, rejected, abstained } = data.voting_result
  const rule = view.council?.rule ?? 'majority'
  const sages = sagesOf(view)
  const voted = votesIn(view)
  return (
    <div className="count">
      <p className="count-numbers">
        <span className="visually-hidden">{words.verdict.votes}: </span>
        {(
          [
            ['APPROVED', approved],
            ['REJECTED', rejected],
            ['ABSTAINED', abstained],
          ] as const
        ).map(([kind, votes]) => (
          <span key={kind} className="count-number" data-kind={kind}>
            {votes} <small>{words.verdict.counts[kind]}</small>
          </span>
        ))}
      </p>
      <ul className="count-votes">
        {sages.map((sage) => {
          const { vote } = view.sages[sage]
          return (
            <li key={sage} data-agent={sage}>
              <Mark of={sage} /> <span className="visually-hidden">{words.sages[sage].name}</span>
              {vote && <Seal kind={sealOfVote(vote)} small />}
            </li>
          )
        })}
      </ul>
      <p className="count-rule">
        {words.verdict.rule}: {ruleText(words, rule)}
        {voted < sages.length && ` · ${words.verdict.sagesAnswered(voted, sages.length)}`}
      </p>
    </div>
  )
}

export function ruleText(words: Words, rule: string): string {
  if (rule.startsWith('veto:')) {
    const sage = rule.slice('veto:'.length) as Sage
    return words.verdict.rules.veto(words.sages[sage]?.name ?? sage)
  }
  if (rule === 'majority' || rule === 'unanimous' || rule === 'judge')
    return words.verdict.rules[rule]
  return rule
}

interface DecidedProps extends Pick<CardProps, 'view' | 'remarked' | 'onDissent'> {
  data: Complete
}

function Decided({ view, data, remarked, onDissent }: DecidedProps) {
  const words = useWords()
  const lang = useContentLang()
  const judgment = data.solomon_judgment
  const conditions = conditionsTitle(words, data.final_decision)
  return (
    <>
      {data.status === 'degraded' && (
        <div className="degraded">
          <p>
            <Warn /> {words.verdict.degraded}
          </p>
          <Missing missing={data.missing} />
        </div>
      )}
      <div className="verdict-text">
        {!isOwn(data) && <Agreement data={data} />}
        <Why data={data} />
        {data.recommendation !== '' && data.recommendation !== data.summary && (
          <div className="verdict-recommendation">
            <h3>{words.verdict.recommendation}</h3>
            <p lang={lang}>{data.recommendation}</p>
          </div>
        )}
        {isOwn(data) && <Agreement data={data} />}
      </div>
      <Dissent view={view} judgment={judgment} onDissent={onDissent} />
      <div className="verdict-lists">
        {remarked ? (
          <Conditions title={conditions} points={judgment.conditions ?? []} remarked={remarked} />
        ) : (
          <List title={conditions} points={judgment.conditions ?? []} />
        )}
        <List title={words.verdict.wouldChange} points={judgment.would_change ?? []} />
      </div>
      <PanelVotes view={view} judgment={judgment} />
      <Scores view={view} judgment={judgment} />
    </>
  )
}

/** The judge's reason in its first sentence, the rest folded away; the votes in words where no judge spoke. */
function Why({ data }: { data: Complete }) {
  const { verdict } = useWords()
  const lang = useContentLang()
  const grounds = groundsOf(data.solomon_judgment)
  if (grounds === undefined)
    return (
      data.summary !== '' && (
        <p className="verdict-lead" lang={lang}>
          {data.summary}
        </p>
      )
    )
  const first = firstSentence(grounds)
  return (
    <div className="verdict-why">
      <h3>{isOwn(data) ? verdict.reason : verdict.judgeReason}</h3>
      <p className="verdict-lead" lang={lang}>
        {first}
      </p>
      {first !== grounds && (
        <Fold title={verdict.wholeReason} tone="reason">
          <Prose text={grounds} />
        </Fold>
      )}
    </div>
  )
}

/**
 * What the judge came to where the rule brings no decision, and the judge did. That the votes prevailed would
 * be the wrong word: they decided nothing.
 */
export function judgeAlone({ room, code }: Words, data: Complete): string | undefined {
  const { judge_agrees: agrees, overruled, final_decision: final, solomon_judgment: judge } = data
  const judged = judge.final_decision
  if (agrees !== false || overruled || final !== 'UNDECIDED' || judged === 'UNDECIDED')
    return undefined
  return room.judgeAlone(SEAL_WORDS[judged][code])
}

function Agreement({ data }: { data: Complete }) {
  const words = useWords()
  const { verdict, room } = words
  const panel = useTexts(PANEL)
  const { judge_agrees: agrees, overruled, voting_result: votes } = data
  const count = `${votes.approved}–${votes.rejected}–${votes.abstained}`
  const says = data.solomon_judgment.panel
    ? { ...panel, loud: panel.overruledOf, dissents: panel.dissentsFrom }
    : { ...verdict, loud: room.overruled, dissents: room.dissents }
  if (isSplit(data.solomon_judgment)) return <p className="agreement">{panel.split}</p>
  if (overruled)
    return (
      <p className="agreement agreement-loud" data-judge="overruled">
        <strong>{says.loud(count)}</strong>
      </p>
    )
  if (agrees === true) return <p className="agreement">{says.agrees}</p>
  const alone = judgeAlone(words, data)
  if (alone !== undefined)
    return (
      <p className="agreement agreement-loud" data-judge="alone">
        {alone}
      </p>
    )
  if (agrees === false)
    return (
      <p className="agreement agreement-loud" data-judge="dissents">
        <strong>{says.dissents(count)}</strong> {verdict.votesStand}
      </p>
    )
  return null
}

function Dissent({
  view,
  judgment,
  onDissent,
}: {
  view: View
  judgment: JudgeComplete
  onDissent: CardProps['onDissent']
}) {
  const words = useWords()
  const lang = useContentLang()
  const { dissent } = judgment
  if (!dissent || dissent.text === '')
    // Without a judgment nobody looked for one.
    return judgment.attempt > 0 ? <p className="no-dissent">{words.verdict.noDissent}</p> : null
  const sage = dissent.agent ?? undefined
  const title = sage ? words.verdict.dissentBy(words.sages[sage].name) : words.verdict.dissent
  const said = sage && findPassage(view.sages[sage].text, dissent.text)
  return (
    <figure className="dissent" data-agent={sage}>
      <figcaption>
        {sage && <Mark of={sage} />} {title}
      </figcaption>
      <blockquote lang={lang}>{dissent.text}</blockquote>
      {sage && onDissent && (
        <p className="dissent-place">
          {!said && <span className="muted">{words.room.judgesWords}</span>}{' '}
          <Button className="link-button" onPress={() => onDissent(sage, dissent.text)}>
            {said ? words.room.toPlace : words.room.toVote(words.sages[sage].name)}
          </Button>
        </p>
      )}
    </figure>
  )
}

function List({ title, points }: { title: string; points: readonly string[] }) {
  const lang = useContentLang()
  if (points.length === 0) return null
  return (
    <div className="verdict-list">
      <h3>{title}</h3>
      <ul lang={lang}>
        {points.map((point, index) => (
          <li key={index}>{point}</li>
        ))}
      </ul>
    </div>
  )
}

function Scores({ view, judgment }: { view: View; judgment: JudgeComplete }) {
  const words = useWords()
  const panel = useTexts(PANEL)
  const lang = useContentLang()
  const scored = sagesOf(view).filter((sage) => typeof judgment.sage_scores[sage] === 'number')
  if (scored.length === 0) return null
  return (
    <div className="scores">
      <h3>{judgment.panel ? panel.medians : words.verdict.scores}</h3>
      <ul>
        {scored.map((sage) => {
          const score = judgment.sage_scores[sage] ?? 0
          const reason = judgment.score_reasons?.[sage]
          return (
            <li key={sage} data-agent={sage}>
              <span className="score-name">
                <Mark of={sage} /> {words.sages[sage].name}
              </span>
              <svg
                className="score-bar"
                viewBox="0 0 100 4"
                preserveAspectRatio="none"
                aria-hidden="true"
              >
                <rect className="score-ground" width="100" height="4" />
                <rect className="score-fill" width={Math.max(0, Math.min(100, score))} height="4" />
              </svg>
              <span className="score-number">{scoreText(words.code, score)}</span>
              {reason && (
                <span className="score-reason" lang={lang}>
                  {reason}
                </span>
              )}
            </li>
          )
        })}
      </ul>
    </div>
  )
}

function Missing({ missing }: { missing: Complete['missing'] }) {
  const words = useWords()
  if (missing.length === 0) return null
  return (
    <ul className="missing">
      {missing.map((one, index) => (
        <li key={index}>
          <Mark of={one.agent} />{' '}
          <strong>
            {one.agent === 'solomon'
              ? words.judge.name
              : (words.sages[one.agent]?.name ?? one.agent)}
          </strong>{' '}
          {words.cause[one.cause] ?? one.cause}
          {one.message ? `: ${one.message}` : ''}
        </li>
      ))}
    </ul>
  )
}

function numbersOf(words: Words, view: View): string[] {
  const { end } = view
  if (!end) return []
  const parts: string[] = []
  if (end.kind === 'complete') {
    parts.push(`${words.verdict.confidence} ${confidenceOf(words, end.data.confidence)}`)
    parts.push(words.seconds(end.data.execution_time / 1000))
  }
  const { usage, cost_usd: cost } = end.data
  if (usage) parts.push(tokensOf(words, usage))
  if (typeof cost === 'number') parts.push(words.cost(cost))
  else if (usage && view.mode !== 'rehearsal') parts.push(words.noCost)
  return parts
}
