import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { SAGES } from '../stream/src/index.ts'
import { launch, visit } from './browser.ts'
import { Magi, Vendors } from './magi.ts'
import { untilOver } from './steps.ts'

let browser: Browser
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser.close())

// With a model configured the page's questions are deliberated: no rehearsal, and real votes.
test.runIf(inject('real'))(
  'with a model, a question of one’s own is deliberated and never marked as a rehearsal',
  async () => {
    const vendors = await Vendors.start()
    const magi = await Magi.start({
      OPENAI_BASE_URL: vendors.url,
      OPENAI_API_KEY: 'test',
      MAGI_MODEL: 'openai:fake+by-role+len-40+tps-60',
    })
    try {
      for (const [locale, question] of [
        ['en', 'Should the harbour crane be replaced this year?'],
        ['ja', '港のクレーンを今年中に更新すべきか？'],
      ] as const) {
        const { page, context, complaints } = await visit(browser, magi.url, { locale })
        await page.getByRole('textbox').fill(question)
        await page.keyboard.press('Enter')
        const { both, view } = await untilOver(page, magi.url)
        for (const { sage, shown, stored } of both) expect(shown, sage).toBe(stored)
        expect(view.mode).toBe('live')
        expect(view.end?.kind).toBe('complete')
        const votes = SAGES.map((sage) => view.sages[sage].vote?.decision)
        expect(votes).toEqual(['REJECTED', 'APPROVED', 'APPROVED'])
        expect(await page.locator('.verdict').getAttribute('data-kind')).toBe('APPROVED')
        expect(await page.locator('.band[data-mode=rehearsal]').count()).toBe(0)
        expect(complaints).toEqual([])
        await context.close()
      }
    } finally {
      await magi.end()
      await vendors.stop()
    }
  },
)
