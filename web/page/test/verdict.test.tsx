import { EMPTY, fold, type Complete, type Event, type View } from '@magi/stream'
import { cleanup, render, screen } from '@testing-library/react'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Log } from '../../dev/log.ts'
import { SCENES } from '../../dev/scenes.ts'
import { perform, type Script } from '../../dev/script.ts'
import { SettingsProvider } from '../src/settings.tsx'
import { VerdictCard } from '../src/verdict.tsx'

beforeEach(() => window.localStorage.setItem('magi.lang', 'en'))
afterEach(cleanup)

const ID = '01JD3ZK8M00000000000000000'

function viewOfScript(script: Script): View {
  const log = new Log(ID)
  for (const beat of perform(script, ID)) log.append(beat.draft, 0)
  return log.entries.map((entry) => entry.event as Event).reduce(fold, EMPTY)
}

/** The view of a scene with parts of its `complete` changed. */
function changed(scene: string, change: Partial<Complete>): View {
  const view = viewOfScript(SCENES[scene] as Script)
  if (view.end?.kind !== 'complete') throw new Error('this scene has no verdict')
  return { ...view, end: { kind: 'complete', data: { ...view.end.data, ...change } } }
}

function card(view: View): string {
  render(
    <SettingsProvider>
      <VerdictCard view={view} actions={null} />
    </SettingsProvider>,
  )
  return screen.getByRole('region', { name: 'Verdict' }).textContent ?? ''
}

test('the card holds verdict, count, reason, dissent, conditions and what would change it', () => {
  const text = card(viewOfScript(SCENES['billing'] as Script))
  for (const part of [
    '可決 APPROVED',
    'Votes: 2 approved1 rejected0 abstained',
    'WhyTwo approve and one rejects, and they do not contradict each other: the measurements speak for the move, the calendar against it. The whole reason',
    'Strongest objection to this verdict, from CASPAR',
    'December is the month in which billing must not stop.',
    'Name a person on call',
    'The rollback rehearsal fails',
    'The judge agrees with the votes.',
    'Confidence medium (71 %)',
  ])
    expect(text).toContain(part)
})

test('a dissent leads to its words, or says that it leads to the vote', () => {
  const leads = (text: string): string => {
    const scene = SCENES['billing'] as Script
    const judge = { ...scene.judge!, dissent: { agent: 'caspar' as const, text } }
    const view = viewOfScript({ ...scene, judge })
    render(
      <SettingsProvider>
        <VerdictCard view={view} actions={null} onDissent={() => {}} />
      </SettingsProvider>,
    )
    const said = screen.getByRole('button', { name: /Go to/ }).parentElement?.textContent ?? ''
    cleanup()
    return said
  }
  expect(leads('The rollback has been written, but never rehearsed.').trim()).toBe(
    'Go to where it was said',
  )
  expect(leads('A rollback that nobody tried is none.')).toBe(
    'In the judge’s words. Go to CASPAR’s vote',
  )
})

test('the votes in words stand where no judge spoke, and only there', () => {
  const data = (viewOfScript(SCENES['billing'] as Script).end as { data: Complete }).data
  const summary = 'Approved. SOLOMON agrees with the votes.'
  expect(card(changed('billing', { summary }))).not.toContain(summary)
  cleanup()
  const mute = { ...data.solomon_judgment, judge_agrees: null }
  const text = card(changed('billing', { summary, solomon_judgment: mute, judge_agrees: null }))
  expect(text).toContain(summary)
  expect(text).not.toContain('Why')
  cleanup()
  const other = { ...data.solomon_judgment, final_decision: 'REJECTED' as const }
  expect(card(changed('billing', { judge_agrees: false, solomon_judgment: other }))).toContain(
    'The judge’s reasonTwo approve',
  )
})

test('a judge who disagrees did not decide; one who overruled did', () => {
  const dissents = card(changed('billing', { judge_agrees: false }))
  expect(dissents).toContain('Judge dissents from 2–1–0.')
  expect(dissents).toContain('The votes decided.')
  expect(dissents).not.toContain('The judge disagrees')
  cleanup()
  const overruled = card(changed('billing', { judge_agrees: false, overruled: true }))
  expect(overruled).toContain('Judge overruled 2–1–0.')
  expect(overruled).not.toContain('The judge overruled the votes.')
  cleanup()
  expect(card(changed('billing', { judge_agrees: null }))).not.toContain('The judge')
  cleanup()
  const none = card(changed('billing', { judge_agrees: false, final_decision: 'UNDECIDED' }))
  expect(none).toContain('these votes bring no decision. The judge alone came to APPROVED.')
  expect(none).not.toContain('The votes decided.')
})

test('conditions of what is not approved say what they are for', () => {
  const title = 'Conditions, if it goes ahead anyway'
  expect(card(changed('billing', { final_decision: 'REJECTED' }))).toContain(title)
  cleanup()
  expect(card(changed('billing', {}))).not.toContain(title)
})

test('a confidence nobody gave is not made up, and a zero is a zero', () => {
  const { confidence: _, ...without } = (
    viewOfScript(SCENES['billing'] as Script).end as { data: Complete }
  ).data
  const view = viewOfScript(SCENES['billing'] as Script)
  expect(card({ ...view, end: { kind: 'complete', data: without } })).toContain(
    'Confidence not given',
  )
  cleanup()
  expect(card(changed('billing', { confidence: 0 }))).toContain('Confidence low (0 %)')
})

test('who is missing, and why, stands on the card', () => {
  const text = card(viewOfScript(SCENES['degraded'] as Script))
  expect(text).toContain('不成立 NO DECISION')
  expect(text).toContain('Degraded')
  expect(text).toContain('BALTHASAR the provider failed')
  expect(text).toContain('2 of 3 sages voted')
})

test('a failure is shown as a failure, never as a verdict', () => {
  const text = card(viewOfScript(SCENES['broken'] as Script))
  expect(text).toContain('失敗 FAILED')
  expect(text).toContain('There is no verdict.')
  expect(text).toContain('MELCHIOR the provider failed')
  expect(text).not.toMatch(/APPROVED|REJECTED/)
})
