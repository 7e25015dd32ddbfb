import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findings } from './axe.ts'
import { launch, server, visit } from './browser.ts'
import { firstWords, played } from './steps.ts'

let browser: Browser
const url = server()
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser.close())

test.each([
  ['dark', 'en', 1280],
  ['light', 'ja', 1280],
  ['light', 'en', 390],
] as const)('axe finds nothing: %s, %s, %i pixels wide', async (colorScheme, locale, width) => {
  const finished = await played(url, locale)
  const { page, context } = await visit(browser, url, {
    colorScheme,
    locale,
    viewport: { width, height: 860 },
    reducedMotion: 'reduce',
    bypassCSP: true,
  })
  await page.locator('.scene').first().waitFor()
  expect(await findings(page), 'empty').toEqual([])
  await page.locator('.scene').last().click()
  await firstWords(page)
  expect(await findings(page), 'streaming').toEqual([])
  await page.keyboard.press('Escape')
  await page.locator('.verdict').waitFor()
  expect(await findings(page), 'stopped').toEqual([])
  await page.goto(`${url}/#/d/${finished}`)
  await page.locator('.dissent').waitFor()
  expect(await findings(page), 'verdict').toEqual([])
  await page.goto(`${url}/#/d/01JD3ZK8M00000000000000000`)
  await page.locator('.alert-box').waitFor()
  expect(await findings(page), 'error').toEqual([])
  await context.close()
})

test('nothing is wider than the screen, down to 320 pixels', async () => {
  const finished = await played(url, 'en')
  const { page, context } = await visit(browser, url, { viewport: { width: 320, height: 640 } })
  const overflow = (): Promise<number> =>
    page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
  await page.locator('.scene').first().waitFor()
  expect(await overflow()).toBeLessThanOrEqual(0)
  await page.goto(`${url}/#/d/${finished}`)
  await page.locator('.verdict').waitFor()
  expect(await overflow()).toBeLessThanOrEqual(0)
  await context.close()
})
