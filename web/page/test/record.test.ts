/** The record of a panel, made from what a server sent. That both make the same one is a browser test's. */
import type { Event } from '@magi/stream'
import { expect, test } from 'vitest'
import sent from '../../stream/test/panel.ndjson?raw'
import { recordOf } from '../src/record.ts'

const toldOf = (lines: readonly string[]) => ({
  id: '01JD3ZK8M00000000000000000',
  lines: lines.map((raw) => ({ cursor: undefined, raw })),
})
const lines = sent.trim().split('\n')

test('the record lists what each of a panel decided, who speaks, and the medians', async () => {
  const text = await recordOf([toldOf(lines)], 'md').text()
  const last = text.slice(text.indexOf('### SOLOMON'))
  expect(last).toMatch(
    /^### SOLOMON \(panel of openai:yes-a, openai:no-b, .*, in place of openai:down\): APPROVED\n/,
  )
  expect(last).toMatch(
    /\* Panel: openai:yes-a: APPROVED(, \w+ \d+){3} \(the words of the judgment\)\n\* Panel: openai:no-b: REJECTED(, \w+ \d+){3}\n\* Panel: openai:down-c: no answer \(.*401.*\)\n\* Panel: openai:yes-slow: APPROVED/,
  )
  expect(last).toMatch(/\* CASPAR score, median of the panel: \d+/)
  expect(text).toContain('* The judge agrees with the votes.\n')
})

test('a split panel is said to be split, in the language of the question', async () => {
  const split = lines.map((line) => {
    const event = JSON.parse(line) as Event
    if (event.type === 'start') event.data.lang = 'ja'
    if (event.type === 'complete') {
      event.data.solomon_judgment.final_decision = 'UNDECIDED'
      event.data.judge_agrees = false
    }
    return JSON.stringify(event)
  })
  const text = await recordOf([toldOf(split)], 'md').text()
  expect(text).toContain('* SOLOMON に代わる裁定パネルの判断は割れました。\n')
  expect(text).toContain('* 裁定パネル: openai:down-c: 回答なし (')
  expect(text).toContain('* 決め方: 多数決, 定足数: 2\n')
  expect(text).toContain('* 評議: default v1\n')
  expect(text).not.toContain('裁定者は投票の結果に')
})
