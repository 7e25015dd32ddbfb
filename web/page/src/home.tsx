import { EMPTY, questionOf, SAGES, type Listed, type Question } from '@magi/stream'
import type { ReactNode } from 'react'
import { Button } from 'react-aria-components'
import { Chart } from './chart.tsx'
import { Composer } from './composer.tsx'
import type { Asked as Gated } from './gate.tsx'
import { sealOfListed, votesText } from './format.ts'
import { Play } from './icons.tsx'
import { OwnNote } from './own-note.tsx'
import { presetTitle } from './preset-title.ts'
import { hashOf } from './route.ts'
import { Seal } from './seal.tsx'
import { useWords } from './settings.tsx'
import { Mark } from './shapes.tsx'
import { Why } from './trouble.tsx'
import { useAsked } from './use-asked.ts'
import { hostOf, useWay } from './way.ts'

interface HomeProps {
  asked: Gated
  onAgain: () => void
  draft: string
  /** The council that is chosen first. */
  preset?: string | undefined
  onDraft: (text: string) => void
  onAsk: (question: Question, leaning?: string) => void
  /** A rehearsal is to be played. */
  onScene: (scene: Question) => void
  /** Something is about to be asked, or opened. */
  onSoon: () => void
  /** What the next question takes along. */
  children?: ReactNode
}

/** The start page: ask, watch a rehearsal, open an earlier deliberation. */
export function Home({
  asked,
  onAgain,
  draft,
  preset,
  onDraft,
  onAsk,
  onScene,
  onSoon,
  children,
}: HomeProps) {
  const words = useWords()
  return (
    <main className="home" tabIndex={-1} {...aboutTo(onSoon)}>
      <div className="home-sky">
        <Chart view={EMPTY} faint />
      </div>
      <h1>{words.headline}</h1>
      <p className="intro">{words.intro}</p>
      {children}
      <Ask asked={asked} draft={draft} preset={preset} onDraft={onDraft} onAsk={onAsk} />
      <WhatAnswers asked={asked} onAgain={onAgain} />
      <DoorLine />
      <Council />
      {asked.state !== 'asking' && <Scenes onPlay={onScene} />}
      <History />
    </main>
  )
}

/** A hand on anything that leads into a deliberation: its code is fetched meanwhile. */
const aboutTo = (soon: () => void) => {
  const near = ({ target }: { target: EventTarget }): void => {
    if (target instanceof Element && target.closest('.composer, .scene, .past')) soon()
  }
  return { onFocus: near, onPointerOver: near, onPointerDown: near, onKeyDown: near }
}

function Ask({
  asked,
  draft,
  preset,
  onDraft,
  onAsk,
}: Omit<HomeProps, 'onAgain' | 'onScene' | 'onSoon'>) {
  const { door, archive } = useWay()
  const presets = useAsked(() => door.presets())
  // A door of one address tells only later whether it keeps a history; the page's own copy always does.
  const keeps = archive !== undefined || (door.kind === 'server' && asked.state === 'there')
  return (
    <Composer
      draft={draft}
      first={preset}
      onDraft={onDraft}
      onAsk={onAsk}
      presets={presets.state === 'there' ? presets.value : []}
      keeps={keeps}
    />
  )
}

function Council() {
  const words = useWords()
  return (
    <ul className="council">
      {SAGES.map((sage) => (
        <li key={sage} data-agent={sage}>
          <Mark of={sage} size={20} />
          <strong>{words.sages[sage].name}</strong>
          <span>{words.sages[sage].role}</span>
        </li>
      ))}
      <li data-agent="solomon">
        <Mark of="solomon" size={20} />
        <strong>{words.judge.name}</strong>
        <span>{words.judge.role}</span>
      </li>
    </ul>
  )
}

