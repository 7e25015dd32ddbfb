/** What comes on demand: without a flash, with the focus where it belongs, and a failure said. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { serve } from '../dev/serve.ts'
import { launch, visit } from './browser.ts'

let browser: Browser
let server: Awaited<ReturnType<typeof serve>>
let past: string
beforeAll(async () => {
  browser = await launch()
  server = await serve({ pace: 5 })
  past = server.fake.finished('billing', '2026-11-25T01:12:00Z')
})
afterAll(async () => {
  await browser.close()
  server.close()
})

const focused = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const { activeElement: one } = document
    return one?.getAttribute('aria-label') ?? one?.tagName.toLowerCase() ?? ''
  })

/** The files of this name that were asked for so far. */
function watch(page: Page, name: string): string[] {
  const asked: string[] = []
  page.on('request', (request) => {
    if (new URL(request.url()).pathname.includes(`/${name}-`)) asked.push(request.url())
  })
  return asked
}

test.each([
  ['Settings', ','],
  ['Help', '?'],
])('the dialog %s comes when it is wanted, and gives the focus back', async (title, key) => {
  const { page, context, complaints } = await visit(browser, server.url)
  const button = page.locator('.tools').getByRole('button', { name: title })
  const dialog = page.getByRole('dialog')
  await button.press('Enter')
  await dialog.waitFor()
  expect(await page.evaluate(() => document.activeElement?.closest('dialog') !== null)).toBe(true)
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  expect(await focused(page)).toBe(await button.getAttribute('aria-label'))
  await page.keyboard.press(key)
  await dialog.waitFor()
  await dialog.getByRole('button', { name: 'Close' }).click()
  await dialog.waitFor({ state: 'detached' })
  expect(await focused(page)).toBe(await button.getAttribute('aria-label'))
  expect(complaints).toEqual([])
  await context.close()
})

test('who writes a question has the room fetched, and sees no wait', async () => {
  const { page, context } = await visit(browser, server.url)
  await page.locator('.question-input').waitFor()
  const asked = watch(page, 'deliberation')
  const came = page.waitForResponse((response) => response.url().includes('/deliberation-'))
  await page.locator('.question-input').fill('Is it there yet?')
  await (await came).finished()
  expect(asked).toHaveLength(1)
  await page.evaluate(() => {
    new MutationObserver(() => {
      if (document.querySelector('.loading')) document.documentElement.dataset['waited'] = ''
    }).observe(document.body, { childList: true, subtree: true })
  })
  // Its own pieces are here, too, as soon as nothing is on the way.
  await page.waitForLoadState('networkidle')
  await page.keyboard.press('Enter')
  await page.locator('.lanes').waitFor()
  expect(await page.evaluate(() => document.documentElement.dataset['waited'])).toBeUndefined()
  await context.close()
})

test('a deliberation that is opened takes the focus when it is here, and not before', async () => {
  const { page, context } = await visit(browser, server.url)
  let go = (): void => {}
  const held = new Promise<void>((resolve) => (go = resolve))
  await page.route('**/deliberation-*.js', async (route) => {
    await held
    await route.fallback()
  })
  await page.locator(`.past[href$="${past}"]`).press('Enter')
  await page.locator('main[aria-busy] .loading').waitFor()
  go()
  await page.locator('.verdict').waitFor()
  expect(await page.evaluate(() => document.activeElement?.className)).toBe('deliberation')
  await context.close()
})

test('what does not come is said, and comes at the next try', async () => {
  const { page, context } = await visit(browser, server.url)
  await page.locator('.question-input').waitFor()
  await page.route('**/{help,words.ja}-*.js', (route) => route.abort())
  const alert = page.locator('.tools-failed')
  await page.locator('.tools button').first().press('Enter')
  await alert.getByText('could not be loaded').waitFor()
  expect(await page.getByRole('dialog').count()).toBe(0)
  await page.unroute('**/{help,words.ja}-*.js')
  await page.locator('.tools button').first().press('Enter')
  await page.getByRole('dialog').waitFor()
  expect(await alert.textContent()).toBe('')
  await context.close()
})

test('the other language comes when it is chosen; where it does not, the page stays as it is', async () => {
  const { page, context } = await visit(browser, server.url)
  await page.locator('.question-input').waitFor()
  const choice = page.getByRole('radiogroup', { name: 'Language of the page' })
  await page.route('**/words.ja-*.js', (route) => route.abort())
  await choice.getByRole('radio', { name: '日本語' }).click()
  await page.locator('.tools-failed').getByText('could not be loaded').waitFor()
  expect(await page.locator('h1').textContent()).toBe('What should be decided?')
  expect(await choice.getByRole('radio', { name: 'English' }).isChecked()).toBe(true)
  await page.unroute('**/words.ja-*.js')
  await choice.getByRole('radio', { name: '日本語' }).click()
  await page.getByRole('heading', { name: '何を決めますか？' }).waitFor()
  expect(await page.evaluate(() => document.documentElement.lang)).toBe('ja')
  expect(await page.locator('.tools-failed').textContent()).toBe('')
  await context.close()
})
