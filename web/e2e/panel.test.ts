/** A panel in the judge's place, over a server of scripts: at work, judged, compared, and in a preset. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { serve } from '../dev/serve.ts'
import { findings } from './axe.ts'
import { launch, visit } from './browser.ts'

let browser: Browser
let server: Awaited<ReturnType<typeof serve>>
beforeAll(async () => {
  browser = await launch()
  server = await serve({ pace: 5 })
})
afterAll(async () => {
  await browser.close()
  server.close()
})

const QUAY = 'Build the second quay before the dredging is paid for?'
const LOOKS = [
  ['dark', 'en', 1440],
  ['light', 'ja', 390],
] as const

/** axe, and nothing wider than the screen. */
async function sound(page: Page, state: string): Promise<void> {
  expect(await findings(page), state).toEqual([])
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
  expect(over, state).toBeLessThanOrEqual(0)
}

test('a panel is followed while it judges, and read when it has judged', async () => {
  server.fake.hold('judge_chunk')
  const { log } = server.fake.start(QUAY)
  const { page, context, complaints } = await visit(browser, `${server.url}/#/d/${log.id}`)
  const work = page.locator('.panel-work')
  await work.getByText('4 of 4 have ended').waitFor()
  expect(await work.locator('li').allTextContents()).toEqual([
    'openai:gpt-5-minihas judged',
    'anthropic:claude-haiku-4-5has judged',
    'ollama:qwen3:8bno answer',
    'bedrock:global.amazon.nova-lite-v1:0has judged',
  ])
  expect(await work.textContent()).not.toMatch(/APPROVED|REJECTED/)
  expect(await page.locator('.judge .order').count()).toBe(0)
  server.fake.hold(undefined)
  const table = page.locator('.panel')
  await table.waitFor()
  await work.waitFor({ state: 'detached' })
  const row = (name: string) => table.getByRole('row').filter({ hasText: name })
  expect(await row('claude-haiku').textContent()).toContain('the words of the judgment')
  expect(await row('qwen3').textContent()).toContain('no answer: the connection')
  expect(await row('nova-lite').textContent()).toContain('REJECTED')
  expect(await row('majority and medians').textContent()).toMatch(/APPROVED725581$/)
  expect(await page.locator('.judge .lane-model').textContent()).toMatch(/^panel of openai:gpt/)
  expect(complaints).toEqual([])
  await context.close()
})

test('what a panel decided is a difference between two deliberations', async () => {
  const left = server.fake.finished('quay', '2026-11-25T01:12:00Z')
  const right = server.fake.finished('billing', '2026-11-26T01:12:00Z')
  const { page, context } = await visit(browser, `${server.url}/#/compare/${left}/${right}`)
  const row = page.getByRole('row').filter({ hasText: 'The judge’s panel' })
  await row.waitFor()
  expect(await row.textContent()).toContain('differs')
  expect(await row.locator('td').first().locator('li').count()).toBe(4)
  await context.close()
})

test('a preset names a panel, names none, and keeps what it has no field for', async () => {
  server.fake.presets.save('port', {
    bad_at: { en: 'Haste' },
    council: { roles: { solomon: { panel: ['a:b', 'c:d'], voice: 'low' } } },
  })
  const { page, context } = await visit(browser, `${server.url}/#/presets/port`)
  const field = page.getByLabel('Panel', { exact: true })
  expect(await field.inputValue()).toBe('a:b, c:d')
  expect(await field.count()).toBe(1)
  const kept = () => server.fake.presets.get('port')?.council.roles?.solomon
  const saved = async (text: string, version: number): Promise<void> => {
    await field.fill(text)
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText(`port is saved as version ${version}.`).waitFor()
  }
  await saved('openai:gpt-5-mini, ollama:qwen3:8b', 2)
  expect(kept()).toEqual({ panel: ['openai:gpt-5-mini', 'ollama:qwen3:8b'], voice: 'low' })
  await saved('none', 3)
  expect(kept()).toEqual({ panel: [], voice: 'low' })
  await context.close()
})

test.each(LOOKS)(
  'axe finds nothing, at work or judged: %s %s %i',
  async (colorScheme, locale, width) => {
    server.fake.hold('judge_chunk')
    const { log } = server.fake.start(QUAY)
    const { page, context } = await visit(browser, `${server.url}/#/d/${log.id}`, {
      colorScheme,
      locale,
      viewport: { width, height: 860 },
      reducedMotion: 'reduce',
      bypassCSP: true,
    })
    await page.locator('.panel-seats [data-state=failed]').waitFor()
    await sound(page, 'at work')
    server.fake.hold(undefined)
    await page.locator('.panel').waitFor()
    await sound(page, 'judged')
    const split = server.fake.finished('hotori', '2026-11-25T01:12:00Z')
    await page.goto(`${server.url}/#/d/${split}`)
    await page.locator('.panel').waitFor()
    await sound(page, 'split')
    await page.goto(`${server.url}/#/compare/${log.id}/${split}`)
    await page.locator('.panel-cell').first().waitFor()
    await sound(page, 'compared')
    await context.close()
  },
)
