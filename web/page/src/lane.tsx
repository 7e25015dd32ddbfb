import {
  isMissing,
  type AgentComplete,
  type Lane as LaneView,
  type PastAttempt,
  type Sage,
  type SageLane,
  type Trouble,
} from '@magi/stream'
import { memo, useEffect, useState, type ReactNode } from 'react'
import { Button, Disclosure, DisclosurePanel, Heading } from 'react-aria-components'
import type { Figures } from './figures.ts'
import { conditionsTitle, confidenceOf, sealOfVote } from './format.ts'
import { ArrowDown, Chevron, Grow, Shrink } from './icons.tsx'
import { Prose, useContentLang } from './prose.tsx'
import { Seal } from './seal.tsx'
import { useSettings, useWords } from './settings.tsx'
import { RingedMark } from './shapes.tsx'
import { Sign } from './sign.tsx'
import { useTexts } from './texts.ts'
import { useTail } from './tail.ts'
import { Verbs, type Hands } from './verbs.tsx'
import { PANEL } from './words-panel.ts'
import type { Words } from './words.ts'

interface LaneProps {
  sage: Sage
  lane: SageLane
  /** The deliberation has ended, so nothing more will come. */
  over: boolean
  enlarged: boolean
  onEnlarge: (sage: Sage) => void
  figures: Figures
  hands: Hands
  /** This machine's clock less the log's, in milliseconds. */
  skew: number
}

/** One sage: what it is, what it says as it says it, and its vote. */
export const Lane = memo(function Lane({
  sage,
  lane,
  over,
  enlarged,
  onEnlarge,
  figures,
  hands,
  skew,
}: LaneProps) {
  const words = useWords()
  const { name, role } = words.sages[sage]
  const busy = !over && (lane.state === 'writing' || lane.state === 'thinking')
  // A vote stands until a later attempt has one of its own.
  const again = lane.vote !== undefined && !isDone(lane) && !over
  return (
    <section
      className="lane"
      data-agent={sage}
      data-status={lane.state}
      aria-labelledby={`lane-${sage}`}
      aria-busy={busy}
    >
      <header className="lane-head">
        <RingedMark of={sage} length={lane.text.length} done={lane.vote !== undefined} />
        <div className="lane-title">
          <h2 id={`lane-${sage}`}>{name}</h2>
          <p>{role}</p>
        </div>
        <p className="lane-status">
          <Status lane={lane} over={over} skew={skew} />
        </p>
        <Sign
          className="icon-button enlarge"
          aria-label={enlarged ? words.lane.shrink(name) : words.lane.expand(name)}
          onPress={() => onEnlarge(sage)}
        >
          {enlarged ? <Shrink /> : <Grow />}
        </Sign>
      </header>
      <LaneText lane={lane} label={words.lane.text(name)} over={over}>
        {lane.vote && !again && <Grounds vote={lane.vote} text={lane.text} />}
      </LaneText>
      {lane.vote ? (
        <Vote vote={lane.vote} note={again ? words.room.stands : reusedNote(words, lane)} />
      ) : (
        over && (
          <div className="vote" data-kind="STOPPED">
            <Seal kind="STOPPED" small />
          </div>
        )
      )}
      <Foot lane={lane} figures={figures}>
        <Verbs who={sage} name={name} lane={lane} hands={hands} />
      </Foot>
    </section>
  )
})

const isDone = (lane: LaneView): boolean => lane.state === 'done' || lane.state === 'failed'

const reusedNote = (words: Words, lane: SageLane): string | undefined =>
  lane.reused ? words.room.reused : undefined

function Status({ lane, over, skew }: { lane: SageLane; over: boolean; skew: number }) {
  const { lane: words, room } = useWords()
  if (over && !lane.vote) return words.stopped
  if (lane.vote && (isDone(lane) || over)) {
    if (lane.vote.cause === 'stopped') return words.stopped
    if (lane.vote.cause === 'timeout') return room.late
    return isMissing(lane.vote) ? words.failed : words.done
  }
  if (lane.state === 'retrying' && lane.trouble)
    return <Waiting trouble={lane.trouble} skew={skew} />
  const word: Record<LaneView['state'], string> = {
    waiting: words.waiting,
    connecting: words.connecting,
    thinking: words.thinking,
    writing: words.writing,
    retrying: words.connecting,
    done: words.done,
    failed: words.failed,
  }
  return lane.attempt > 1
    ? `${word[lane.state]} · ${words.attempt(lane.attempt)}`
    : word[lane.state]
}

/** A wait before the next attempt: why, and how long still. */
function Waiting({ trouble, skew }: { trouble: Trouble; skew: number }) {
  const { lane: words, room } = useWords()
  const { at, retryIn } = trouble
  const until = at === undefined || retryIn === undefined ? 0 : at + skew + retryIn * 1000
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500)
    return () => clearInterval(timer)
  }, [until])
  const left = Math.ceil((until - now) / 1000)
  const why = room.waits[trouble.code]
  if (why === undefined || left <= 0) return words.retrying(trouble)
  return room.waitsFor(why, left)
}

interface LaneTextProps {
  lane: LaneView
  label: string
  over: boolean
  /** What stands beneath the text, in the same scroll. */
  children?: ReactNode
}

