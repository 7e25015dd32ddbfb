import type { Complete, JudgeComplete } from '@magi/stream'
import { expect, test } from 'vitest'
import { firstSentence, groundsOf, whyOf } from '../src/why.ts'

test('the first sentence ends where a reader would end it', () => {
  expect(firstSentence('Ship 1.5 on Friday. Then rest.')).toBe('Ship 1.5 on Friday.')
  expect(firstSentence('移行は見送る。費用が合わない。')).toBe('移行は見送る。')
  expect(firstSentence('no end')).toBe('no end')
  expect(firstSentence('line one\nline two.')).toBe('line one')
  expect([...firstSentence('𠮷'.repeat(300))]).toHaveLength(201)
})

const verdict = (change: Partial<JudgeComplete>): Complete =>
  ({
    summary: 'Approved. 2 of 3.',
    final_decision: 'APPROVED',
    solomon_judgment: {
      final_decision: 'APPROVED',
      judge_agrees: true,
      reasoning: 'It pays. And it is late.',
      ...change,
    },
  }) as Complete

test('the reason is the judge’s, and only where it came to what was decided', () => {
  expect(whyOf(verdict({}))).toBe('It pays.')
  expect(whyOf(verdict({ final_decision: 'REJECTED', judge_agrees: false }))).toBe(
    'Approved. 2 of 3.',
  )
  expect(whyOf(verdict({ reasoning: ' \n' }))).toBe('Approved. 2 of 3.')
  // Why there is no judgment is no reason for the verdict.
  expect(whyOf(verdict({ judge_agrees: null }))).toBe('Approved. 2 of 3.')
})

test('the line that a panel puts before its words is no reason', () => {
  const panel = [{ model: 'a:b', final_decision: 'APPROVED' }] as JudgeComplete['panel']
  const { solomon_judgment: judged } = verdict({
    reasoning: 'A panel of 1 judged instead.\n\nIt pays. It does.',
    ...(panel ? { panel } : {}),
  })
  expect(groundsOf(judged)).toBe('It pays. It does.')
})
