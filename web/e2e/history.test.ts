import { readFile } from 'node:fs/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { serve } from '../dev/serve.ts'
import { launch, visit } from './browser.ts'

/** The history over a server of scripts: what is there is known to the row. */
let browser: Browser
let server: Awaited<ReturnType<typeof serve>>
let first: string
let second: string
beforeAll(async () => {
  browser = await launch()
  server = await serve({ pace: 10 })
  first = server.fake.finished('billing', '2026-11-25T01:12:00Z', { cost_usd: 0.0123 })
  second = server.fake.finished('ekimae', '2026-11-26T01:12:00Z', { fork_of: first })
  server.fake.seed(12)
})
afterAll(async () => {
  await browser.close()
  server.close()
})

const rows = (page: Page) => page.locator('.past-row')
const rowOf = (page: Page, text: string) => rows(page).filter({ hasText: text })

async function opened(options: Parameters<typeof visit>[2] = {}) {
  const visited = await visit(browser, `${server.url}/#/history`, options)
  await rows(visited.page).first().waitFor()
  return visited
}

async function act(page: Page, text: string, action: string): Promise<void> {
  await rowOf(page, text)
    .getByRole('button', { name: /^Actions: / })
    .click()
  await page.getByRole('menuitem', { name: action, exact: true }).click()
}

test('found by two Japanese characters, by verdict, by preset, by days; and all again', async () => {
  const { page, context, complaints } = await opened()
  expect(await rows(page).count()).toBe(14)
  await page.getByRole('searchbox').fill('図書')
  await page.getByText('1 deliberation', { exact: true }).waitFor()
  expect(await rows(page).textContent()).toContain('図書館')
  // A preset has the name by which it is chosen.
  expect(await rows(page).textContent()).toContain('Default')
  await page.getByRole('button', { name: 'Clear the search' }).click()
  await page.getByText('14 deliberations').waitFor()
  await page.getByLabel('Verdict').selectOption('REJECTED')
  await page.waitForFunction(
    () =>
      ![...document.querySelectorAll('.past-row .seal')].some((one) =>
        one.textContent?.includes('APPROVED'),
      ),
  )
  await page.getByLabel('Preset').selectOption('strict')
  await page.getByLabel('From', { exact: true }).fill('2026-11-25')
  await page.getByText('Nothing matches').waitFor()
  // Coming back from somewhere else finds the same list.
  await page.reload()
  await page.getByText('Nothing matches').waitFor()
  await page.getByRole('button', { name: 'Clear filters' }).first().click()
  await page.getByText('14 deliberations').waitFor()
  expect(complaints).toEqual([])
  await context.close()
})

test('named, noted, and shown as such', async () => {
  const { page, context } = await opened()
  await act(page, '0.0123 USD', 'My decision and outcome …')
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Title').fill('Billing move')
  // The fields of the verdict card, and the conditions of this verdict.
  await dialog.getByText('I decide otherwise').click()
  await dialog.getByLabel('What I decide').fill('Moved on the 8th')
  await dialog.getByLabel('Why').fill('the freeze')
  await dialog.getByText('Name a person on call').click()
  await dialog.getByRole('radio', { name: 'well' }).click()
  await dialog.getByLabel('What happened').fill('no letter lost')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await dialog.waitFor({ state: 'detached' })
  const row = rowOf(page, 'Billing move')
  expect(await row.textContent()).toContain('turned out well')
  expect(await row.textContent()).toContain('My decision: Moved on the 8th')
  await page.reload()
  await row.waitFor()
  const patched = server.fake.requests.filter(({ method }) => method === 'PATCH')
  expect(patched.at(-1)?.body).toEqual({
    title: 'Billing move',
    my_decision: [
      'Decision: Moved on the 8th',
      'Why: the freeze',
      '[ ] Rehearse the rollback twice before the freeze on the 10th',
      '[x] Name a person on call for the first seven nights',
      '[ ] Run one rehearsal with the data of last December',
    ].join('\n'),
    outcome: 'good: no letter lost',
  })
  // Nothing of the form it is kept in is shown, neither in the row nor in the dialog.
  const titles = await row
    .locator('.past-marks [title]')
    .evaluateAll((all) => all.map((one) => one.getAttribute('title')))
  expect(titles).toEqual([
    'no letter lost',
    'Moved on the 8th\nWhy: the freeze\nConditions: 1 of 3 met',
  ])
  await act(page, 'Billing move', 'My decision and outcome …')
  await dialog.getByText('1 of 3 met').waitFor()
  expect(await dialog.getByLabel('What I decide').inputValue()).toBe('Moved on the 8th')
  expect(await dialog.getByLabel('What happened').inputValue()).toBe('no letter lost')
  expect(await dialog.innerText()).not.toMatch(/Decision:|\[[x ]\]|good:/)
  const sent = patched.length
  await dialog.getByRole('button', { name: 'Save' }).click()
  await dialog.waitFor({ state: 'detached' })
  // What nobody touched is not written again.
  expect(server.fake.requests.filter(({ method }) => method === 'PATCH')).toHaveLength(sent)
  await context.close()
})

