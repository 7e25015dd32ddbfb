import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launch, server, visit } from './browser.ts'
import { sceneButton, scenes } from './steps.ts'

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
  await box.focus()
  const cdp = await context.newCDPSession(page)
  const compose = (text: string) =>
    cdp.send('Input.imeSetComposition', {
      text,
      selectionStart: text.length,
      selectionEnd: text.length,
    })
  await compose('いこう')
  await compose('移行')
  // A real Enter while the browser itself holds a composition.
  await cdp.send('Input.dispatchKeyEvent', {
    type: 'rawKeyDown',
    key: 'Enter',
    code: 'Enter',
    windowsVirtualKeyCode: 13,
  })
  // The same as an input method reports it, and as Safari does after the composition has ended.
  for (const init of [
    { key: 'Process', keyCode: 229, isComposing: true },
    { key: 'Enter', keyCode: 229, isComposing: false },
    { key: 'Enter', keyCode: 13, isComposing: true },
  ])
    await box.evaluate(
      (element, of) =>
        element.dispatchEvent(
          new KeyboardEvent('keydown', { ...of, bubbles: true, cancelable: true }),
        ),
      init,
    )
  await page.waitForTimeout(200)
  expect(asked).toEqual([])
  await cdp.send('Input.insertText', { text: '移行すべきか?' })
  await page.waitForTimeout(50)
  await page.keyboard.press('Enter')
  await page.locator('.lanes').waitFor()
  expect(asked).toHaveLength(1)
  expect(asked[0]).toContain('移行すべきか?')
  await context.close()
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
  expect(await heading.textContent()).toBe('What should be decided?')
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
