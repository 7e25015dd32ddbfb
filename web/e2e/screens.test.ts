import { gzipSync } from 'node:zlib'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SCENES } from '../dev/scenes.ts'
import { serve } from '../dev/serve.ts'
import { launch, visit } from './browser.ts'
import { walk } from './edges.ts'

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
  left = server.fake.finished('billing', '2026-11-25T01:12:00Z', {
    my_decision: 'Decision: as the verdict\nWhy: the freeze',
    outcome: 'good: no letter lost',
  })
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

const stopped = (id: string): number =>
  server.fake.requests.filter(({ path }) => path.endsWith(`${id}/stop`)).length

test.each(['Esc', 'the control', 'Esc, a moment of it shown', 'Esc, played as a deliberation'])(
  'a deliberation that runs is stopped on its trace too: %s',
  async (how) => {
    server.fake.hold('tally')
    const { log } = server.fake.start('Can this be stopped?')
    const { page, context } = await at(`d/${log.id}/trace`)
    await page.locator('.trace-mark[data-mark=vote]').first().waitFor()
    const stop = page.locator('.deliberation-bar .stop')
    await stop.waitFor()
    if (how.includes(',')) {
      await page.getByRole('slider').focus()
      await page.keyboard.press('Home')
      await page.locator('.moment').getByText('At 0.0 s').waitFor()
    }
    if (how.includes('played')) {
      await page.getByRole('link', { name: 'Deliberation', exact: true }).click()
      await page.locator('.band[data-mode=replay]').waitFor()
      expect(await page.locator('.stop').count()).toBe(1)
    }
    if (how === 'the control') await stop.click()
    else await page.keyboard.press('Escape')
    await stop.waitFor({ state: 'detached' })
    expect(stopped(log.id)).toBe(1)
    // It is over, also where a moment before its end is shown.
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Help' }).click()
    await page.locator('dialog[open]').waitFor()
    expect(stopped(log.id)).toBe(1)
    await context.close()
  },
)

test('a stop that is refused on the trace says so there', async () => {
  server.fake.hold('tally')
  const { log } = server.fake.start('Can this be stopped?')
  const { page, context } = await at(`d/${log.id}/trace`)
  await page.locator('.deliberation-bar .stop').waitFor()
  server.fake.refuse = 409
  await page.keyboard.press('Escape')
  await page.locator('.deliberation-bar .refused').getByText('Stop was not possible').waitFor()
  server.fake.refuse = undefined
  await page.getByRole('button', { name: 'Dismiss' }).click()
  await page.locator('.refused').waitFor({ state: 'detached' })
  await context.close()
})

/** Keeps what the live regions of a page say: those that are so by their role or their element, too. */
async function listen(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(() => {
    const LIVE = '[aria-live], [role=status], [role=alert], [role=log], output'
    const said: string[] = []
    Object.assign(window, { said })
    new MutationObserver((changes) => {
      for (const { target } of changes) {
        const around = target instanceof Element ? target : target.parentElement
        const live = around?.closest(LIVE)
        if (live && live.getAttribute('aria-live') !== 'off') said.push(live.textContent ?? '')
      }
    }).observe(document.body, { subtree: true, childList: true, characterData: true })
  })
  return () => page.evaluate(() => (window as unknown as { said: string[] }).said)
}

test('a trace that is live, and a playback, speak at phase boundaries only', async () => {
  const time = (page: Page) => page.locator('.scrubber input').getAttribute('aria-valuetext')
  server.fake.hold('agent_chunk')
  const { log } = server.fake.start(SCENES['billing']!.question)
  const { page, context } = await at(`d/${log.id}/trace`)
  await page.locator('.timeline').waitFor()
  const said = await listen(page)
  const first = await time(page)
  server.fake.hold(undefined)
  await page.locator('.trace-mark[data-mark=verdict]').waitFor({ timeout: 60_000 })
  expect((await time(page))?.slice(0, 11)).not.toBe(first?.slice(0, 11))
  // Three votes, the judge, the verdict.
  await expect.poll(async () => (await said()).join(' ')).toContain('Verdict')
  const spoken = await said()
  expect(spoken.filter((text) => /\d:\d\d/.test(text))).toEqual([])
  expect(spoken.length, spoken.join('\n')).toBeLessThanOrEqual(6)

  await page.getByRole('radio', { name: '8×' }).click()
  await page.locator('.moment article[data-agent=solomon]').waitFor()
  await page.getByRole('link', { name: 'Deliberation', exact: true }).click()
  await page.locator('.verdict').waitFor({ timeout: 60_000 })
  expect(await said()).toEqual(spoken)
  await context.close()
})

