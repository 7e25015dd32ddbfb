/** The record of a panel, made from what a server sent. That both make the same one is a browser test's. */
import type { Event } from '@magi/stream'
import { expect, test } from 'vitest'
import sent from '../../stream/test/panel.ndjson?raw'
import { recordOf } from '../src/record.ts'
import { labelsOf } from '../src/record-labels.ts'
import { HISTORY } from '../src/words-history.ts'
import { table } from './cases.ts'

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
  expect(text).toContain('* 評議: 標準（default v1）\n')
  expect(text).not.toContain('裁定者は投票の結果に')
})

interface Cases {
  councils: Record<string, Record<'en' | 'ja', string>>
  records: readonly {
    says: string
    lang: 'en' | 'ja'
    verdict: 'APPROVED' | 'REJECTED' | 'UNDECIDED' | null
    my_decision: string | null
    outcome: string | null
    md: readonly string[]
    html: readonly string[]
    never: readonly string[]
  }[]
}

/** The table that the server's twin of this is held to as well. */
const { councils, records } = JSON.parse(table('cases.json')) as Cases

/** What was told, in a language and with a verdict, or with a failure in its place. */
const toldWith = (
  lang: 'en' | 'ja',
  verdict: Cases['records'][number]['verdict'],
  council = 'strict',
) =>
  toldOf(
    table('told.ndjson')
      .trim()
      .split('\n')
      .map((line) => {
        const event = JSON.parse(line) as Event
        if (event.type === 'start') {
          event.data.lang = lang
          event.data.council.name = council
        }
        if (event.type === 'complete') {
          if (verdict === null)
            return JSON.stringify({
              ...event,
              type: 'error',
              data: { code: 'no_votes', message: 'the key was refused', missing: [] },
            })
          event.data.final_decision = verdict
          event.data.solomon_judgment.final_decision = verdict
        }
        return JSON.stringify(event)
      }),
  )

test.each(records)(
  'the record says what the person decided and what the council advised: $says',
  async ({ lang, verdict, md, html, never, ...kept }) => {
    const { my_decision, outcome } = kept
    const beside = {
      ...(my_decision === null ? {} : { my_decision }),
      ...(outcome === null ? {} : { outcome }),
    }
    const parts = [toldWith(lang, verdict)]
    const text = await recordOf(parts, 'md', beside).text()
    for (const words of md) expect(text).toContain(words)
    for (const words of never) expect(text).not.toContain(words)
    const page = await recordOf(parts, 'html', beside).text()
    for (const words of html) expect(page).toContain(words)
  },
)

test.each(Object.entries(councils))('the council %s goes by its title', async (name, written) => {
  for (const lang of ['en', 'ja'] as const) {
    const parts = [toldWith(lang, 'APPROVED', name)]
    const label = lang === 'ja' ? '評議' : 'Council'
    expect(await recordOf(parts, 'md').text()).toContain(`* ${label}: ${written[lang]}\n`)
    expect(await recordOf(parts, 'html').text()).toContain(`<dd>${written[lang]}</dd>`)
  }
})

test('the record says how it turned out in the words of the history', () => {
  for (const lang of ['en', 'ja'] as const)
    expect(labelsOf({ lang }).outcomes).toEqual(HISTORY[lang].outcome)
})
