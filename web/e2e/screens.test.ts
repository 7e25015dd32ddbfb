import { gzipSync } from 'node:zlib'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SCENES } from '../dev/scenes.ts'
import { serve } from '../dev/serve.ts'
import { launch, visit } from './browser.ts'

/** Trace, playback, comparison and the connection check, over a server of scripts. */
let browser: Browser
let server: Awaited<ReturnType<typeof serve>>
let left: string
let right: string
beforeAll(async () => {
  browser = await launch()
  server = await serve({ pace: 20 })
  const { parts } = SCENES['billing']!
  const caspar = { ...parts.caspar!, decision: 'APPROVED' as const, text: 'Go.\n\nDecember it is.' }
  left = server.fake.finished('billing', '2026-11-25T01:12:00Z')
  right = server.fake.finished(
    'billing',
    '2026-11-26T01:12:00Z',
    { fork_of: left },
    { parts: { ...parts, caspar } },
  )
})
afterAll(async () => {
  await browser.close()
  server.close()
})

async function at(hash: string, options: Parameters<typeof visit>[2] = {}) {
  return visit(browser, `${server.url}/#/${hash}`, options)
}

/** What comes when it is wanted, by the names of its files. */
const LATER = /-screen|\/(?:deliberation|help|settings-dialog|record|words\.ja)-/

test('the first screen is under 180 kB gzipped in all, and the other screens come on demand', async () => {
  const context = await browser.newContext({ locale: 'en-US' })
  const page = await context.newPage()
  const files = new Map<string, number>()
  page.on('response', async (response) => {
    const path = new URL(response.url()).pathname
    if (path.startsWith('/v1/')) return
    const body = await response.body().catch(() => Buffer.alloc(0))
    files.set(path, gzipSync(body).length)
  })
  await page.goto(server.url)
  await page.locator('.question-input').waitFor()
  await page.waitForLoadState('networkidle')
  const all = [...files.values()].reduce((sum, size) => sum + size, 0)
  console.log(`first screen: ${(all / 1000).toFixed(1)} kB gzipped in ${files.size} files`)
  expect(all).toBeLessThan(180_000)
  expect([...files.keys()].filter((path) => LATER.test(path))).toEqual([])
  await context.close()
})

test('the trace: any moment by press, by keys and by playing; the end again', async () => {
  const { page, context, complaints } = await at(`d/${left}/trace`)
  await page.locator('.timeline').waitFor()
  const caspar = page.locator('.moment article[data-agent=caspar]')
  await caspar.getByText('REJECTED').waitFor()
  const plot = page.locator('.timeline-plot svg')
  const box = (await plot.boundingBox())!
  expect(box.width).toBeGreaterThan(700)
  await plot.click({ position: { x: 6, y: 40 } })
  await page.waitForFunction(() =>
    /At 0\.\d s/.test(document.querySelector('#moment-title')?.textContent ?? ''),
  )
  expect(await caspar.textContent()).not.toContain('REJECTED')
  const slider = page.getByRole('slider', { name: 'Moment' })
  const before = Number(await slider.inputValue())
  await slider.focus()
  await page.keyboard.press('ArrowRight')
  expect(Number(await slider.inputValue())).toBeGreaterThan(before)
  expect(await slider.getAttribute('aria-valuetext')).toContain('CASPAR: ')
  await page.keyboard.press('End')
  await caspar.getByText('REJECTED').waitFor()
  await page.keyboard.press('Home')
  await page.getByRole('radio', { name: '8×' }).click()
  await page.getByRole('button', { name: 'Play' }).click()
  await caspar.getByText('REJECTED').waitFor({ timeout: 30_000 })
  // The lanes show the same moment.
  await slider.focus()
  await page.keyboard.press('Home')
  await page.getByRole('link', { name: 'Deliberation', exact: true }).click()
  await page.locator('.band[data-mode=replay]').waitFor()
  await page.getByRole('radio', { name: 'Instant' }).click()
  await page.locator('.verdict').waitFor()
  await page.getByRole('button', { name: 'Show the end' }).click()
  await page.locator('.band[data-mode=replay]').waitFor({ state: 'detached' })
  expect(complaints).toEqual([])
  await context.close()
})

