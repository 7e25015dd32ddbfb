/** The verbs from the page to a real server and back: what the page asked for is what the log says. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { Client } from '../stream/src/index.ts'
import { launch, visit } from './browser.ts'
import { Emulated } from './emulated.ts'
import { Magi, Vendors } from './magi.ts'
import { idOf, stored, untilOver } from './steps.ts'

const real = inject('real')

let browser: Browser
let vendors: Vendors
let magi: Magi
beforeAll(async () => {
  if (!real) return
  browser = await launch()
  vendors = await Vendors.start()
  magi = await Magi.start({
    OPENAI_BASE_URL: vendors.url,
    OPENAI_API_KEY: 'test',
    // Long enough to be spoken to in the middle, on a slow machine too.
    MAGI_MODEL: 'openai:fake+by-role+len-400+tps-40',
  })
})
afterAll(async () => {
  if (!real) return
  await magi.end()
  await vendors.stop()
  await browser.close()
})

async function asked(question: string) {
  const opened = await visit(browser, magi.url)
  await opened.page.locator('.question-input').fill(question)
  await opened.page.keyboard.press('Enter')
  return opened
}

const writing = (page: Page, agent: string): Promise<void> =>
  page.locator(`.lane[data-agent=${agent}] .lane-scroll > .prose`).waitFor()

const moved = (page: Page, from: string): Promise<unknown> =>
  page.waitForFunction((id) => !location.hash.includes(id), from)

test.runIf(real)(
  'stop of one, a note, another attempt, pause and resume reach the log',
  async () => {
    const { page, context, complaints } = await asked('Should the crane be replaced this year?')
    for (const agent of ['caspar', 'melchior']) await writing(page, agent)
    await page.getByRole('button', { name: 'Stop CASPAR' }).click()
    await page.locator('.lane[data-agent=caspar] .vote[data-kind=STOPPED]').waitFor()
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.locator('[data-notice=paused]').waitFor()
    await page.getByRole('button', { name: 'Go on' }).click()
    await page.locator('[data-notice=paused]').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Tell the council' }).click()
    await page.locator('.note-input').fill('The crane was repaired in May.')
    await page.getByRole('button', { name: 'Tell them' }).click()
    await page.locator('.notes').getByText('The crane was repaired in May.').waitFor()
    await page.getByRole('button', { name: 'Let MELCHIOR try again' }).click()
    await page.locator('.lane[data-agent=melchior] .lane-status').getByText('attempt').waitFor()
    const { view, both, events } = await untilOver(page, magi.url)
    for (const { sage, shown, stored: kept } of both) expect(shown, sage).toBe(kept)
    expect(view.sages.caspar.vote).toMatchObject({ decision: 'ABSTAINED', cause: 'stopped' })
    expect(view.sages.melchior.attempt).toBeGreaterThan(1)
    expect(view.notes).toEqual([
      { from: 'user', to: 'all', text: 'Fact: The crane was repaired in May.' },
    ])
    expect(events.filter(({ type }) => type === 'paused' || type === 'resumed')).toHaveLength(2)
    // A sage that was stopped is missing, and the card says so.
    expect(view.end).toMatchObject({ kind: 'complete', data: { status: 'degraded' } })
    await page.locator('.degraded').getByText('was stopped').waitFor()
    expect(complaints).toEqual([])
    await context.close()
  },
)

test.runIf(real)('a judge who is stopped leaves the votes to decide', async () => {
  const { page, context } = await asked('Should the harbour close at night?')
  await writing(page, 'caspar')
  await page.getByRole('button', { name: 'Stop SOLOMON' }).click()
  await page.locator('.judge').getByText('The judge was stopped').waitFor()
  const { view } = await untilOver(page, magi.url)
  expect(view.end).toMatchObject({
    kind: 'complete',
    data: { status: 'degraded', judge_agrees: null, final_decision: 'APPROVED' },
  })
  // Judged again in a linked one, which leads back here; from here a link leads on.
  const first = idOf(page)
  await page.getByRole('button', { name: /^Judge again/ }).click()
  await page.locator('dialog[open]').getByRole('button', { name: 'Judge again' }).click()
  await moved(page, first)
  const again = await untilOver(page, magi.url)
  expect(again.view.forkOf).toBe(first)
  expect(again.view.judge.judgment).toBeDefined()
  for (const sage of again.view.council?.sages ?? [])
    expect(again.view.sages[sage].reused, sage).toBe(true)
  const second = idOf(page)
  await page.locator('[data-link=from] a').click()
  await moved(page, second)
  expect(await page.locator('[data-link=to] a').getAttribute('href')).toBe(`#/d/${second}`)
  await context.close()
})

test.runIf(real)(
  'one that was stopped goes on, linked; the decision is in its record',
  async () => {
    const { page, context } = await asked('Should the ferry run in winter?')
    await page.locator('.lane[data-agent=caspar] .vote').waitFor({ timeout: 60_000 })
    await page.keyboard.press('Escape')
    await page.locator('.verdict[data-kind=STOPPED]').waitFor()
    const first = idOf(page)
    const { view } = await stored(magi.url, first)
    expect(view.end).toMatchObject({ kind: 'cancelled', data: { by: 'user' } })
    await page.getByRole('button', { name: 'Go on', exact: true }).click()
    await moved(page, first)
    const { view: second } = await untilOver(page, magi.url)
    expect(second.forkOf).toBe(first)
    expect(second.sages.caspar.reused).toBe(true)
    await page.locator('.radio').getByText('I follow the verdict').click()
    await page.getByRole('button', { name: 'Save my decision' }).click()
    await page.locator('.decision-said').getByText('Saved.').waitFor()
    const client = new Client({ base: magi.url })
    expect((await client.item(idOf(page)))?.my_decision).toBe('Decision: as the verdict')
    expect(await (await client.export(idOf(page), 'md')).text()).toContain('as the verdict')
    await context.close()
  },
)

test.runIf(real)(
  'a note that comes too late is refused there, and forks with its words',
  async () => {
    const { page, context } = await asked('Should the pier be built?')
    await writing(page, 'caspar')
    await page.getByRole('button', { name: 'Tell the council' }).click()
    await page.locator('.note-input').fill('The bank has withdrawn.')
    await page.locator('.judge .lane-scroll > .prose').waitFor({ timeout: 90_000 })
    const first = idOf(page)
    await page.getByRole('button', { name: 'Fork with this note' }).click()
    await moved(page, first)
    const { view } = await untilOver(page, magi.url)
    expect(view.forkOf).toBe(first)
    expect(view.notes.map(({ text }) => text)).toEqual(['Fact: The bank has withdrawn.'])
    for (const sage of view.council?.sages ?? [])
      expect(view.sages[sage].attempt, sage).toBeGreaterThan(1)
    await context.close()
  },
)

test.runIf(real)('judged three times: what the page counts is what the logs hold', async () => {
  const client = new Client({ base: magi.url })
  const model = 'openai:fake+by-role+len-60'
  const roles = Object.fromEntries(
    ['caspar', 'balthasar', 'melchior', 'solomon'].map((agent) => [agent, { model }]),
  )
  let id = ''
  for await (const entry of client.ask({ question: 'Should the buoy be lit?', council: { roles } }))
    if (entry.kind === 'event') id = entry.event.trace_id
  const { page, context, complaints } = await visit(browser, `${magi.url}/#/d/${id}`)
  await page.getByRole('button', { name: /^Judge again/ }).click()
  const sheet = page.getByRole('dialog')
  await sheet.getByRole('radio', { name: '3 times' }).click()
  await sheet.getByRole('button', { name: 'Judge again' }).click()
  const result = page.getByRole('region', { name: 'Stability' })
  const said = result.getByText(/stable:? \d\/3$/)
  await said.waitFor({ timeout: 90_000 })
  const { items } = await client.list({ fork_of: id })
  expect(items).toHaveLength(3)
  const decision = async (one: string) =>
    (await stored(magi.url, one)).view.judge.judgment?.final_decision
  const before = await decision(id)
  expect(before).toBeDefined()
  const turns = await Promise.all(items.map((item) => decision(item.id)))
  const same = turns.filter((one) => one === before).length
  expect(await said.textContent()).toBe(`${same === 3 ? 'stable' : 'unstable:'} ${same}/3`)
  expect(complaints).toEqual([])
  await context.close()
})

// One address, where every verb is an action of the session that the question was asked under.
test.runIf(real)(
  'over AgentCore: the same controls, and the decision in the page’s own copy',
  async () => {
    const cloud = await Emulated.start(['--tps', '30'])
    try {
      const { page, context } = await visit(browser, cloud.page('agentcore'))
      await page.locator('.answers[data-kind=models]').waitFor({ timeout: 60_000 })
      await page.locator('.question-input').fill('Move billing to the new database in December?')
      await page.keyboard.press('Enter')
      await writing(page, 'caspar')
      await page.getByRole('button', { name: 'Stop CASPAR' }).click()
      await page.locator('.lane[data-agent=caspar] .vote[data-kind=STOPPED]').waitFor()
      await page.getByRole('button', { name: 'Tell the council' }).click()
      await page.locator('.note-input').fill('The freeze begins on the 8th.')
      await page.getByRole('button', { name: 'Tell them' }).click()
      await page.locator('.notes').getByText('The freeze begins on the 8th.').waitFor()
      await page.locator('.verdict').waitFor({ timeout: 150_000 })
      await page.getByText('Kept in this browser only').waitFor()
      await page.locator('.radio').getByText('I follow the verdict').click()
      await page.getByRole('button', { name: 'Save my decision' }).click()
      await page.locator('.decision-said').getByText('Saved.').waitFor()
      const first = idOf(page)
      await page.getByRole('button', { name: /^Judge again/ }).click()
      await page.locator('dialog[open]').getByRole('button', { name: 'Judge again' }).click()
      await moved(page, first)
      await page.locator('.verdict').waitFor({ timeout: 150_000 })
      await page.locator('[data-link=from] a').click()
      await page.locator('[data-link=to] a').waitFor()
      expect(await page.getByRole('radio', { name: 'I follow the verdict' }).isChecked()).toBe(true)
      await context.close()
    } finally {
      await cloud.stop()
    }
  },
)