function WhatAnswers({ asked, onAgain }: { asked: Gated; onAgain: () => void }) {
  const { answers: words, door: doors, connection } = useWords()
  const { config, door } = useWay()
  if (asked.state === 'asking' || asked.state === 'locked')
    return (
      <p className="answers" role="status">
        {doors.reaching(hostOf(config))}
      </p>
    )
  if (asked.state === 'failed')
    return (
      <div className="alert-box" role="alert">
        <Why problem={asked.problem} asking />
        <Button className="button" onPress={onAgain}>
          {connection.retry}
        </Button>
      </div>
    )
  const { answers } = asked
  if (!answers) return <p className="answers">{words.unknown}</p>
  if (!answers.rehearsal)
    return (
      <p className="answers" data-kind="models">
        {words.models(answers.models.join(', '))}
      </p>
    )
  return (
    <p className="answers" data-kind="rehearsal">
      <strong>{words.rehearsal}</strong> {words.rehearsalHow}{' '}
      <code>
        {door.kind === 'server'
          ? 'MAGI_MODEL=ollama:llama3.2 magi serve'
          : 'MAGI_MODEL=bedrock:global.anthropic.claude-sonnet-4-6'}
      </code>
    </p>
  )
}

/** Which way the page takes: whoever set it up sees at once whether it is the one that was meant. */
function DoorLine() {
  const { door: words } = useWords()
  const { config } = useWay()
  return (
    <p className="answers door-line" data-door={config.door} data-sign={config.sign}>
      {words.label}: {words.name(config, hostOf(config))}
    </p>
  )
}

function Scenes({ onPlay }: { onPlay: (scene: Question) => void }) {
  const { door } = useWay()
  const asked = useAsked(() => door.scenes())
  const presets = useAsked(() => door.presets())
  const words = useWords()
  const known = presets.state === 'there' ? presets.value : []
  if (asked.state !== 'there' || asked.value.length === 0) return null
  // The scenes in the reader's language stand first.
  const scenes = [...asked.value].sort(
    (left, right) => Number(right.lang === words.code) - Number(left.lang === words.code),
  )
  return (
    <section className="scenes" aria-labelledby="scenes-title">
      <h2 id="scenes-title">{words.scenes.title}</h2>
      <p className="muted">{words.scenes.note}</p>
      <ul>
        {scenes.map((scene) => (
          <li key={scene.name}>
            <Button className="scene" onPress={() => onPlay(questionOf(scene))}>
              <span className="scene-play">
                <Play />
              </span>
              <span className="visually-hidden">{words.scenes.play} </span>
              <span lang={scene.lang}>{scene.question}</span>
              <span className="scene-lang">
                {scene.lang === 'ja' ? '日本語' : 'English'}
                {scene.preset !== 'default' &&
                  ` · ${words.room.preset.of(presetTitle(known, scene.preset, words.code))}`}
              </span>
            </Button>
          </li>
        ))}
      </ul>
    </section>
  )
}

const SHORT = 6

/** The newest ones; the history has the rest. */
function History() {
  const words = useWords()
  const { library } = useWay()
  const first = useAsked(() => library.list({ limit: SHORT }))
  if (first.state === 'asking') return null
  const items = first.state === 'there' ? first.value.items : []
  return (
    <section className="history" aria-labelledby="history-title">
      <div className="history-top">
        <h2 id="history-title">{words.history.title}</h2>
        {items.length > 0 && <a href={hashOf({ name: 'history' })}>{words.nav.all}</a>}
      </div>
      {library.kind === 'own' && <OwnNote ask={library.promised} />}
      {first.state === 'failed' && (
        <p className="muted">
          {library.kind === 'own' ? words.own.unkept.unavailable : words.history.failed}
        </p>
      )}
      {first.state === 'there' && items.length === 0 && (
        <p className="muted">{words.history.none}</p>
      )}
      <ul>
        {items.map((item) => (
          <li key={item.id}>
            <Past item={item} />
          </li>
        ))}
      </ul>
    </section>
  )
}

function Past({ item }: { item: Listed }) {
  const words = useWords()
  return (
    <a className="past" href={hashOf({ name: 'deliberation', id: item.id })}>
      <Seal kind={sealOfListed(item)} small />
      <span className="past-question">{item.title === '' ? item.question : item.title}</span>
      <span className="past-meta">
        {item.mode === 'rehearsal' && <em>{words.mode.rehearsal}</em>}
        {item.agreement && <span>{votesText(words, item.agreement)}</span>}
        <time dateTime={item.created_at}>{words.when(new Date(item.created_at))}</time>
      </span>
    </a>
  )
}