/** The scrolling text of a lane: earlier attempts and thinking folded away, prose open. */
export function LaneText({ lane, label, over, children }: LaneTextProps) {
  const words = useWords()
  const tail = useTail()
  const writing = !over && lane.state === 'writing'
  return (
    <div className="lane-body">
      <div className="lane-scroll" ref={tail.ref} tabIndex={0} role="group" aria-label={label}>
        {/* Over a deadline the numbers begin again; what was given up is counted through. */}
        {lane.past.map((attempt, index) => (
          <Fold key={index} title={pastTitle(words, attempt, index + 1)} tone="past">
            {attempt.trouble && <p className="trouble">{troubleText(words, attempt.trouble)}</p>}
            <Prose text={attempt.text} />
          </Fold>
        ))}
        {lane.thinking !== '' && (
          <Fold
            title={words.lane.thoughts}
            tone="thoughts"
            live={!over && lane.state === 'thinking'}
          >
            <Prose text={lane.thinking} />
          </Fold>
        )}
        {lane.text !== '' && <Prose text={lane.text} caret={writing} />}
        {lane.text === '' && over && lane.thinking === '' && (
          <p className="muted">{words.lane.nothingSaid}</p>
        )}
        {lane.trouble && lane.state !== 'done' && !children && (
          <p className="trouble">{troubleText(words, lane.trouble)}</p>
        )}
        {children}
      </div>
      {!tail.pinned && tail.unseen > 0 && (
        <Button className="jump" onPress={tail.jump}>
          <ArrowDown /> {words.lane.newLines(tail.unseen)} · {words.lane.latest}
        </Button>
      )}
    </div>
  )
}

/** An attempt that had come to its end was not given up: a later one took its place. */
const pastTitle = ({ lane }: Words, { answer }: PastAttempt, number: number): string =>
  answer === undefined || ('decision' in answer && isMissing(answer))
    ? lane.past(number)
    : lane.replaced(number)

const troubleText = (words: Words, trouble: { code: string; message: string }): string =>
  `${words.trouble(trouble.code)}: ${trouble.message}`

interface FoldProps {
  title: string
  tone: string
  live?: boolean
  children: ReactNode
}

/** Text that is there, but folded away until somebody wants it. */
export function Fold({ title, tone, live = false, children }: FoldProps) {
  return (
    <Disclosure className="fold" data-tone={tone} data-live={live || undefined}>
      <Heading level={3}>
        <Button slot="trigger">
          <Chevron /> {title}
        </Button>
      </Heading>
      <DisclosurePanel>{children}</DisclosurePanel>
    </Disclosure>
  )
}

/** The seal at the foot of a lane. */
function Vote({ vote, note }: { vote: AgentComplete; note: string | undefined }) {
  const words = useWords()
  return (
    <div className="vote" data-kind={sealOfVote(vote)}>
      <Seal kind={sealOfVote(vote)} small />
      {!isMissing(vote) && (
        <span className="vote-confidence">
          {words.verdict.confidence} {confidenceOf(words, vote.confidence)}
        </span>
      )}
      {note !== undefined && <span className="vote-note">{note}</span>}
    </div>
  )
}

/** What the vote itself gives as its grounds, beneath the prose. */
function Grounds({ vote, text }: { vote: AgentComplete; text: string }) {
  const words = useWords()
  const lang = useContentLang()
  // The reasoning of a vote that has none of its own is the prose, which stands above already.
  const own = vote.reasoning.trim() !== '' && !text.includes(vote.reasoning.trim())
  return (
    <div className="grounds" data-kind={sealOfVote(vote)}>
      {/* Where it was stopped, its own words say just that. */}
      {vote.cause && !(own && vote.cause === 'stopped') && (
        <p className="vote-cause">{words.cause[vote.cause] ?? vote.cause}</p>
      )}
      {own && (
        <p className="vote-reason" lang={lang}>
          {vote.reasoning}
        </p>
      )}
      <Points title={conditionsTitle(words, vote.decision)} points={vote.conditions} />
      <Points title={words.verdict.wouldChange} points={vote.would_change} />
    </div>
  )
}

function Points({ title, points }: { title: string; points: readonly string[] }) {
  const lang = useContentLang()
  if (points.length === 0) return null
  return (
    <div className="points">
      <h3>{title}</h3>
      <ul lang={lang}>
        {points.map((point, index) => (
          <li key={index}>{point}</li>
        ))}
      </ul>
    </div>
  )
}

interface FootProps {
  lane: LaneView
  figures: Figures
  /** What can be done to the one who speaks. */
  children?: ReactNode
}

/** The model, the numbers so far, and what can be done to the one who speaks. */
export function Foot({ lane, figures, children }: FootProps) {
  const { figures: wanted } = useSettings()
  const panel = useTexts(PANEL)
  return (
    <footer className="lane-foot">
      <div className="lane-facts">
        <span className="lane-model">{modelOf(lane, panel.of)}</span>
        {wanted && <Numbers figures={figures} />}
      </div>
      {children}
    </footer>
  )
}

/** Time to the first token, tokens, tokens per second, cost; what is guessed is marked. */
export function Numbers({ figures }: { figures: Figures }) {
  const words = useWords()
  const { room } = words
  const { firstMs, tokens, rate, cost, estimated } = figures
  const parts: string[] = []
  if (firstMs !== undefined) parts.push(words.lane.firstWord(words.seconds(firstMs / 1000)))
  if (tokens !== undefined) parts.push(room.written(tokens, estimated))
  if (rate !== undefined) parts.push(room.roughly(room.rate(rate), estimated))
  if (cost !== undefined) parts.push(room.roughly(words.cost(cost), estimated && cost > 0))
  return (
    <span className="lane-numbers" title={estimated ? room.estimatedNote : undefined}>
      {parts.map((part) => (
        <span key={part}>{part}</span>
      ))}
    </span>
  )
}

/** `provider:model`, the provider alone where it has no models, or the panel in the judge's place. */
export const modelOf = (
  { provider, model }: LaneView,
  panelOf: (models: string) => string,
): string =>
  provider === 'panel' ? panelOf(model) : [provider, model].filter((part) => part !== '').join(':')