test('the table says what the timeline draws, and the cost view who spent it', async () => {
  const { page, context } = await at(`d/${left}/trace`)
  await page.getByRole('radio', { name: 'Table' }).click()
  const table = page.getByRole('table')
  const all = () => table.getByRole('row').allTextContents()
  // What comes is drawn some times a second: the last votes may still be on their way.
  await expect.poll(async () => (await all()).filter((row) => row.includes('voted')).length).toBe(3)
  const rows = await all()
  expect(rows.some((row) => row.includes('CASPAR') && row.includes('tries again'))).toBe(true)
  expect(rows.some((row) => row.includes('attempt 2') && row.includes('writing'))).toBe(true)
  await page.getByRole('radio', { name: 'Cost' }).click()
  expect(await page.getByRole('rowheader', { name: 'Total' }).count()).toBe(1)
  expect(await page.locator('.share').count()).toBe(4)
  await context.close()
})

test('a trace that is live follows what comes', async () => {
  server.fake.hold('tally')
  const { log } = server.fake.start('Is this live?')
  const { page, context } = await at(`d/${log.id}/trace`)
  await page.locator('.timeline').waitFor()
  await page.locator('.moment').getByText('Now').waitFor()
  expect(await page.locator('.trace-mark[data-mark=verdict]').count()).toBe(0)
  server.fake.hold(undefined)
  await page.locator('.trace-mark[data-mark=verdict]').waitFor({ timeout: 60_000 })
  await context.close()
})

test('two compared: what differs is said, marked in the text, and can stand alone', async () => {
  const { page, context, complaints } = await at(`compare/${left}/${right}`)
  await page.locator('.pairs').waitFor()
  const row = (name: string) => page.getByRole('row').filter({ hasText: name })
  expect(await row('Vote of CASPAR').textContent()).toContain('changed')
  expect(await row('Vote of MELCHIOR').textContent()).toContain('same')
  await page.getByRole('radio', { name: 'MELCHIOR' }).click()
  await page.getByText('Word for word the same.').waitFor()
  await page.getByRole('radio', { name: 'CASPAR' }).click()
  expect(await page.locator('.pairs > [data-kind-of=changed]').count()).toBeGreaterThan(0)
  await page.getByRole('link', { name: 'Swap A and B' }).click()
  await page.waitForURL(new RegExp(`${right}/${left}$`))
  expect(complaints).toEqual([])
  await page.goto(`${server.url}/#/compare/${left}/01JD3ZK8M00000000000000000`)
  await page.getByText('B could not be read').waitFor()
  await context.close()
})

test.each(['en-US', 'ja-JP'])(
  'what is a rehearsal says so on every screen of it: %s',
  async (locale) => {
    const note = locale === 'ja-JP' ? 'あらかじめ書かれた台本です' : 'were written beforehand'
    const asked = server.fake.finished('degraded', '2026-11-27T01:12:00Z')
    const mark = 'REHEARSAL リハーサル'
    const { page, context } = await at(`d/${left}/trace`, { locale })
    const band = page.locator('.trace-screen .band[data-mode=rehearsal]')
    await band.getByText(note).waitFor()
    expect(await band.textContent()).toContain(mark)
    // Of any moment of it, too.
    await page.getByRole('slider').first().focus()
    await page.keyboard.press('Home')
    expect(await band.count()).toBe(1)
    const sides = (): Promise<string[]> =>
      page
        .locator('.compare-head')
        .evaluateAll((heads) =>
          heads.map((head) => head.querySelector('[data-mode=rehearsal]')?.textContent ?? ''),
        )
    await page.goto(`${server.url}/#/compare/${left}/${right}`)
    await page.locator('.pairs').waitFor()
    for (const said of await sides()) {
      expect(said).toContain(mark)
      expect(said).toContain(note)
    }
    // The mark is each side's own: a council that was really asked has none.
    await page.goto(`${server.url}/#/compare/${asked}/${left}`)
    await page.locator('.compare-head').first().getByText('Drop support for clients').waitFor()
    const [first, second] = await sides()
    expect(first).toBe('')
    expect(second).toContain(mark)
    await page.goto(`${server.url}/#/d/${asked}/trace`)
    await page.locator('.timeline-plot').waitFor()
    expect(await band.count()).toBe(0)
    await context.close()
  },
)

test('the check goes the way, and finds the hop that holds back', async () => {
  const { page, context, complaints } = await at('connection')
  await page.getByText('It works.').waitFor()
  const outcome = (step: number) =>
    page.locator('.checks li').nth(step).getAttribute('data-outcome')
  expect(await outcome(4)).toBe('ok')
  expect(await outcome(5)).toBe('warn')
  server.fake.holds = true
  await page.getByRole('button', { name: 'Check again' }).click()
  await page.getByText('1 problem found.').waitFor()
  expect(await page.locator('.checks [data-outcome=fail]').textContent()).toContain(
    'holds answers back',
  )
  server.fake.holds = false
  expect(complaints).toEqual([])
  await context.close()
})
