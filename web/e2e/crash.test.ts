import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { launch, visit } from './browser.ts'
import { Magi } from './magi.ts'
import { firstWords, sceneButton, scenes, untilOver } from './steps.ts'

let browser: Browser
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser.close())

const firstVote = (page: Page): Promise<void> => page.locator('.vote').first().waitFor()

// The program is killed and started again, which only its own tests may do to it.
test.runIf(inject('real'))(
  'the server is killed twice and comes back: the page goes on by itself to the stored words',
  async () => {
    const magi = await Magi.start()
    try {
      const [scene] = await scenes(magi.url, 'en')
      if (!scene) throw new Error('no scene')
      const { page, context } = await visit(browser, magi.url)
      await sceneButton(page, scene).click()
      // Two crashes without a vote in between would end it, by design: a poisoned question must not
      // bring the server down for ever.
      for (const moment of [firstWords, firstVote]) {
        await moment(page)
        await page.waitForTimeout(500)
        await magi.down('SIGKILL')
        await page.locator('.connection[data-state=waiting]').waitFor()
        await magi.up()
        await page.locator('.connection[data-state=live]').waitFor()
      }
      const { both, view, events } = await untilOver(page, magi.url)
      for (const { sage, shown, stored } of both) expect(shown, sage).toBe(stored)
      expect(view.end?.kind).toBe('complete')
      expect(events.filter((event) => event.type === 'rewind')).toHaveLength(2)
      await context.close()
    } finally {
      await magi.end()
    }
  },
)
