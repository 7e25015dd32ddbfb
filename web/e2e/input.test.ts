import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { serve } from '../dev/serve.ts'
import { launch, server, visit } from './browser.ts'
import { commit, convert, sceneButton, scenes } from './steps.ts'

let browser: Browser
const url = server()
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser.close())

test('the Enter that ends a Japanese conversion does not send; the next one does', async () => {
  const { page, context } = await visit(browser, url, { locale: 'ja-JP' })
  const asked: string[] = []
  page.on('request', (request) => {
    if (request.method() === 'POST') asked.push(request.postData() ?? '')
  })
  const box = page.getByRole('textbox')
  await convert(box, '移行')
  await page.waitForTimeout(200)
  expect(asked).toEqual([])
  await commit(page, '移行すべきか?')
  await page.keyboard.press('Enter')
  await page.locator('.lanes').waitFor()
  expect(asked).toHaveLength(1)
  expect(asked[0]).toContain('移行すべきか?')
  await context.close()
})

test('nor does it send a note, or an Esc within it close that; the next Enter does', async () => {
  const here = await serve({ pace: 4 })
  here.fake.hold('tally')
  const { page, context } = await visit(browser, here.url, { locale: 'ja-JP' })
  const told = () =>
    here.fake.requests.filter(({ path }) => path.endsWith('/note')).map(({ body }) => body)
  await page.locator('.scene').first().click()
  await page.locator('.vote').nth(2).waitFor()
  await page.keyboard.press('n')
  const box = page.locator('.note .note-input')
  await convert(box, '凍結')
  await box.dispatchEvent('keydown', { key: 'Escape', isComposing: true, bubbles: true })
  await commit(page, '凍結は20日から')
  expect(await box.inputValue()).toBe('凍結は20日から')
  expect(told()).toEqual([])
  await page.keyboard.press('Enter')
  await page.locator('.note').waitFor({ state: 'detached' })
  expect(told()).toHaveLength(1)
  expect(told()[0]).toMatchObject({ text: expect.stringContaining('凍結は20日から') })
  expect(here.fake.requests.some(({ path }) => path.endsWith('/stop'))).toBe(false)
  await context.close()
  here.close()
})

test('Shift+Enter starts a new line, an empty question cannot be sent', async () => {
  const { page, context } = await visit(browser, url)
  const asked: string[] = []
  page.on('request', (request) => {
    if (request.method() === 'POST') asked.push(request.url())
  })
  const box = page.getByRole('textbox')
  await box.press('Enter')
  await box.fill('   ')
  await box.press('Enter')
  expect(await page.getByRole('button', { name: /Convene/ }).isDisabled()).toBe(true)
  await box.fill('a')
  await box.press('Shift+Enter')
  expect(await box.inputValue()).toBe('a\n')
  expect(asked).toEqual([])
  await context.close()
})

test('the language follows the browser, and a choice is remembered', async () => {
  const { page, context } = await visit(browser, url, { locale: 'ja-JP' })
  const heading = page.getByRole('heading', { level: 1 })
  expect(await heading.textContent()).toBe('何を決めますか？')
  expect(await page.locator('html').getAttribute('lang')).toBe('ja')
  await page.getByRole('radio', { name: 'English' }).first().click()
  // Its texts come first.
  await page.getByRole('heading', { name: 'What should be decided?' }).waitFor()
  await page.getByRole('radio', { name: /^(Dark|ダーク)$/ }).click()
  await page.reload()
  expect(await heading.textContent()).toBe('What should be decided?')
  const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  expect(background).toBe('rgb(14, 19, 32)')
  await context.close()
})

test('a lane follows its end until the wheel says otherwise, and the button brings it back', async () => {
  const [scene] = await scenes(url, 'en')
  if (!scene) throw new Error('no scene')
  const { page, context } = await visit(browser, url, { viewport: { width: 1280, height: 560 } })
  await sceneButton(page, scene).click()
  const lane = page.locator('.lane[data-agent=balthasar] .lane-scroll')
  const distance = (): Promise<number> =>
    lane.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight)
  await page.waitForFunction(() => {
    const box = document.querySelector('.lane[data-agent=balthasar] .lane-scroll')
    return box !== null && box.scrollHeight > box.clientHeight + 60
  })
  expect(await distance()).toBeLessThan(4)
  await lane.hover()
  await page.mouse.wheel(0, -60)
  await page.waitForTimeout(600)
  const top = await lane.evaluate((box) => box.scrollTop)
  await page.waitForTimeout(600)
  // More text has come, and the place that is being read has not moved.
  expect(await lane.evaluate((box) => box.scrollTop)).toBe(top)
  const jump = page.locator('.lane[data-agent=balthasar] .jump')
  await jump.click()
  expect(await distance()).toBeLessThan(4)
  await jump.waitFor({ state: 'detached' })
  await context.close()
})

test('everything on the start page can be reached and pressed by keyboard', async () => {
  const [scene] = await scenes(url, 'en')
  if (!scene) throw new Error('no scene')
  const { page, context } = await visit(browser, url)
  await sceneButton(page, scene).waitFor()
  const seen = new Set<string>()
  for (let tab = 0; tab < 40; tab++) {
    await page.keyboard.press('Tab')
    const name = await page.evaluate(
      () =>
        document.activeElement?.getAttribute('aria-label') ??
        document.activeElement?.textContent ??
        '',
    )
    seen.add(name)
    if (name.includes(scene.question)) break
  }
  expect([...seen].some((name) => name.includes(scene.question))).toBe(true)
  await page.keyboard.press('Enter')
  await page.locator('.lanes').waitFor()
  await context.close()
})