const deletes = () => server.fake.requests.filter(({ method }) => method === 'DELETE')

test('a deletion waits ten seconds: taken back, or left behind, nothing is sent', async () => {
  const { page, context } = await opened()
  const gone = '(12)'
  const before = deletes().length
  await act(page, gone, 'Delete')
  expect(await rowOf(page, gone).count()).toBe(0)
  await page.locator('.pending-one').getByRole('button', { name: 'Undo' }).click()
  await rowOf(page, gone).waitFor()
  await act(page, gone, 'Delete')
  // Another screen of the page does not end the wait, and still has the way back.
  await page.getByRole('link', { name: 'Ask' }).click()
  await page.locator('.pending-one').waitFor()
  await page.reload()
  await page.getByRole('link', { name: 'History' }).click()
  await rowOf(page, gone).waitFor()
  await page.waitForTimeout(300)
  expect(deletes()).toHaveLength(before)
  await context.close()
})

test('after ten seconds it is gone', async () => {
  const { page, context } = await opened()
  await act(page, '(11)', 'Delete')
  await page.locator('.pending-one').waitFor({ state: 'detached', timeout: 20_000 })
  expect(deletes()).toHaveLength(1)
  await page.reload()
  await rows(page).first().waitFor()
  expect(await rowOf(page, '(11)').count()).toBe(0)
  await context.close()
})

test('taken along: the records, the list, the question again, a question that follows', async () => {
  const { page, context } = await opened()
  const saved = async (act: () => Promise<void>): Promise<string> => {
    const coming = page.waitForEvent('download')
    await act()
    return readFile(await (await coming).path(), 'utf8')
  }
  expect(await saved(() => act(page, '図書館', 'Save as Markdown'))).toContain('図書館')
  const csv = await saved(() => page.getByRole('button', { name: 'Export as CSV' }).click())
  expect(csv.trimEnd().split('\r\n')).toHaveLength(1 + (await rows(page).count()))
  expect(csv).toContain(',leaning,my_decision,why,conditions_met,outcome,outcome_note,')
  await act(page, '図書館', 'Ask again')
  await page.locator('.carry').waitFor()
  expect(await page.locator('.question-input').inputValue()).toContain('図書館')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: /Convene/ }).click()
  await page.locator('.lanes').waitFor()
  const asked = () => server.fake.requests.filter((one) => one.method === 'POST').at(-1)?.body
  expect(asked()).toMatchObject({ fork_of: second, preset: 'default' })
  await page.goto(`${server.url}/#/history`)
  await rows(page).first().waitFor()
  await rowOf(page, '図書館')
    .first()
    .getByRole('button', { name: /^Actions: / })
    .click()
  await page.getByRole('menuitem', { name: 'Follow-up question' }).click()
  await page.locator('.carry').waitFor()
  await page.locator('.question-input').fill('And on Sundays?')
  await page.getByRole('button', { name: /Convene/ }).click()
  await page.locator('.lanes').waitFor()
  expect(asked()).toMatchObject({ question: 'And on Sundays?' })
  expect(asked()).toHaveProperty('conversation_id')
  // It names what it follows, which leads to it, and from there back.
  const followed = page.locator('[data-link=before] a')
  expect(await followed.textContent()).toContain('図書館')
  await followed.click()
  const onwards = page.locator('[data-link=after] a')
  await onwards.waitFor()
  expect(await onwards.textContent()).toContain('And on Sundays?')
  await onwards.click()
  await followed.waitFor()
  // So does its row in the history.
  await page.goto(`${server.url}/#/history`)
  await rowOf(page, 'And on Sundays?')
    .getByRole('link', { name: /図書館/ })
    .click()
  await onwards.waitFor()
  await onwards.click()
  await followed.waitFor()
  // A scene takes nothing of it along, however it was prepared.
  await page.getByRole('button', { name: 'Follow-up question' }).click()
  await page.locator('.carry').waitFor()
  await page.locator('.scene').first().click()
  await page.locator('.lanes').waitFor()
  expect(asked()).not.toMatchObject({ question: 'And on Sundays?' })
  expect(asked()).not.toHaveProperty('conversation_id')
  await context.close()
})

