import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SAGES, type Sage } from '../stream/src/index.ts'
import { launch, server, visit } from './browser.ts'
import { CuttingProxy } from './proxy.ts'
import { firstWords, idOf, laneTexts, sceneButton, scenes, stored, untilOver } from './steps.ts'

let browser: Browser
const url = server()
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser.close())

const same = (both: { sage: Sage; shown: string; stored: string }[]): void => {
  for (const { sage, shown, stored: kept } of both) expect(shown, sage).toBe(kept)
}

test.concurrent.each(['en', 'ja'] as const)(
  'one click on a scene (%s): live tokens in three lanes, then a verdict',
  async (lang) => {
    const [scene] = await scenes(url, lang)
    if (!scene) throw new Error(`the server has no scene in ${lang}`)
    const { page, context, complaints } = await visit(browser, url, { locale: lang })
    // How often each lane's text grew before its vote, counted in the page itself.
    await page.evaluate(() => {
      const grown: Record<string, number> = {}
      const spoken: string[] = []
      const last: Record<string, number> = {}
      new MutationObserver(() => {
        for (const lane of document.querySelectorAll<HTMLElement>('.lane')) {
          const sage = lane.dataset['agent'] ?? ''
          if (lane.querySelector('.vote')) continue
          const length = lane.querySelector('.lane-scroll > .prose')?.textContent?.length ?? 0
          if (length > (last[sage] ?? 0)) grown[sage] = (grown[sage] ?? 0) + 1
          last[sage] = length
        }
        const status = document.querySelector('[role=status]')?.textContent ?? ''
        if (status !== '' && spoken.at(-1) !== status) spoken.push(status)
      }).observe(document.body, { subtree: true, childList: true, characterData: true })
      Object.assign(window, { grown, spoken })
    })
    await sceneButton(page, scene).click()
    await page.locator('.band[data-mode=rehearsal]').waitFor()
    const band = await page.locator('.band[data-mode=rehearsal]').textContent()
    expect(band).toMatch(/REHEARSAL.*リハーサル/)
    const { view, both } = await untilOver(page, url)
    same(both)
    const { grown, spoken } = await page.evaluate(() => {
      const counted = window as unknown as { grown: Record<string, number>; spoken: string[] }
      return { grown: counted.grown, spoken: counted.spoken }
    })
    for (const sage of SAGES) expect(grown[sage] ?? 0, sage).toBeGreaterThan(5)
    expect(view.mode).toBe('rehearsal')
    expect(view.end?.kind).toBe('complete')
    const decision = view.end?.kind === 'complete' ? view.end.data.final_decision : ''
    expect(await page.locator('.verdict').getAttribute('data-kind')).toBe(decision)
    // Phase boundaries are spoken, tokens are not.
    expect(spoken.length).toBeGreaterThan(1)
    expect(spoken.length).toBeLessThan(12)
    expect(complaints).toEqual([])
    await context.close()
  },
)

test.concurrent('a question of one’s own is answered honestly', async () => {
  const { page, context, complaints } = await visit(browser, url)
  const question = 'Should <img src=x onerror=alert(1)> the harbour crane be replaced this year?'
  await page.getByRole('textbox').fill(question)
  await page.keyboard.press('Enter')
  const { view, both } = await untilOver(page, url)
  same(both)
  expect(view.end).toMatchObject({ kind: 'complete', data: { final_decision: 'UNDECIDED' } })
  for (const sage of SAGES) expect(view.sages[sage].vote?.cause).toBe('rehearsal')
  expect(await page.locator('.verdict').getAttribute('data-kind')).toBe('UNDECIDED')
  // Whatever a question holds is text.
  expect(await page.locator('main img').count()).toBe(0)
  expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe(question)
  // The one step that connects a model stands in the answer.
  expect(await page.locator('main').textContent()).toMatch(/MAGI_MODEL|API_KEY/)
  expect(complaints).toEqual([])
  await context.close()
})

test.concurrent('stop by the button and by Esc: what was said is kept', async () => {
  const scene = (await scenes(url, 'en')).at(-1)
  if (!scene) throw new Error('no scene')
  for (const how of ['button', 'Escape'] as const) {
    const { page, context } = await visit(browser, url)
    await sceneButton(page, scene).click()
    await firstWords(page)
    await page.waitForTimeout(300)
    if (how === 'button') await page.locator('.stop').click()
    else await page.keyboard.press('Escape')
    const { view, both } = await untilOver(page, url)
    same(both)
    expect(view.end, how).toMatchObject({ kind: 'cancelled', data: { by: 'user' } })
    expect(await page.locator('.verdict').getAttribute('data-kind')).toBe('STOPPED')
    await context.close()
  }
})

test.concurrent('cuts and an outage are drawn, and the page goes on where it was', async () => {
  const [, scene] = await scenes(url, 'en')
  if (!scene) throw new Error('no second scene')
  const proxy = new CuttingProxy(url)
  const through = await proxy.listen()
  const { page, context } = await visit(browser, through)
  proxy.cuts = 4
  await sceneButton(page, scene).click()
  await firstWords(page)
  const before = await laneTexts(page)
  proxy.down = true
  proxy.cutNow()
  await page.locator('.connection[data-state=waiting]').waitFor()
  // What was shown stays on the screen meanwhile.
  const meanwhile = await laneTexts(page)
  for (const sage of SAGES) expect(meanwhile[sage].startsWith(before[sage])).toBe(true)
  proxy.down = false
  const { both } = await untilOver(page, url)
  same(both)
  expect(proxy.made).toBeGreaterThanOrEqual(2)
  await context.close()
  proxy.close()
})

test('an unknown deliberation is said to be gone, and a new question is one press away', async () => {
  const { page, context } = await visit(browser, `${url}/#/d/01JD3ZK8M00000000000000000`)
  await page.getByRole('alert').getByText('gone').waitFor()
  await page.getByRole('button', { name: 'New question' }).click()
  await page.getByRole('textbox').waitFor()
  await context.close()
})

test('the history reopens a finished deliberation, and the playback shows it again', async () => {
  const { page, context } = await visit(browser, url)
  const first = page.locator('.past').first()
  await first.waitFor()
  await first.click()
  const { both } = await untilOver(page, url)
  same(both)
  await page.getByRole('button', { name: 'Replay' }).click()
  await page.locator('.band[data-mode=replay]').waitFor()
  await page.getByRole('radio', { name: '8×' }).click()
  await page.getByRole('button', { name: 'Show the end' }).click()
  await page.locator('.band[data-mode=replay]').waitFor({ state: 'detached' })
  const shown = await laneTexts(page)
  const { view } = await stored(url, idOf(page))
  for (const sage of SAGES) expect(shown[sage].length > 0).toBe(view.sages[sage].text.length > 0)
  await context.close()
})
