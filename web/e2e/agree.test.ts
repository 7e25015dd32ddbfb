/**
 * Whoever comes late, comes back, or looks from a second tab sees what the log holds, to the letter. The
 * models speak slowly over the wire, so that there is a middle to come back to.
 */
import { setTimeout as after } from 'node:timers/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { seeded } from '../dev/script.ts'
import { Client, SAGES } from '../stream/src/index.ts'
import { launch, pageOf, visit } from './browser.ts'
import { Magi } from './magi.ts'
import { shownOf, toldOf, type ShownAll } from './shown.ts'
import { Speaker } from './speaker.ts'
import { idOf, stored } from './steps.ts'

const real = inject('real')
const RELOADS = 20
/** Milliseconds of seven characters. */
const PACE = 60

/** What is said: paragraphs, lists, emphasis and code, each with its number, in both scripts. */
const said = (who: string, lines: number): string =>
  Array.from({ length: lines }, (_, index) => {
    const at = `${who} ${index + 1}`
    if (index % 5 === 1) return `- **${at}** is the first point\n- \`${at}\` & <b>the second</b>`
    if (index % 5 === 3)
      return `${at}: 港のクレーンは**毎年**点検され、記録は「港湾局」に残ります。`
    return `${at}: the crane is inspected every year, and nobody has seen the record of the last time.`
  }).join('\n\n')
/** Three sages at once, and the judge as long again. */
const TEXTS = ['north', 'south', 'east', 'west'].map((who) => said(who, 30))
/** Within which the reloads lie, in milliseconds: from the question into the judge's answer. */
const SPAN = ((2 * (TEXTS[0]?.length ?? 0)) / 7) * PACE * 0.9

let browser: Browser
let speaker: Speaker
let magi: Magi
beforeAll(async () => {
  if (!real) return
  browser = await launch()
  speaker = await Speaker.start()
  speaker.texts = TEXTS
  speaker.pace = PACE
  magi = await Magi.start({
    OPENAI_BASE_URL: speaker.url,
    OPENAI_API_KEY: 'test',
    MAGI_MODEL: 'openai:speaker',
  })
})
afterAll(async () => {
  if (!real) return
  await magi.end()
  await speaker.stop()
  await browser.close()
})

async function asked(question: string) {
  const opened = await visit(browser, magi.url)
  await opened.page.locator('.question-input').fill(question)
  await opened.page.keyboard.press('Enter')
  return opened
}

const over = (page: Page): Promise<void> => page.locator('.verdict').waitFor({ timeout: 120_000 })

/** What a page shows must be what the log's fold says, once its last animation frame is drawn. */
async function agrees(page: Page, id: string): Promise<void> {
  await over(page)
  const told = toldOf((await stored(magi.url, id)).view)
  await expect.poll(() => shownOf(page)).toEqual(told)
}

