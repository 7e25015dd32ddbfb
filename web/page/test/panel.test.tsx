import { EMPTY, fold, type Event, type View } from '@magi/stream'
import { cleanup, render, screen, within } from '@testing-library/react'
import { afterEach, beforeEach, expect, test } from 'vitest'
import sent from '../../stream/test/panel.ndjson?raw'
import { Log } from '../../dev/log.ts'
import { SCENES } from '../../dev/scenes.ts'
import { perform, type Script } from '../../dev/script.ts'
import { wordsFor } from '../src/live.tsx'
import { PanelAtWork } from '../src/panel.tsx'
import { SettingsProvider } from '../src/settings.tsx'
import { VerdictCard } from '../src/verdict.tsx'
import { en } from '../src/words.en.ts'

const events = sent
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Event)
const view = events.reduce(fold, EMPTY)

beforeEach(() => window.localStorage.setItem('magi.lang', 'en'))
afterEach(cleanup)

const show = (node: React.ReactNode): void =>
  void render(<SettingsProvider>{node}</SettingsProvider>)

const scene = (name: string): View => {
  const log = new Log('01JD3ZK8M00000000000000000')
  for (const { draft } of perform(SCENES[name] as Script, log.id)) log.append(draft, 0)
  return log.entries.map((entry) => entry.event).reduce(fold, EMPTY)
}

test('what each of a panel decided and scored, who speaks, and what came of it', () => {
  show(<VerdictCard view={view} actions={null} />)
  const card = within(screen.getByRole('region', { name: /^The panel in SOLOMON/ }))
  expect(card.getByRole('heading').textContent).toContain('2 for, 1 against, 1 without an answer')
  const rows = card.getAllByRole('row').map((row) => row.textContent)
  expect(rows).toEqual([
    'ModelDecisionScore of CASPARScore of BALTHASARScore of MELCHIOR',
    expect.stringMatching(/^openai:yes-athe words of the judgment可決 APPROVED\d+\d+\d+$/),
    expect.stringMatching(/^openai:no-b否決 REJECTED\d+\d+\d+$/),
    expect.stringMatching(/^openai:down-cno answer: .*401/),
    expect.stringMatching(/^openai:yes-slow可決 APPROVED\d+\d+\d+$/),
    expect.stringMatching(/^The panel: majority and medians可決 APPROVED\d+\d+\d+$/),
  ])
  const text = screen.getByRole('region', { name: 'Verdict' }).textContent
  expect(text).toContain('The panel agrees with the votes.')
  expect(text).toContain('the panel’s medians')
  expect(text).not.toContain('The judge agrees')
})

test('a split panel decides nothing, so it neither agrees nor dissents', () => {
  window.localStorage.setItem('magi.lang', 'ja')
  show(<VerdictCard view={scene('hotori')} actions={null} />)
  const text = screen.getByRole('region', { name: '評決' }).textContent ?? ''
  expect(text).toContain('SOLOMON に代わる裁定パネルの判断は割れました。')
  expect(text).toContain('賛成1、反対1')
  expect(text).toContain('75.5')
  expect(text).not.toMatch(/反対しています|同意して/)
})

test('a panel that dissents is called the panel', () => {
  const quay = scene('quay')
  if (quay.end?.kind !== 'complete') throw new Error('this scene has a verdict')
  const data = { ...quay.end.data, judge_agrees: false }
  show(<VerdictCard view={{ ...quay, end: { kind: 'complete', data } }} actions={null} />)
  const text = screen.getByRole('region', { name: 'Verdict' }).textContent
  expect(text).toContain('Panel dissents from 2–1–0.')
})

test('without a panel nothing of it is said', () => {
  show(<VerdictCard view={scene('billing')} actions={null} />)
  expect(screen.getByRole('region', { name: 'Verdict' }).textContent).not.toMatch(/panel/i)
})

test('while it judges: which models, who has ended, nothing of what they decided', () => {
  const last = events.findIndex((event) => event.type === 'judge_chunk')
  const working = events.slice(0, last - 1).reduce(fold, EMPTY)
  show(<PanelAtWork judge={working.judge} />)
  expect(screen.getAllByRole('listitem').map((one) => one.textContent)).toEqual([
    'openai:yes-ahas judged',
    'openai:no-bhas judged',
    'openai:down-cno answer',
    'openai:yes-slowjudging',
  ])
  expect(screen.getByText('3 of 4 have ended')).toBeTruthy()
})

test('a screen reader hears that a panel judges, once', () => {
  const said = events.map((event, index) =>
    wordsFor({ event, view: events.slice(0, index + 1).reduce(fold, EMPTY) }, en),
  )
  expect(said.filter((one) => one !== undefined && !one.includes('confidence'))).toEqual([
    'The council is convened.',
    'All votes are counted. SOLOMON is judging.',
    'A panel judges in SOLOMON’s place.',
    'Verdict: APPROVED.',
  ])
})
