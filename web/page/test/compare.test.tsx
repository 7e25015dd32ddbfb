import { EMPTY, fold, type Complete, type Listed, type View } from '@magi/stream'
import { expect, test } from 'vitest'
import { Log } from '../../dev/log.ts'
import { SCENES } from '../../dev/scenes.ts'
import { perform, type Script } from '../../dev/script.ts'
import { factsOf, type Side } from '../src/compare-facts.tsx'
import { COMPARE } from '../src/words-compare.ts'
import { wordsOf } from '../src/words-here.ts'
import { PANEL } from '../src/words-panel.ts'
import type { Lang } from '../src/words.ts'

function sideOf(scene: string, item: Partial<Listed> = {}): Side {
  const log = new Log('01JD3ZK8M00000000000000000')
  for (const { draft } of perform(SCENES[scene] as Script, log.id)) log.append(draft, 0)
  const view = log.entries.map((entry) => entry.event).reduce(fold, EMPTY)
  return { view, item: item as Listed }
}

/** The same with other parts of its end. */
function changed({ view, item }: Side, change: Partial<Complete>): Side {
  if (view.end?.kind !== 'complete') throw new Error('this scene has no verdict')
  const end = { kind: 'complete' as const, data: { ...view.end.data, ...change } }
  return { view: { ...view, end }, item }
}

/** Both sides of every row, by its name. */
function rows(left: Side, right: Side, lang: Lang = 'en'): Record<string, [string, string]> {
  const all = { words: wordsOf(lang), texts: COMPARE[lang], panel: PANEL[lang] }
  const facts = factsOf(left, right, { ...all, preset: (name) => name })
  return Object.fromEntries(facts.map((fact) => [fact.name, [fact.left, fact.right]]))
}

const billing = sideOf('billing', {
  my_decision:
    'Leaning before: no\nDecision: as the verdict\nWhy: the freeze\n[x] Name a person on call for the first seven nights',
  outcome: 'good: no letter lost',
})
const ekimae = sideOf('ekimae')

test('what speaks against each verdict and what hangs on it stands beside the other’s', () => {
  const both = rows(billing, ekimae)
  expect(both['Strongest objection to this verdict']).toEqual([
    'caspar December is the month in which billing must not stop.',
    'balthasar 図書館は本を貸すだけの場所ではありません。',
  ])
  expect(both['Recommended']?.[0]).toMatch(/^Rehearse the rollback/)
  expect(both['Conditions']?.[0].split('\n')).toHaveLength(3)
  expect(both['What would change it']?.[1]).toBe('金曜・土曜の試行で一時間あたり十人を超えること')
  expect(rows(billing, ekimae, 'ja')['この結論への最も強い反論']).toBeDefined()
})

test('what the person decided and how it turned out are told in words', () => {
  expect(rows(billing, ekimae, 'ja')).toMatchObject({
    自分の決定: ['評決に従う\n理由: the freeze\n条件: 3件中1件を確認済み', ''],
    その後の結果: ['良い結果\nno letter lost', ''],
  })
  const told = rows(billing, sideOf('ekimae', { my_decision: 'we wait', outcome: 'it held' }))
  expect(told['My decision']?.[1]).toBe('we wait')
  expect(told['How it turned out']).toEqual(['well\nno letter lost', 'it held'])
})

test('votes are counted with their names, and a language has its own', () => {
  expect(rows(billing, ekimae)).toMatchObject({
    Votes: ['2 approved, 1 rejected, 0 abstained', '1 approved, 2 rejected, 0 abstained'],
    Language: ['English', 'Japanese'],
  })
  expect(rows(billing, ekimae, 'ja')).toMatchObject({
    票数: ['可決2・否決1・棄権0', '可決1・否決2・棄権0'],
    言語: ['英語', '日本語'],
  })
})

test('a row that neither has is not there; the verdict and the votes always are', () => {
  const panel = 'The judge’s panel'
  expect(rows(billing, ekimae)[panel]).toBeUndefined()
  expect(rows(billing, sideOf('quay'))[panel]?.[0]).toBe('')
  const before: Side = { view: EMPTY, item: undefined }
  expect(Object.keys(rows(before, before))).toEqual(['Verdict', 'Votes'])
  const bare = { ...ekimae, item: undefined }
  const { end } = bare.view as View & { end: { data: Complete } }
  const judgment = { ...end.data.solomon_judgment, conditions: [], would_change: [] }
  delete judgment.dissent
  const mute = changed(bare, { solomon_judgment: judgment, recommendation: end.data.summary })
  for (const [name, [left, right]] of Object.entries(rows(mute, mute)))
    expect(left + right, name).not.toBe('')
  expect(rows(mute, mute)['Conditions']).toBeUndefined()
  expect(rows(mute, mute)['Recommended']).toBeUndefined()
})

test('notes that could not be read are said to be, and are not taken for none', () => {
  const unread: Side = { ...billing, item: undefined, unread: true }
  expect(rows(unread, ekimae)['Your notes']).toEqual(['could not be read', ''])
  expect(rows(billing, ekimae)['Your notes']).toBeUndefined()
})
