/**
 * Every state of every screen in both languages, dark and light, at three widths: its layout is sound and
 * axe finds nothing. With MAGI_SHOTS=folder each is also saved there as a picture, and what is found as a list.
 */
import { appendFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { serve } from '../dev/serve.ts'
import { findings } from './axe.ts'
import { launch, pageOf } from './browser.ts'
import { HOSTED, putUp, type Hosted } from './hosted.ts'
import { layoutFaults } from './layout.ts'
import { CuttingProxy } from './proxy.ts'
import { pastOf, UNUSED, USED, type Stage, type State } from './states.ts'

const WIDTHS = [1440, 820, 390]
/** The narrowest a page must still fit on (WCAG 1.4.10). */
const NARROWEST = 320
const HEIGHT = 900
const SHOTS = process.env['MAGI_SHOTS']

let browser: Browser
beforeAll(async () => {
  if (SHOTS !== undefined) await mkdir(SHOTS, { recursive: true })
  browser = await launch()
})
afterAll(() => browser.close())

/** What is found out about one look of the page. */
class Report {
  readonly faults: string[] = []
  looked = 0
  readonly #look: string

  constructor(look: string) {
    this.#look = look
  }

  /** Looks at the state a page is in now, once its marks are in sight. */
  async at(page: Page, width: number, state: Pick<State, 'name' | 'marks' | 'locked'>) {
    const where = `${this.#look}, ${width}: ${state.name}`
    try {
      for (const mark of state.marks)
        await page.locator(`${mark} >> visible=true`).first().waitFor()
    } finally {
      // Also what has no such mark.
      await this.picture(page, where)
    }
    await settled(page)
    const layout = await layoutFaults(page, { nav: state.locked !== true })
    const rules = width === NARROWEST ? [] : await findings(page)
    for (const fault of [...layout, ...rules]) await this.#found(`${where}: ${fault}`)
    this.looked++
  }

  /** Where a state cannot be brought about the others are looked at all the same. */
  async guard(name: string, look: () => Promise<void>): Promise<void> {
    try {
      await look()
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      await this.#found(`${this.#look}: ${name}: ${why}`)
    }
  }

  async #found(fault: string): Promise<void> {
    this.faults.push(fault)
    if (SHOTS !== undefined) await appendFile(join(SHOTS, 'faults.txt'), `${fault}\n`)
  }

  async picture(page: Page, where: string): Promise<void> {
    if (SHOTS === undefined) return
    const path = join(SHOTS, `${where.replace(/[^\w]+/g, '-')}.png`)
    await page.screenshot({ path, fullPage: true })
  }
}

/** The layout of a new width has been drawn. */
const settled = (page: Page): Promise<void> =>
  page.evaluate(
    () =>
      new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve()))),
  )

/** Looks at a state at every width, brought about once where a change of the width leaves it be. */
async function everyWidth(report: Report, stage: Stage, state: State): Promise<void> {
  const { page } = stage
  for (const [index, width] of [...WIDTHS, NARROWEST].entries()) {
    await page.setViewportSize({ width, height: HEIGHT })
    if (index === 0 || state.fleeting) await state.open(stage)
    await report.at(page, width, state)
  }
}

async function served(report: Report, context: BrowserContext, ja: boolean): Promise<void> {
  const server = await serve({ pace: 4 })
  const proxy = new CuttingProxy(server.url)
  const url = await proxy.listen()
  const page = await pageOf(context, url)
  const { fake } = server
  const scene = ja ? 'ekimae' : 'billing'
  const used = (): Stage => ({ page, url, fake, proxy, scene, past: pastOf(fake, scene) })
  const none = {} as Stage['past']
  for (const state of UNUSED)
    await report.guard(state.name, () =>
      everyWidth(report, { page, url, fake, proxy, scene, past: none }, state),
    )
  const stage = used()
  for (const state of USED) await report.guard(state.name, () => everyWidth(report, stage, state))
  await page.close()
  proxy.close()
  server.close()
}

async function hosted(report: Report, context: BrowserContext, state: Hosted): Promise<void> {
  const { url, close } = await putUp(state)
  const page = await pageOf(context, url)
  await page.goto(url)
  await state.then?.(page).catch(async (error: unknown) => {
    await report.picture(page, `not reached: ${state.name}`)
    throw error
  })
  for (const width of [...WIDTHS, NARROWEST]) {
    await page.setViewportSize({ width, height: HEIGHT })
    await report.at(page, width, state)
  }
  await page.close()
  close()
}

async function look(colorScheme: 'dark' | 'light', lang: 'en' | 'ja'): Promise<Report> {
  const report = new Report(`${colorScheme}, ${lang}`)
  const context = await browser.newContext({
    colorScheme,
    locale: lang === 'ja' ? 'ja-JP' : 'en-US',
    reducedMotion: 'reduce',
    // axe is put into the page, whose policy lets nothing in.
    bypassCSP: true,
    timezoneId: 'UTC',
  })
  await served(report, context, lang === 'ja')
  for (const state of HOSTED) await report.guard(state.name, () => hosted(report, context, state))
  await context.close()
  return report
}

test.concurrent.each(['dark', 'light'] as const)(
  'every state is laid out soundly and axe finds nothing: %s, in both languages',
  { timeout: 1_500_000 },
  async (colorScheme) => {
    const reports = [await look(colorScheme, 'en'), await look(colorScheme, 'ja')]
    const looked = reports.reduce((sum, report) => sum + report.looked, 0)
    console.log(`${colorScheme}: ${looked} views looked at`)
    expect(reports.flatMap(({ faults }) => faults).join('\n')).toBe('')
  },
)
