/** The same votes judged in several orders, from the page, over a server of scripts. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { serve } from '../dev/serve.ts'
import { findings } from './axe.ts'
import { launch, visit } from './browser.ts'

let browser: Browser
let server: Awaited<ReturnType<typeof serve>>
beforeAll(async () => {
  browser = await launch()
  server = await serve({ pace: 2 })
})
afterAll(async () => {
  await browser.close()
  server.close()
})

async function judgeThrice(page: Page): Promise<void> {
  await page.getByRole('button', { name: /^Judge again/ }).click()
  const sheet = page.getByRole('dialog')
  await sheet.getByRole('radio', { name: '3 times' }).click()
  await sheet.getByRole('button', { name: 'Judge again' }).click()
  await sheet.waitFor({ state: 'detached' })
}

test('three of three are stable; they are linked, and a reload finds them again', async () => {
  const id = server.fake.finished('billing', '2026-11-25T01:12:00Z')
  const { page, context, complaints } = await visit(browser, `${server.url}/#/d/${id}`)
  await judgeThrice(page)
  expect(page.url()).toContain(id)
  const result = page.getByRole('region', { name: 'Stability' })
  await result.getByText('stable 3/3').waitFor()
  const asked = server.fake.requests.filter(({ path }) => path.endsWith('/rejudge'))
  expect(asked.map(({ body }) => body)).toMatchObject([{ stability: 3 }])
  await page.reload()
  await result.getByText('stable 3/3').waitFor()
  expect(server.fake.requests.filter(({ path }) => path.endsWith('/rejudge'))).toHaveLength(1)
  await result.getByRole('link', { name: 'Open no. 2' }).click()
  await page.locator('[data-link=from] a').waitFor()
  expect(complaints).toEqual([])
  await context.close()
})

test('an order in which the judge decides otherwise is named', async () => {
  const id = server.fake.finished('billing', '2026-11-25T01:12:00Z')
  server.fake.sways = 1
  const { page, context } = await visit(browser, `${server.url}/#/d/${id}`, { bypassCSP: true })
  await judgeThrice(page)
  const result = page.getByRole('region', { name: 'Stability' })
  await result.getByText('unstable: 2/3').waitFor()
  const rows = result.getByRole('listitem')
  expect(await rows.nth(1).textContent()).toMatch(
    /Order: CASPAR, MELCHIOR, BALTHASAR.*REJECTED.*differs/,
  )
  expect(await rows.nth(0).textContent()).toMatch(/APPROVED.*same/)
  expect(await findings(page)).toEqual([])
  server.fake.sways = undefined
  await context.close()
})

test('without a judgment there is nothing to compare with, so it is judged once', async () => {
  const id = server.fake.finished('degraded', '2026-11-25T01:12:00Z')
  const { page, context } = await visit(browser, `${server.url}/#/d/${id}`)
  await page.getByRole('button', { name: /^Judge again/ }).click()
  const sheet = page.getByRole('dialog')
  await sheet.getByRole('button', { name: 'Judge again' }).waitFor()
  expect(await sheet.getByRole('radio', { name: '3 times' }).count()).toBe(0)
  await context.close()
})
