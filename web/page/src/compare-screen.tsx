import { SAGES, viewOf, type Agent, type View } from '@magi/stream'
import { useEffect, useMemo, useState } from 'react'
import { Checkbox, ToggleButton, ToggleButtonGroup } from 'react-aria-components'
import { can } from './able.ts'
import { Facts, type Side } from './compare-facts.tsx'
import { marked, sideBySide, type Pair, type Piece } from './diff.ts'
import { sealOf } from './format.ts'
import { RehearsalMark } from './head.tsx'
import { Tick } from './icons.tsx'
import { keeperOf } from './remarks.ts'
import { hashOf } from './route.ts'
import { Seal } from './seal.tsx'
import { useWords } from './settings.tsx'
import { Mark } from './shapes.tsx'
import { useTexts } from './texts.ts'
import { useWay, type Way } from './way.ts'
import { COMPARE } from './words-compare.ts'

type Read = Side | { why: string } | undefined

/** Reads one of the two, and what a person wrote beside it where that is kept. */
async function sideOf(way: Way, id: string): Promise<Side> {
  const view = viewOf(await way.library.snapshot(id))
  const keeper = keeperOf(way, can(view, 'history'))
  try {
    return { view, item: await keeper?.item(id) }
  } catch {
    return { view, item: undefined, unread: true }
  }
}

/** Reads one of the two. */
function useRead(way: Way, id: string): Read {
  const [read, setRead] = useState<{ id: string; read: Read }>()
  useEffect(() => {
    let here = true
    const set = (next: Read): void => {
      if (here) setRead({ id, read: next })
    }
    sideOf(way, id).then(set, (error: unknown) =>
      set({ why: error instanceof Error ? error.message : String(error) }),
    )
    return () => {
      here = false
    }
  }, [way, id])
  return read?.id === id ? read.read : undefined
}

/** Two deliberations beside each other: what was decided, by whom, at what price, in which words. */
export default function CompareScreen({ left, right }: { left: string; right: string }) {
  const texts = useTexts(COMPARE)
  const way = useWay()
  const a = useRead(way, left)
  const b = useRead(way, right)
  const sides = a && 'view' in a && b && 'view' in b ? ([a, b] as const) : undefined
  return (
    <main className="screen compare-screen" tabIndex={-1}>
      <header className="screen-head">
        <h1>{texts.title}</h1>
        <div className="screen-actions">
          <a className="button" href={hashOf({ name: 'compare', left: right, right: left })}>
            {texts.swap}
          </a>
          <a className="button" href={hashOf({ name: 'history' })}>
            {texts.back}
          </a>
        </div>
      </header>
      {[a, b].map(
        (read, index) =>
          read &&
          'why' in read && (
            <div key={index} className="alert-box" role="alert">
              <p>{texts.failed('AB'.charAt(index), read.why)}</p>
            </div>
          ),
      )}
      {(!a || !b) && (
        <p className="muted" role="status">
          {texts.loading}
        </p>
      )}
      {sides && (
        <>
          <div className="compare-heads">
            <Head side="A" view={sides[0].view} />
            <Head side="B" view={sides[1].view} />
          </div>
          <Facts left={sides[0]} right={sides[1]} />
          <Speeches left={sides[0].view} right={sides[1].view} />
        </>
      )}
    </main>
  )
}

function Head({ side, view }: { side: string; view: View }) {
  const words = useWords()
  const kind = sealOf(view)
  return (
    <section className="compare-head" data-kind={kind}>
      <p className="compare-side">{side}</p>
      <div>
        <Seal kind={kind} small />
        {view.mode === 'rehearsal' && (
          <p className="compare-mode band" data-mode="rehearsal">
            <RehearsalMark /> {words.mode.rehearsalNote}
          </p>
        )}
        <h2 lang={view.lang}>
          <a href={hashOf({ name: 'deliberation', id: view.id ?? '' })}>{view.question}</a>
        </h2>
        {view.startedAt !== undefined && (
          <p className="muted">{words.when(new Date(view.startedAt))}</p>
        )}
      </div>
    </section>
  )
}