/** The page is walked through both ways; more of it than its header must be there to be walked through. */
async function expectInSight(page: Page): Promise<void> {
  for (const key of ['Tab', 'Shift+Tab'] as const) {
    const { places, hidden } = await walk(page, key)
    expect(hidden, key).toEqual([])
    expect(places).toBeGreaterThan(12)
  }
}

test.each([
  [390, 760],
  [390, 844],
  [820, 760],
  [1280, 600],
])('what has the focus is never all covered: %i × %i', async (width, height) => {
  const { page, context } = await at(`d/${left}`, { viewport: { width, height } })
  // What waits to be deleted stays in sight while its deletion is refused.
  await page.clock.install()
  await page.locator('.verdict').waitFor()
  await page.locator('.decision').waitFor()
  await expectInSight(page)
  await page.getByRole('button', { name: 'Play' }).click()
  await page.locator('.band[data-mode=replay]').waitFor()
  await page.getByRole('radio', { name: 'Instant' }).click()
  await page.locator('.verdict').waitFor()
  await expectInSight(page)
  await page.goto(`${server.url}/#/presets/strict`)
  await page.locator('.screen-actions .button').first().click()
  await page.locator('.preset-save').waitFor()
  await expectInSight(page)
  await page.goto(`${server.url}/#/history`)
  await page.locator('.past-row .choose').first().click()
  await page.locator('.choice').waitFor()
  await page.locator('.past-row').nth(1).locator('.row-menu').click()
  await page.getByRole('menuitem').last().click()
  await page.locator('.pending-one').waitFor()
  server.fake.refuse = 503
  await page.clock.fastForward(11_000)
  await page.locator('.pending-one[data-state=failed]').waitFor()
  server.fake.refuse = undefined
  await expectInSight(page)
  await context.close()
})

test.each([
  [390, 844],
  [1280, 760],
])('the way to the verdict leads to its top: %i × %i', async (width, height) => {
  for (const way of ['.to-verdict', '.verdict-bar button']) {
    const { page, context } = await at(`d/${left}`, { viewport: { width, height } })
    await page.locator('.verdict .decision').waitFor()
    if (await page.locator(way).isVisible()) {
      await page.locator(way).click()
      const top = async () => (await page.locator('#verdict').boundingBox())?.y ?? -1
      await expect.poll(top).toBeGreaterThanOrEqual(0)
      expect(await top()).toBeLessThan(height / 4)
    }
    await context.close()
  }
})

test('two compared: what differs is said, marked in the text, and can stand alone', async () => {
  const { page, context, complaints } = await at(`compare/${left}/${right}`)
  await page.locator('.pairs').waitFor()
  const row = (name: string) =>
    page.getByRole('row').filter({ has: page.getByRole('rowheader', { name, exact: true }) })
  expect(await row('Vote of CASPAR').textContent()).toContain('differs')
  expect(await row('Vote of MELCHIOR').textContent()).toContain('same')
  const said = (name: string) => row(name).locator('td').allInnerTexts()
  expect(await said('Votes')).toEqual([
    '2 approved, 1 rejected, 0 abstained',
    '3 approved, 0 rejected, 0 abstained',
    '≠ differs',
  ])
  expect((await said('Strongest objection to this verdict'))[0]).toMatch(
    /CASPAR\s+December is the month/,
  )
  expect(await row('Conditions').locator('td').first().locator('li').count()).toBe(3)
  expect(await said('My decision')).toEqual(['as the verdict\nWhy: the freeze', '–', '≠ differs'])
  expect(await said('How it turned out')).toEqual(['well\nno letter lost', '–', '≠ differs'])
  expect((await said('Language'))[0]).toBe('English')
  // No row without anything in it: nobody named a panel, and no price is known.
  for (const name of ['The judge’s panel', 'Cost', 'Context'])
    expect(await row(name).count(), name).toBe(0)
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
