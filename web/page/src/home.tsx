import {
  EMPTY,
  questionOf,
  SAGES,
  type Client,
  type Listed,
  type Page,
  type Question,
} from '@magi/stream'
import { useEffect, useState } from 'react'
import { Button } from 'react-aria-components'
import type { Answers } from './answers.ts'
import { Chart } from './chart.tsx'
import { Composer } from './composer.tsx'
import { Play } from './icons.tsx'
import { hashOf } from './route.ts'
import { Seal } from './seal.tsx'
import { useWords } from './settings.tsx'
import { Mark } from './shapes.tsx'
import type { SealKind } from './words.ts'

/** What was asked of the server: not yet, the answer, or that it failed. */
type Asked<T> = { state: 'asking' } | { state: 'there'; value: T } | { state: 'failed' }

function useAsked<T>(ask: () => Promise<T>): Asked<T> {
  const [asked, setAsked] = useState<Asked<T>>({ state: 'asking' })
  useEffect(() => {
    let here = true
    ask().then(
      (value) => here && setAsked({ state: 'there', value }),
      () => here && setAsked({ state: 'failed' }),
    )
    return () => {
      here = false
    }
    // Asked once, when the start page is shown.
  }, [])
  return asked
}

interface HomeProps {
  client: Client
  answers: Answers | undefined
  draft: string
  onDraft: (text: string) => void
  onAsk: (question: Question) => void
}

/** The start page: ask, watch a rehearsal, open an earlier deliberation. */
export function Home({ client, answers, draft, onDraft, onAsk }: HomeProps) {
  const words = useWords()
  return (
    <main className="home" tabIndex={-1}>
      <div className="home-sky">
        <Chart view={EMPTY} faint />
      </div>
      <h1>{words.headline}</h1>
      <p className="intro">{words.intro}</p>
      <Composer draft={draft} onDraft={onDraft} onAsk={onAsk} />
      <WhatAnswers answers={answers} />
      <Council />
      <Scenes client={client} onAsk={onAsk} />
      <History client={client} />
    </main>
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

function WhatAnswers({ answers }: { answers: Answers | undefined }) {
  const { answers: words } = useWords()
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
      <code>MAGI_MODEL=ollama:llama3.2 magi serve</code>
    </p>
  )
}

function Scenes({ client, onAsk }: { client: Client; onAsk: (question: Question) => void }) {
  const asked = useAsked(() => client.scenes())
  const words = useWords()
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
            <Button className="scene" onPress={() => onAsk(questionOf(scene))}>
              <span className="scene-play">
                <Play />
              </span>
              <span className="visually-hidden">{words.scenes.play} </span>
              <span lang={scene.lang}>{scene.question}</span>
              <span className="scene-lang">{scene.lang === 'ja' ? '日本語' : 'English'}</span>
            </Button>
          </li>
        ))}
      </ul>
    </section>
  )
}

const SHORT = 8

function History({ client }: { client: Client }) {
  const words = useWords()
  const first = useAsked(() => client.list({ limit: SHORT }))
  const [older, setOlder] = useState<Page>()
  const [failed, setFailed] = useState(false)
  if (first.state === 'asking') return null
  const items = [...(first.state === 'there' ? first.value.items : []), ...(older?.items ?? [])]
  const next = older ? older.next : first.state === 'there' ? first.value.next : undefined
  const more = async (): Promise<void> => {
    try {
      const page = await client.list({ limit: SHORT, cursor: next ?? '' })
      setOlder((old) => ({ items: [...(old?.items ?? []), ...page.items], next: page.next }))
    } catch {
      setFailed(true)
    }
  }
  return (
    <section className="history" aria-labelledby="history-title">
      <h2 id="history-title">{words.history.title}</h2>
      {(first.state === 'failed' || failed) && <p className="muted">{words.history.failed}</p>}
      {first.state === 'there' && items.length === 0 && (
        <p className="muted">{words.history.none}</p>
      )}
      <ul>
        {items.map((item) => (
          <li key={item.id}>
            <a className="past" href={hashOf({ name: 'deliberation', id: item.id })}>
              <Seal kind={sealOfListed(item)} small />
              <span className="past-question">
                {item.title === '' ? item.question : item.title}
              </span>
              <span className="past-meta">
                {item.mode === 'rehearsal' && <em>{words.mode.rehearsal}</em>}
                {item.agreement && <span>{item.agreement}</span>}
                <time dateTime={item.created_at}>{words.when(new Date(item.created_at))}</time>
              </span>
            </a>
          </li>
        ))}
      </ul>
      {next !== undefined && (
        <Button className="link-button" onPress={() => void more()}>
          {words.history.more}
        </Button>
      )}
    </section>
  )
}

function sealOfListed(item: Listed): SealKind {
  if (item.status === 'cancelled') return 'STOPPED'
  if (item.status === 'failed') return 'FAILED'
  if (item.status === 'running' || item.status === 'paused') return 'DELIBERATING'
  return item.final_decision ?? 'UNDECIDED'
}
