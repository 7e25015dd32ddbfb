import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { launch, visit } from './browser.ts'
import { HOSTILE } from './hostile.ts'
import { Magi } from './magi.ts'
import { Speaker } from './speaker.ts'
import { idOf } from './steps.ts'

const real = inject('real')
/** So many are said by each of the four in one deliberation: few deliberations, since each takes a while. */
const EACH = 3
const AT_ONCE = 4 * EACH
let browser: Browser
let magi: Magi
let speaker: Speaker
beforeAll(async () => {
  if (!real) return
  browser = await launch()
  speaker = await Speaker.start()
  magi = await Magi.start({
    OPENAI_BASE_URL: speaker.url,
    OPENAI_API_KEY: 'test',
    MAGI_MODEL: 'openai:speaker',
  })
})
afterAll(async () => {
  if (!real) return
  await browser.close()
  await magi.end()
  await speaker.stop()
})

/** What ran, or was asked for, against the page's will: of all addresses only these are its own. */
function watch(page: Page, own: string): string[] {
  const seen: string[] = []
  page.on('dialog', (dialog) => {
    seen.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', (request) => {
    const url = request.url()
    // From the server's own origin comes nothing that a text names, either.
    if (!url.startsWith(own) || url.includes('canary')) seen.push(`request: ${url}`)
  })
  page.on('websocket', (socket) => seen.push(`socket: ${socket.url()}`))
  page.on('popup', (popup) => seen.push(`popup: ${popup.url()}`))
  return seen
}

/** Elements that no text of a model or a person may become, and addresses that no link may have. */
const made = (page: Page, inside: string): Promise<string[]> =>
  page.evaluate((root) => {
    const unwanted =
      'script, img, picture, iframe, object, embed, video, audio, form[action], input[autofocus], input:not([type]), style, link, base, meta, ' +
      'math, marquee, foreignObject, image, use, animate'
    const found: string[] = []
    for (const place of document.querySelectorAll(root))
      for (const element of place.querySelectorAll('*')) {
        if (element.matches(unwanted)) found.push(element.outerHTML)
        for (const { name } of element.attributes)
          if (name.startsWith('on')) found.push(element.outerHTML)
        const href = element.getAttribute('href') ?? ''
        if (href !== '' && !/^(https?:\/\/|#|\/v1\/)/.test(href)) found.push(element.outerHTML)
      }
    return found
  }, inside)

/** Every screen that draws what somebody wrote, and what must stand there before it is looked at. */
const SCREENS: readonly (readonly [(id: string) => string, string])[] = [
  [(id) => `#/d/${id}`, '.decision-leaning'],
  [() => '', '.past'],
  [() => '#/history', '.past-row'],
  [(id) => `#/d/${id}/trace`, '.timeline-plot svg'],
  [(id) => `#/compare/${id}/${id}`, '.pairs'],
]

/** Writes them beside a deliberation: as its title, as what was decided and why, and as how it turned out. */
async function remark(id: string, texts: readonly string[]): Promise<void> {
  const all = texts.join('\n').replaceAll('\u0000', '').trim()
  // As the page writes them: what goes on stands further in.
  const lines = all
    .slice(0, 4000)
    .split(/\r?\n|\r/)
    .join('\n  ')
  const body = {
    title: [...all.replaceAll('\n', ' ')].slice(0, 120).join(''),
    my_decision: ['Leaning before', 'Decision', 'Why']
      .map((label) => `${label}: ${lines}`)
      .join('\n'),
    outcome: `good: ${lines}`,
  }
  const answer = await fetch(`${magi.url}/v1/deliberations/${id}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  expect(answer.status, await answer.text()).toBe(200)
}

/** The trace as a picture at its first moments, as a table, and by cost. */
async function everyView(page: Page): Promise<void> {
  await page.getByRole('slider').focus()
  await page.keyboard.press('PageUp')
  for (const view of [1, 2, 0]) {
    await page.locator('.trace-screen .screen-head [role=radio]').nth(view).click()
    expect(await made(page, 'main'), 'elements of the trace').toEqual([])
  }
}

const groups = Object.entries(HOSTILE)
  .map((_, index, all) => all.slice(index, index + AT_ONCE))
  .filter((_, index) => index % AT_ONCE === 0)

test('there are at least forty of them', () => {
  expect(Object.keys(HOSTILE).length).toBeGreaterThanOrEqual(40)
})

test
  .runIf(real)
  .each(groups.map((group) => [group.map(([name]) => name).join('; '), group] as const))(
  'inert as question, answer, vote, verdict, title, decision and outcome, on every screen and in the record: %s',
  async (_names, group) => {
    const texts = group.map(([, text]) => text)
    speaker.texts = [0, 1, 2, 3].map((voice) => {
      const said = texts.filter((_, index) => index % 4 === voice)
      return said.map((text) => `Before.\n\n${text}\n\nAfter: ${text}`).join('\n\n')
    })
    // No question may hold a NUL; an answer may.
    const question = texts.join('\n').replaceAll('\u0000', '').trim()
    const { page, context, complaints } = await visit(browser, magi.url)
    const seen = watch(page, `${magi.url}/`)
    await page.getByRole('textbox').first().fill(question)
    await page.keyboard.press('Enter')
    await page.locator('.verdict').waitFor()
    expect(await page.locator('.verdict').getAttribute('data-kind')).toBe('APPROVED')
    const id = idOf(page)
    const lanes = await page.locator('.lane-scroll').allTextContents()
    for (const lane of lanes) expect(lane, 'what was said is shown').toContain('After: ')
    await remark(id, texts)
    for (const [hash, mark] of SCREENS) {
      // From nowhere, so that each is loaded anew.
      await page.goto('about:blank')
      await page.goto(`${magi.url}/${hash(id)}`)
      await page.locator(mark).first().waitFor()
      if (hash(id).endsWith('/trace')) await everyView(page)
      // Whatever is folded away is drawn too.
      for (const fold of await page.locator('button[aria-expanded=false]').all())
        await fold.click({ timeout: 2000 }).catch(() => {})
      // All of them where they were said; elsewhere the same ones are drawn by the same part.
      const links = await page.locator('.prose a').all()
      for (const link of mark === '.decision-leaning' ? links : links.slice(0, 3))
        await link.hover({ timeout: 2000 }).catch(() => {})
      expect(await made(page, 'main'), 'elements').toEqual([])
    }
    expect(await page.title()).toContain('MAGI')
    expect(complaints).toEqual([])

    const response = await fetch(`${magi.url}/v1/deliberations/${id}/export?format=html`)
    const file = join(magi.data, `${id}.html`)
    await writeFile(file, await response.text())
    const record = await context.newPage()
    const at = pathToFileURL(file).href
    const there = watch(record, at)
    await record.goto(at)
    expect(await made(record, 'body'), 'elements of the record').toEqual([])
    expect([...seen, ...there]).toEqual([])
    expect(await page.evaluate(() => 'polluted' in {})).toBe(false)
    await context.close()
  },
)