/** Where a text does not begin as it was seen before: signs at that one's end may yet become a list or an emphasis. */
function broken(whole = '', part = ''): string[] {
  const kept = part.replace(/[-*`\s]+$/, '')
  return whole.startsWith(kept) ? [] : [`“${kept.slice(-40)}” is not how “${whole}” begins`]
}

/** Every text only grows, within one attempt: what was seen of it earlier is how it begins. */
const takenBack = (now: ShownAll, before: ShownAll): string[] => [
  ...SAGES.flatMap((sage) => {
    const [one, other] = [now.lanes[sage], before.lanes[sage]]
    return one?.past === other?.past ? broken(one?.text, other?.text) : []
  }),
  ...broken(now.judge, before.judge),
]

test.runIf(real)(`${RELOADS} reloads at random moments end with the log’s own text`, async () => {
  const seed = Number(process.env['MAGI_SEED'] ?? Date.now() % 1_000_000)
  console.log(`reloads: MAGI_SEED=${seed}`)
  const random = seeded(seed)
  // The first comes before the answer has an id, so that the same question is asked again, once.
  const moments = [10, ...Array.from({ length: RELOADS - 1 }, () => random() * SPAN)]
  moments.sort((left, right) => left - right)
  const question = 'Should the harbour buy a second crane?'
  const { page, context, complaints } = await asked(question)
  const client = new Client({ base: magi.url })
  const begun = Date.now()
  const parts: ShownAll[] = []
  let running = 0
  for (const moment of moments) {
    await after(Math.max(0, begun + moment - Date.now()))
    parts.push(await shownOf(page))
    await page.reload()
    await page.locator('.lanes').waitFor()
    const { items } = await client.list({ limit: 10 })
    running += items[0]?.status === 'running' ? 1 : 0
  }
  await page.waitForURL(/#\/d\//)
  const id = idOf(page)
  await agrees(page, id)
  // Nothing was doubled, lost or made up on the way either.
  const whole = await shownOf(page)
  expect(parts.flatMap((part) => takenBack(whole, part))).toEqual([])
  // On a machine that is too slow for this, the reloads would all have come too late.
  expect(running).toBeGreaterThan(RELOADS / 2)
  expect(parts.filter((part) => part.judge !== '').length).toBeGreaterThan(0)
  const { items } = await client.list({ limit: 10 })
  expect(items.map((item) => item.question)).toEqual([question])
  expect(complaints).toEqual([])
  await context.close()
})

/** Looks at two tabs again and again until both are over; what the one says, the other never denies. */
async function watched(tabs: readonly [Page, Page]): Promise<{ denied: string[]; both: number }> {
  const denied: string[] = []
  let before: ShownAll[] = []
  let both = 0
  for (;;) {
    const now = await Promise.all(tabs.map(shownOf))
    const [left, right] = now as [ShownAll, ShownAll]
    for (const sage of SAGES) {
      const [one, other] = [left.lanes[sage], right.lanes[sage]]
      if (!one || !other || one.past !== other.past) continue
      const [short, long] = [one.text, other.text].sort((a, b) => a.length - b.length)
      denied.push(...broken(long, short).map((why) => `${sage}: ${why}`))
      if (one.vote && other.vote && one.vote !== other.vote) denied.push(`${sage}: two votes`)
    }
    for (const [index, part] of before.entries())
      if (now[index])
        denied.push(...takenBack(now[index], part).map((why) => `tab ${index}: ${why}`))
    if (left.verdict && right.verdict) {
      if (left.verdict.kind !== right.verdict.kind) denied.push('two verdicts')
      return { denied, both }
    }
    const speaking = SAGES.filter((sage) => left.lanes[sage]?.text && right.lanes[sage]?.text)
    both += speaking.length > 0 ? 1 : 0
    before = now
    await after(60)
  }
}

test.runIf(real)('two tabs agree, whoever says the word', async () => {
  const { page: one, context } = await asked('Should the ferry run at night?')
  await one.locator('.lane[data-agent=caspar] .lane-scroll > .prose').waitFor()
  const id = idOf(one)
  const other = await pageOf(context, magi.url)
  await other.goto(`${magi.url}/#/d/${id}`)
  await other.locator('.lane[data-agent=melchior] .lane-scroll > .prose').waitFor()
  const inBoth = (what: string, state: 'visible' | 'detached' = 'visible') =>
    Promise.all([one, other].map((tab) => tab.locator(what).waitFor({ state })))
  const watching = watched([one, other])
  await one.getByRole('button', { name: 'Tell the council' }).click()
  await one.locator('.note-input').fill('The pier is closed in May.')
  await one.getByRole('button', { name: 'Tell them' }).click()
  await inBoth('.notes :text("The pier is closed in May.")')
  await other.getByRole('button', { name: 'Pause' }).click()
  await inBoth('[data-notice=paused]')
  await one.getByRole('button', { name: 'Go on' }).click()
  await inBoth('[data-notice=paused]', 'detached')
  await other.getByRole('button', { name: 'Stop BALTHASAR' }).click()
  await inBoth('.lane[data-agent=balthasar] .vote[data-kind=STOPPED]')
  const { denied, both } = await watching
  expect(denied).toEqual([])
  expect(both).toBeGreaterThan(20)
  for (const tab of [one, other]) await agrees(tab, id)
  expect(await shownOf(one)).toEqual(await shownOf(other))
  await context.close()
})