const ROLES: readonly Agent[] = [...SAGES, 'solomon']

const textOf = (view: View, role: Agent): string =>
  role === 'solomon' ? view.judge.text : view.sages[role].text

function Speeches({ left, right }: { left: View; right: View }) {
  const words = useWords()
  const texts = useTexts(COMPARE)
  const [role, setRole] = useState<Agent>('caspar')
  const [only, setOnly] = useState(false)
  const pairs = useMemo(
    () => sideBySide(textOf(left, role), textOf(right, role)),
    [left, right, role],
  )
  const changed = pairs.filter((pair) => pair.kind === 'changed').length
  const shown = only ? pairs.filter((pair) => pair.kind === 'changed') : pairs
  const summary =
    pairs.length === 0
      ? texts.noText
      : changed === 0
        ? texts.allSame
        : texts.changes(changed, pairs.length)
  return (
    <section className="speeches" aria-labelledby="speeches-title">
      <div className="speeches-head">
        <h2 id="speeches-title">{texts.texts}</h2>
        <ToggleButtonGroup
          className="segments"
          aria-label={texts.whose}
          selectionMode="single"
          disallowEmptySelection
          selectedKeys={[role]}
          onSelectionChange={(keys) => setRole([...keys][0] as Agent)}
        >
          {ROLES.map((one) => (
            <ToggleButton key={one} id={one}>
              <Mark of={one} /> {one === 'solomon' ? words.judge.name : words.sages[one].name}
            </ToggleButton>
          ))}
        </ToggleButtonGroup>
        <p className="muted" role="status">
          {summary}
        </p>
        {changed > 0 && changed < pairs.length && (
          <Checkbox className="check" isSelected={only} onChange={setOnly}>
            <span className="check-box" aria-hidden="true">
              <Tick />
            </span>
            {texts.onlyChanges}
          </Checkbox>
        )}
      </div>
      <ol className="pairs" data-agent={role}>
        {shown.map((pair, index) => (
          <Paragraphs key={index} pair={pair} lang={left.lang ?? words.code} />
        ))}
      </ol>
    </section>
  )
}

function Paragraphs({ pair: { kind, left, right }, lang }: { pair: Pair; lang: string }) {
  const texts = useTexts(COMPARE)
  if (kind === 'same')
    return (
      <li data-kind-of="same">
        <p lang={lang}>
          <span className="visually-hidden">{texts.both}: </span>
          {left}
        </p>
        <p lang={lang} aria-hidden="true">
          {right}
        </p>
      </li>
    )
  const pieces: [Piece[], Piece[]] =
    left !== undefined && right !== undefined
      ? marked(left, right, lang)
      : [[{ text: left ?? '', own: false }], [{ text: right ?? '', own: false }]]
  return (
    <li data-kind-of="changed">
      <Half side="A" text={left} pieces={pieces[0]} lang={lang} alone={right === undefined} />
      <Half side="B" text={right} pieces={pieces[1]} lang={lang} alone={left === undefined} />
    </li>
  )
}

interface HalfProps {
  side: string
  text: string | undefined
  pieces: readonly Piece[]
  lang: string
  /** The other side has nothing here. */
  alone: boolean
}

function Half({ side, text, pieces, lang, alone }: HalfProps) {
  const texts = useTexts(COMPARE)
  if (text === undefined) return <p className="nothing-there" aria-hidden="true" />
  return (
    <p lang={lang}>
      <small className="pair-side">{alone ? texts.only(side) : side}</small>
      {pieces.map((piece, index) =>
        piece.own ? <mark key={index}>{piece.text}</mark> : <span key={index}>{piece.text}</span>,
      )}
    </p>
  )
}