test('two are chosen and compared', async () => {
  const { page, context } = await opened()
  await page.getByRole('checkbox').nth(1).check({ force: true })
  await page.getByText('One is chosen.').waitFor()
  await page.getByRole('checkbox').nth(2).check({ force: true })
  await page.getByRole('button', { name: 'Compare the two' }).click()
  await page.waitForURL(/#\/compare\/\w+\/\w+$/)
  await context.close()
})

test('five thousand rows: only what is near the window is in the document', async () => {
  const big = await serve()
  big.fake.seed(5000)
  const { page, context } = await visit(browser, `${big.url}/#/history`)
  await rows(page).first().waitFor()
  const cdp = await context.newCDPSession(page)
  await cdp.send('Performance.enable')
  const scripting = async (): Promise<number> => {
    const { metrics } = await cdp.send('Performance.getMetrics')
    return metrics.find(({ name }) => name === 'ScriptDuration')?.value ?? 0
  }
  /** How far the list has come, and the script it took so far. */
  const steps: { at: number; spent: number }[] = []
  const step = async (): Promise<void> => {
    const at = await page.locator('[aria-posinset]').last().getAttribute('aria-posinset')
    steps.push({ at: Number(at), spent: await scripting() })
  }
  await step()
  let most = 0
  const last = page.locator('[aria-posinset="5000"]')
  for (let turn = 0; turn < 400; turn++) {
    await page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight))
    await page.waitForTimeout(30)
    most = Math.max(most, await rows(page).count())
    await step()
    if ((await last.count()) > 0) break
  }
  await last.waitFor()
  await step()
  const until = (row: number): number => steps.find(({ at }) => at >= row)?.spent ?? NaN
  const [begun, firstQuarter, lastQuarter, ended] = [0, 1250, 3750, 5000].map(until) as [
    number,
    number,
    number,
    number,
  ]
  const growth = (ended - lastQuarter) / (firstQuarter - begun)
  const shown = await page.locator('.screen-head [role=status]').textContent()
  console.log(
    `5000 rows read to the end: at most ${most} in the document, ${(ended - begun).toFixed(2)} s of script, the last quarter ${growth.toFixed(2)} times the first`,
  )
  expect(shown).toBe('5000 deliberations')
  expect(most).toBeLessThan(250)
  // Rows that are there already cost nothing more: were each step to go through all of them, it would be 7.
  expect(growth).toBeLessThan(4)
  expect(await page.locator('[aria-posinset="5000"]').getAttribute('aria-setsize')).toBe('5000')
  // And back at the top the first ones stand again.
  await page.evaluate(() => window.scrollTo(0, 0))
  await page.locator('[aria-posinset="1"]').waitFor()
  await context.close()
  big.close()
})

test('a first use is drawn, and leads to the first question', async () => {
  const empty = await serve()
  for (const locale of ['ja', 'en'] as const) {
    const { page, context } = await visit(browser, `${empty.url}/#/history`, { locale })
    await page.locator('.empty').waitFor()
    expect(await page.locator('.filters').count()).toBe(0)
    await page.locator('.empty .convene').click()
    await page.locator('.question-input').waitFor()
    await context.close()
  }
  empty.close()
})

/** Waits until what has the focus is like this; React Aria moves it a moment after what it belongs to is there. */
const focused = (page: Page, selector: string): Promise<unknown> =>
  page.waitForFunction((wanted) => document.activeElement?.matches(wanted), selector)

test('row, menu and dialog by keyboard alone', async () => {
  const { page, context } = await opened()
  const actions = '[aria-label^="Actions: "]'
  await page.getByRole('searchbox').focus()
  for (let tab = 0; tab < 30 && !(await page.locator(`${actions}:focus`).count()); tab++)
    await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await focused(page, '[role=menu], [role=menu] *')
  await page.keyboard.press('r')
  await page.locator('[role=menuitem]:focus', { hasText: /^R/ }).waitFor()
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog')
  await dialog.waitFor()
  await focused(page, '[role=dialog] input')
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  await focused(page, actions)
  await context.close()
})
