import type { Listed, Remarks } from '@magi/stream'
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { RemarksDialog } from '../src/remarks-dialog.tsx'
import { SettingsProvider } from '../src/settings.tsx'

beforeEach(() => {
  window.localStorage.setItem('magi.lang', 'en')
  // jsdom has none.
  vi.stubGlobal('CSS', { escape: (text: string) => text })
})
afterEach(cleanup)

const ITEM: Listed = {
  id: '1',
  question: 'Ship on Friday?',
  title: '',
  lang: 'en',
  preset: 'default',
  status: 'completed',
  final_decision: 'APPROVED',
  created_at: '2026-11-20T09:00:00.000Z',
}
const VERDICTS = ['A rollback rehearsed twice', 'Two on call']
const KEPT =
  'Leaning before: rather not\nDecision: in January\nWhy: the freeze\n[x] A rollback rehearsed twice\n[ ] Two on call\n[x] one of ours'

/** Opens it, and returns what was saved. */
function open(item: Partial<Listed>, conditionsOf = async () => VERDICTS as readonly string[]) {
  const saved: Remarks[] = []
  const closed: true[] = []
  render(
    <SettingsProvider>
      <RemarksDialog
        item={{ ...ITEM, ...item }}
        field="decision"
        conditionsOf={conditionsOf}
        onSave={async (change) => void saved.push(change)}
        onClose={() => closed.push(true)}
      />
    </SettingsProvider>,
  )
  return { saved, closed }
}

const field = (name: string) => screen.getByLabelText<HTMLTextAreaElement>(name)
const fill = (name: string, value: string): boolean =>
  fireEvent.change(field(name), { target: { value } })
const pick = (role: 'radio' | 'checkbox', name: string): boolean =>
  fireEvent.click(screen.getByRole(role, { name }))
const ticked = (): boolean[] =>
  screen.getAllByRole<HTMLInputElement>('checkbox').map((box) => box.checked)
const save = (): boolean => fireEvent.click(screen.getByRole('button', { name: 'Save' }))

test('what is kept stands in the fields, and nothing of its form', async () => {
  const { saved, closed } = open({ my_decision: KEPT, outcome: 'good: yes' })
  await screen.findByRole('checkbox', { name: 'Two on call' })
  expect(ticked()).toEqual([true, false, true])
  expect(field('What I decide').value).toBe('in January')
  expect(field('Why').value).toBe('the freeze')
  expect(field('What happened').value).toBe('yes')
  expect(screen.getByRole('radio', { name: 'well' }).getAttribute('aria-checked')).toBe('true')
  const text = screen.getByRole('dialog').textContent
  expect(text).toContain('rather not')
  expect(text).not.toMatch(/Leaning before|Decision:|\[x\]/)
  save()
  await waitFor(() => expect(closed).toHaveLength(1))
  expect(saved).toEqual([])
})

test('a tick and another word change only what they are', async () => {
  const { saved } = open({ my_decision: KEPT })
  await screen.findByRole('checkbox', { name: 'Two on call' })
  pick('checkbox', 'Two on call')
  pick('checkbox', 'one of ours')
  fill('Why', 'two are away')
  save()
  await waitFor(() => expect(saved).toHaveLength(1))
  expect(saved[0]).toEqual({
    my_decision:
      'Leaning before: rather not\nDecision: in January\nWhy: two are away\n[x] A rollback rehearsed twice\n[x] Two on call\n[ ] one of ours',
  })
})

test('what came another way is the decision’s own words', async () => {
  const { saved } = open({ my_decision: 'we wait\nfor the audit' })
  expect(field('What I decide').value).toBe('we wait\nfor the audit')
  pick('radio', 'mixed')
  save()
  await waitFor(() => expect(saved).toHaveLength(1))
  expect(saved[0]).toEqual({ outcome: 'mixed' })
})

test('the verdict is followed, or the decision is taken back', async () => {
  const { saved } = open({})
  pick('radio', 'I decide otherwise')
  const button = screen.getByRole<HTMLButtonElement>('button', { name: 'Save' })
  expect(button.disabled).toBe(true)
  pick('radio', 'I follow the verdict')
  save()
  await waitFor(() => expect(saved).toEqual([{ my_decision: 'Decision: as the verdict' }]))
  cleanup()
  const back = open({ my_decision: 'Decision: as the verdict' })
  pick('radio', 'Not decided yet')
  save()
  await waitFor(() => expect(back.saved).toEqual([{ my_decision: null }]))
})

test.each([undefined, 'UNDECIDED'] as const)(
  'where no verdict is (%s) there is none to follow',
  async (decision) => {
    const { saved } = open({ final_decision: decision! }, async () => [])
    expect(screen.queryByRole('radio', { name: 'I follow the verdict' })).toBeNull()
    fill('What I decide', 'ask again')
    save()
    await waitFor(() => expect(saved).toEqual([{ my_decision: 'Decision: ask again' }]))
  },
)

test('what is too long is said at its field, and is not sent', async () => {
  open({ my_decision: KEPT })
  fill('What I decide', 'あ'.repeat(5500))
  expect(field('What I decide').getAttribute('aria-invalid')).toBe('true')
  expect(screen.getByText('This is longer than 16384 bytes.')).toBeTruthy()
  expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Save' }).disabled).toBe(true)
  fill('What I decide', 'no')
  fill('What happened', 'x'.repeat(16_385))
  expect(field('What happened').getAttribute('aria-invalid')).toBe('true')
})

test('the fields serve without the verdict’s conditions, and say so', async () => {
  const { saved } = open({ my_decision: KEPT }, () => Promise.reject(new Error('gone')))
  await screen.findByText('The conditions of this verdict could not be read.')
  expect(ticked()).toEqual([true, true, false])
  fill('Why', 'x')
  save()
  await waitFor(() => expect(saved).toHaveLength(1))
  for (const line of KEPT.split('\n').filter((one) => one.startsWith('[')))
    expect(saved[0]?.my_decision).toContain(line)
})
