import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { recordOf, type Told } from '../page/src/record.ts'
import { Client, questionOf, type Event, type Question } from '../stream/src/index.ts'
import { server } from './browser.ts'
import { Magi, Vendors } from './magi.ts'
import { scenes } from './steps.ts'

const url = server()
const client = new Client({ base: url })

/** Asks and reads to the end; what came is what a browser would have kept. */
async function told(
  question: Question,
  stopAt?: Event['type'],
  at: Client = client,
): Promise<Told> {
  const lines: { cursor: string | undefined; raw: string }[] = []
  let id = ''
  for await (const entry of at.ask(question)) {
    if (entry.kind !== 'event') continue
    id = entry.event.trace_id
    lines.push({ cursor: entry.id, raw: entry.raw })
    if (entry.event.type === stopAt) await at.stop(id)
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
  await sameAtBoth(client, await tell())
})

/** The record that the browser makes of what came, and the one that the server answers with. */
async function sameAtBoth(at: Client, one: Told): Promise<string> {
  const [ndjson, json, md, html] = await Promise.all(
    (['ndjson', 'json', 'md', 'html'] as const).map(async (format) => ({
      theirs: await (await at.export(one.id, format)).text(),
      ours: await recordOf([one], format).text(),
    })),
  )
  expect(ndjson?.ours).toBe(ndjson?.theirs)
  expect(JSON.parse(json?.ours ?? '')).toEqual(JSON.parse(json?.theirs ?? ''))
  expect(md?.ours).toBe(md?.theirs)
  expect(html?.ours).toBe(html?.theirs)
  return md?.ours ?? ''
}

const REFUSED = 'openai:fake+401'
const FOR = 'openai:fake+len-10+approve'
const AGAINST = 'openai:fake+len-10+reject'

let vendors: Vendors
let magi: Magi
beforeAll(async () => {
  if (!inject('real')) return
  vendors = await Vendors.start()
  magi = await Magi.start({
    OPENAI_BASE_URL: vendors.url,
    OPENAI_API_KEY: 'test',
    MAGI_MODEL: FOR,
  })
})
afterAll(async () => {
  if (!inject('real')) return
  await magi.end()
  await vendors.stop()
})

test.runIf(inject('real')).each([
  [
    'its majority',
    'en',
    [FOR, AGAINST, `${REFUSED}+len-9`, 'openai:fake+len-12+approve'],
    'Panel:',
  ],
  ['split', 'ja', [FOR, AGAINST], '裁定パネルの判断は割れました。'],
] as const)('the record of a panel is the same at both: %s', async (_name, lang, panel, line) => {
  const sage = { model: 'openai:fake+len-20+approve' }
  const solomon = { model: REFUSED, fallbacks: [], panel }
  const council = { roles: { caspar: sage, balthasar: sage, melchior: sage, solomon } }
  const there = new Client({ base: magi.url })
  const one = await told(
    { question: 'Should the lock be rebuilt?', lang, council },
    undefined,
    there,
  )
  expect(await sameAtBoth(there, one)).toContain(line)
})

const title = ' The  crane '
const PARTS = '[x] <b>\n  of [ ] mine\n[ ] not yet'

test.runIf(inject('real')).each([
  ['en', { title, my_decision: 'Not yet.\n<b>', outcome: 'good: it "held"' }],
  ['en', { title, my_decision: `Decision: as the verdict\nWhy: so\n  be it\n${PARTS}` }],
  ['ja', { title, my_decision: '決定: 評決に従う', outcome: 'Bad：遅れた\n<i>' }],
  ['ja', { title, my_decision: `事前の考え: 待つ\n決定: 延ばす\n理由: 人\n${PARTS}` }],
  ['ja', { title, my_decision: '事前の考え: 待つ', outcome: ' どちらでもない ' }],
] as const)('so is what a person wrote beside it (%s, %o)', async (lang, beside) => {
  const one = await told({ ...questionOf((await scenes(url, lang))[0]!), preset: 'strict' })
  await client.patch(one.id, beside)
  for (const format of ['md', 'html'] as const) {
    const ours = await recordOf([one], format, beside).text()
    expect(ours).toBe(await (await client.export(one.id, format)).text())
    expect(ours).toContain(lang === 'ja' ? '厳格（strict v1）' : 'Strict (strict v1)')
  }
})
