import { expect, inject, test } from 'vitest'
import { recordOf, type Told } from '../page/src/record.ts'
import { Client, questionOf, type Event, type Question } from '../stream/src/index.ts'
import { server } from './browser.ts'
import { scenes } from './steps.ts'

const url = server()
const client = new Client({ base: url })

/** Asks and reads to the end; what came is what a browser would have kept. */
async function told(question: Question, stopAt?: Event['type']): Promise<Told> {
  const lines: { cursor: string | undefined; raw: string }[] = []
  let id = ''
  for await (const entry of client.ask(question)) {
    if (entry.kind !== 'event') continue
    id = entry.event.trace_id
    lines.push({ cursor: entry.id, raw: entry.raw })
    if (entry.event.type === stopAt) await client.stop(id)
  }
  return { id, lines }
}

const long = `${'長い問いです。'.repeat(20)}\n二行目 <b>![x](y)`

// The browser's records are the server's: the same lines, the same snapshot, the same Markdown, the same page.
test.runIf(inject('real')).each<[string, () => Promise<Told>]>([
  ['a scene in English', async () => told(questionOf((await scenes(url, 'en'))[0]!))],
  ['a scene in Japanese', async () => told(questionOf((await scenes(url, 'ja'))[0]!))],
  ['everybody abstains', () => told({ question: 'Who rehearses?', context: 'a\n\n# b  \r\n' })],
  ['a long question, stopped', () => told({ question: long, lang: 'ja' }, 'agent_chunk')],
])('the record made in the browser is the server’s: %s', async (_name, tell) => {
  const one = await tell()
  const [ndjson, json, md, html] = await Promise.all(
    (['ndjson', 'json', 'md', 'html'] as const).map(async (format) => ({
      theirs: await (await client.export(one.id, format)).text(),
      ours: await recordOf([one], format).text(),
    })),
  )
  expect(ndjson?.ours).toBe(ndjson?.theirs)
  expect(JSON.parse(json?.ours ?? '')).toEqual(JSON.parse(json?.theirs ?? ''))
  expect(md?.ours).toBe(md?.theirs)
  expect(html?.ours).toBe(html?.theirs)
})

const BESIDE = { title: ' The  crane ', my_decision: 'Not yet.\n<b>', outcome: 'good: it "held"' }

test.runIf(inject('real'))('so is what a person wrote beside it', async () => {
  const one = await told(questionOf((await scenes(url, 'en'))[0]!))
  await client.patch(one.id, BESIDE)
  for (const format of ['md', 'html'] as const)
    expect(await recordOf([one], format, BESIDE).text()).toBe(
      await (await client.export(one.id, format)).text(),
    )
})
