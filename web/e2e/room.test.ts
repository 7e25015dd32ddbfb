/**
 * What is done in the room, over the scripted server: it can be held in any phase, so that nothing here
 * waits for a moment to be hit. The verbs' own meaning is tested against the real one, in `verbs.test.ts`.
 */
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Hold } from '../dev/fake.ts'
import { serve } from '../dev/serve.ts'
import { launch, visit } from './browser.ts'
import { idOf, marked } from './steps.ts'

const BILLING = 'Move billing to the new database in December?'

let browser: Browser
let here: Awaited<ReturnType<typeof serve>>
beforeAll(async () => {
  browser = await launch()
  here = await serve({ pace: 4 })
})
afterAll(async () => {
  await browser.close()
  here.close()
})

/** Starts the scene and holds it before the first event of this kind. */
async function heldBefore(
  kind: Hold,
  options: Parameters<typeof visit>[2] = {},
  question: string = BILLING,
) {
  here.fake.hold(kind)
  const opened = await visit(browser, here.url, options)
  await opened.page.locator('.scene').filter({ hasText: question }).first().click()
  await opened.page.locator('.lanes').waitFor()
  return opened
}

const stops = (): number => here.fake.requests.filter(({ path }) => path.endsWith('/stop')).length
const posted = (verb: string) =>
  here.fake.requests.filter(({ path }) => path.endsWith(`/${verb}`)).map(({ body }) => body)

/** What must be on the screen when the deliberation is held in this phase. */
const PHASES: [string, Hold, (page: Page) => Promise<unknown>, string?][] = [
  ['before the first token', 'agent_chunk', (page) => page.locator('.stop').waitFor()],
  ['writing', 'agent_complete', (page) => page.locator('.lane-scroll > .prose').first().waitFor()],
  ['between the votes and the tally', 'tally', (page) => page.locator('.vote').nth(2).waitFor()],
  [
    'before the judge speaks',
    'judge_chunk',
    (page) => page.locator('.judge[data-status=connecting]').waitFor(),
  ],
  [
    'the judge speaks',
    'judge_complete',
    (page) => page.locator('.judge .lane-scroll > .prose').waitFor(),
  ],
  [
    'paused',
    'agent_complete',
    async (page) => {
      await page.locator('.lane-scroll > .prose').first().waitFor()
      await page.getByRole('button', { name: 'Pause' }).click()
      await page.locator('[data-notice=paused]').waitFor()
    },
  ],
  [
    'waiting to try again',
    ({ type, data }) => type === 'agent_start' && data['attempt'] === 2,
    (page) => page.locator('.lane[data-agent=caspar][data-status=retrying]').waitFor(),
  ],
  [
    'voting again after a note',
    // Its third attempt is the vote that knows the note: the first broke.
    ({ type, data }) => type === 'tally' || (type === 'agent_complete' && data['attempt'] === 3),
    async (page) => {
      await page.locator('.vote').nth(2).waitFor()
      await page.getByRole('button', { name: 'Tell the council' }).click()
      const note = page.locator('.note')
      await note.getByRole('radio', { name: 'CASPAR' }).click()
      await note.locator('.note-input').fill('The freeze begins on the 20th.')
      await page.keyboard.press('Enter')
      await note.waitFor({ state: 'detached' })
      await page.locator('.lane[data-agent=caspar][data-status=writing]').waitFor()
    },
  ],
  [
    'a panel judges',
    ({ type, data }) => type === 'trace' && data['duration_ms'] !== undefined,
    (page) => page.locator('.panel-work .panel-seats').waitFor(),
    'Build the second quay',
  ],
]

test.each(PHASES)(
  'stop works %s: by Esc, and by a double click once',
  async (_, kind, ready, question) => {
    for (const how of ['Escape', 'double click'] as const) {
      const { page, context, complaints } = await heldBefore(kind, {}, question)
      await ready(page)
      const before = stops()
      if (how === 'Escape') await page.keyboard.press('Escape')
      else await page.locator('.stop').dblclick()
      await page.locator('.verdict[data-kind=STOPPED]').waitFor()
      expect(stops() - before, how).toBe(1)
      expect(await page.locator('.stop').count()).toBe(0)
      expect(complaints).toEqual([])
      await context.close()
    }
  },
)

test('stop before the question has its id is kept, and said as soon as it has one', async () => {
  here.fake.hold(undefined)
  const { page, context } = await visit(browser, here.url)
  let release = (): void => {}
  const gate = new Promise<void>((resolve) => (release = resolve))
  await page.route('**/v1/deliberations', async (route) => {
    if (route.request().method() !== 'POST') return route.continue()
    await gate
    return route.continue()
  })
  const before = stops()
  await page.locator('.scene').first().click()
  await page.locator('.stop').click()
  await expect.poll(() => page.locator('.stop').isDisabled()).toBe(true)
  expect(stops()).toBe(before)
  here.fake.hold('tally')
  release()
  await page.locator('.verdict[data-kind=STOPPED]').waitFor()
  expect(stops() - before).toBe(1)
  await context.close()
})

test('Esc in a dialog or in the note closes that, and stops nothing', async () => {
  const { page, context } = await heldBefore('tally')
  await page.locator('.vote').nth(2).waitFor()
  const before = stops()
  await page.keyboard.press('?')
  await page.locator('dialog[open]').waitFor()
  await page.keyboard.press('Escape')
  await page.locator('dialog[open]').waitFor({ state: 'detached' })
  await page.keyboard.press('n')
  await page.locator('.note-input').fill('x')
  await page.keyboard.press('Escape')
  await page.locator('.note').waitFor({ state: 'detached' })
  expect(stops()).toBe(before)
  expect(await page.locator('.stop').isVisible()).toBe(true)
  await context.close()
})

test('what a sign means: the pointer may go over to it, and Esc takes it away before it stops anything', async () => {
  const { page, context } = await heldBefore('tally')
  // Nothing moves any more.
  await page.locator('.vote').nth(2).waitFor()
  const sign = page.getByRole('button', { name: 'Let CASPAR try again' })
  const tip = page.locator('.tip')
  const before = stops()
  await sign.hover()
  await tip.getByText('Let CASPAR try again').waitFor()
  await tip.hover()
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(drawn)))
  expect(await tip.count()).toBe(1)
  await page.keyboard.press('Escape')
  await tip.waitFor({ state: 'detached' })
  await page.mouse.move(0, 0)
  await page.keyboard.press('1')
  await page.locator('.lane[data-agent=caspar] .lane-scroll:focus').waitFor()
  // Past the attempt that is folded away.
  for (let tab = 0; tab < 2; tab++) await page.keyboard.press('Tab')
  expect(await sign.evaluate((button) => button === document.activeElement)).toBe(true)
  await tip.getByText('Let CASPAR try again').waitFor()
  await page.keyboard.press('Escape')
  await tip.waitFor({ state: 'detached' })
  expect(stops()).toBe(before)
  await page.keyboard.press('Escape')
  await page.locator('.verdict[data-kind=STOPPED]').waitFor()
  expect(stops() - before).toBe(1)
  await context.close()
})

test('pause, a note, a sage again and stopped, each by its own control', async () => {
  const { page, context, complaints } = await heldBefore('agent_complete')
  await page.locator('.lane-scroll > .prose').first().waitFor()
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.locator('[data-notice=paused]').waitFor()
  await page.getByRole('button', { name: 'Go on' }).click()
  await page.locator('[data-notice=paused]').waitFor({ state: 'detached' })

  await page.getByRole('button', { name: 'Tell the council' }).click()
  await page.getByRole('radio', { name: 'Correction' }).click()
  await page.locator('.note').getByRole('radio', { name: 'MELCHIOR' }).click()
  await page.locator('.note-input').fill('The window is 5 h, not 6 h.')
  await page.keyboard.press('Enter')
  await page.locator('.notes').getByText('Correction: The window is 5 h, not 6 h.').waitFor()
  expect(posted('note').at(-1)).toMatchObject({ agent: 'melchior' })

  await page.getByRole('button', { name: 'Let BALTHASAR try again' }).click()
  await page.locator('.lane[data-agent=balthasar] .lane-status').getByText('attempt 2').waitFor()
  expect(posted('retry').at(-1)).toEqual({ agent: 'balthasar', attempt: 1 })
  await page.getByRole('button', { name: 'Stop CASPAR' }).click()
  const caspar = page.locator('.lane[data-agent=caspar]')
  await caspar.locator('.vote[data-kind=STOPPED]').waitFor()
  expect(await caspar.locator('.lane-status').textContent()).toBe('stopped')
  expect(await page.getByRole('button', { name: 'Stop CASPAR' }).count()).toBe(0)
  expect(complaints).toEqual([])
  await context.close()
})

test('a refusal stands beside what it concerned, and a late note offers a fork with it', async () => {
  const { page, context } = await heldBefore('judge_complete')
  await page.locator('.judge .lane-scroll > .prose').waitFor()
  await page.getByRole('button', { name: 'Tell the council' }).click()
  await page.locator('.note').getByText('comes too late here').waitFor()
  const first = idOf(page)
  await page.locator('.note-input').fill('The freeze begins on the 8th.')
  await page.getByRole('button', { name: 'Fork with this note' }).click()
  await page.waitForFunction((id) => !location.hash.includes(id), first)
  expect(posted('fork').at(-1)).toMatchObject({ note: 'Fact: The freeze begins on the 8th.' })
  // The way back, and from there the way on.
  const back = page.locator('[data-link=from] a')
  await back.waitFor()
  const second = idOf(page)
  await back.click()
  await page.waitForFunction((id) => location.hash.includes(id), first)
  await page.locator('[data-link=to] a').first().waitFor()
  const onwards = await page.locator('[data-link=to] a').first().getAttribute('href')
  expect(onwards).toBe(`#/d/${second}`)

  here.fake.refuse = 409
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.locator('.refused').waitFor()
  here.fake.refuse = undefined
  expect(await page.locator('.refused').textContent()).toContain('Pause was not possible')
  await page.getByRole('button', { name: 'Dismiss' }).click()
  await page.locator('.refused').waitFor({ state: 'detached' })
  await context.close()
})

test('after the end: judged again and asked again in linked ones, the keys harmless', async () => {
  const { page, context } = await heldBefore(undefined)
  await page.locator('.verdict').waitFor()
  const first = idOf(page)
  await page.getByRole('button', { name: /^Judge again/ }).click()
  const dialog = page.locator('dialog[open]')
  await dialog.getByRole('radio', { name: 'unanimous' }).click()
  await dialog.getByRole('button', { name: 'Judge again' }).click()
  await page.waitForFunction((id) => !location.hash.includes(id), first)
  const rejudged = posted('rejudge').at(-1) as Record<string, unknown>
  expect(rejudged['council']).toEqual({ rule: 'unanimous' })
  expect(rejudged['idempotency_key']).toMatch(/^[0-9a-f]{32}$/)
  await page.locator('.verdict').waitFor()
  await page.getByRole('button', { name: /Ask MELCHIOR again/ }).click()
  await dialog.locator('.line-input').fill('openai:other')
  const second = idOf(page)
  await dialog.getByRole('button', { name: 'Ask again' }).click()
  await page.waitForFunction((id) => !location.hash.includes(id), second)
  expect(posted('fork').at(-1)).toMatchObject({ agent: 'melchior', model: 'openai:other' })
  await context.close()
})

test('my leaning is hidden from the council, my decision and the conditions are kept', async () => {
  here.fake.hold(undefined)
  const { page, context } = await visit(browser, here.url)
  await page.getByRole('button', { name: 'My leaning first' }).click()
  await page.locator('.composer .note-input').fill('Rather not in December')
  await page.locator('.question-input').fill(BILLING)
  await page.getByRole('radio', { name: 'Strict' }).click()
  await page.locator('.question-input').press('Enter')
  await page.locator('.verdict').waitFor()
  const asked = here.fake.requests.findLast(
    ({ method, path }) => method === 'POST' && path === '/v1/deliberations',
  )
  expect(JSON.stringify(asked?.body)).not.toContain('Rather not')
  expect(asked?.body).toMatchObject({ preset: 'strict' })
  await page.locator('.decision-leaning').getByText('Rather not in December').waitFor()
  await page.getByRole('checkbox').first().click({ force: true })
  await page.getByText('1 of 3 met').waitFor()
  await page.locator('.radio').getByText('I decide otherwise').click()
  await page.getByLabel('What I decide').fill('January')
  await page.getByLabel('Why').fill('The freeze\nbegins early')
  await page.getByRole('button', { name: 'Save my decision' }).click()
  await page.locator('.decision-said').getByText('Saved.').waitFor()
  // Until what is kept has been read nothing can be written over it.
  const lines = '**/v1/deliberations?from=*'
  await page.route(lines, (route) => route.abort())
  await page.reload()
  await page.getByText('could not be read').waitFor()
  expect(await page.locator('.decision').count()).toBe(0)
  await page.unroute(lines)
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.getByText('1 of 3 met').waitFor()
  expect(await page.getByLabel('What I decide').inputValue()).toBe('January')
  expect(await page.getByLabel('Why').inputValue()).toBe('The freeze\nbegins early')
  await page.getByText('How did it turn out?').first().click()
  await page.getByRole('radio', { name: 'well', exact: true }).click()
  await page.getByLabel('What happened').fill('no night was lost')
  await page.getByRole('button', { name: 'Save the outcome' }).click()
  await page.locator('.decision-said').getByText('Saved.').waitFor()
  const kept = here.fake.requests.findLast(({ method }) => method === 'PATCH')
  expect(kept?.body).toEqual({ outcome: 'good: no night was lost' })
  await context.close()
})

test('the dissent leads to its words, marked in the lane', async () => {
  // So low that the lane has to scroll for it.
  const { page, context } = await heldBefore(undefined, { viewport: { width: 1280, height: 420 } })
  await page.locator('.verdict').waitFor()
  await page.getByRole('button', { name: 'Go to where it was said' }).click()
  await page.waitForFunction(() => CSS.highlights.has('passage'))
  expect(await marked(page)).toEqual({
    text: 'December is the month in which billing must not stop.',
    agent: 'caspar',
    inSight: true,
    scrolls: true,
  })
  expect(await page.locator('.vote[data-pointed]').count()).toBe(0)
  const focused = await page.evaluate(
    () => document.activeElement?.closest<HTMLElement>('.lane')?.dataset['agent'],
  )
  expect(focused).toBe('caspar')
  await context.close()
})

test('the keyboard: lanes, enlarging, help, settings, and all of it off', async () => {
  const { page, context } = await heldBefore('tally')
  await page.locator('.vote').nth(2).waitFor()
  const focused = () =>
    page.evaluate(
      () => document.activeElement?.closest<HTMLElement>('[data-agent]')?.dataset['agent'],
    )
  for (const [key, agent] of [
    ['1', 'caspar'],
    ['2', 'balthasar'],
    ['3', 'melchior'],
  ] as const) {
    await page.keyboard.press(key)
    await page.waitForTimeout(60)
    expect(await focused()).toBe(agent)
  }
  await page.keyboard.press('f')
  await page.locator('.lanes[data-enlarged=melchior]').waitFor()
  await page.keyboard.press('f')
  await page.locator('.lanes:not([data-enlarged])').waitFor()
  await page.keyboard.press(',')
  await page.locator('.switch').first().click()
  await page.keyboard.press('Escape')
  await page.locator('dialog[open]').waitFor({ state: 'detached' })
  await page.keyboard.press('f')
  await page.keyboard.press('?')
  await page.waitForTimeout(100)
  expect(await page.locator('.lanes[data-enlarged], dialog[open]').count()).toBe(0)
  // On again, the slash leads to a new question; the deliberation is left running.
  await page.getByRole('button', { name: 'Settings' }).click()
  await page.locator('.switch').first().click()
  await page.keyboard.press('Escape')
  const before = stops()
  await page.keyboard.press('/')
  await page.locator('.question-input:focus').waitFor()
  expect(stops()).toBe(before)
  await context.close()
})

test('the send key is a choice: with Ctrl, Enter alone starts a new line', async () => {
  here.fake.hold(undefined)
  const { page, context } = await visit(browser, here.url)
  await page.getByRole('button', { name: 'Settings' }).click()
  await page.getByRole('radio', { name: /Ctrl/ }).click()
  await page.keyboard.press('Escape')
  const box = page.locator('.question-input')
  await box.fill('a')
  await box.press('Enter')
  expect(await box.inputValue()).toBe('a\n')
  await page.reload()
  await box.fill(BILLING)
  await box.press('Control+Enter')
  await page.locator('.lanes').waitFor()
  await context.close()
})

test('dropped text files become context with their size, others are named and left out', async () => {
  const { page, context } = await visit(browser, here.url)
  await page.locator('input[type=file]').setInputFiles([
    { name: 'facts.md', mimeType: 'text/markdown', buffer: Buffer.from('凍結は10日から') },
    { name: 'photo.png', mimeType: 'image/png', buffer: Buffer.from([0x89, 0x50, 0xff, 0xfe]) },
  ])
  await page.getByText('photo.png is not a text').waitFor()
  expect(await page.locator('.context-input').inputValue()).toBe(
    '--- facts.md ---\n凍結は10日から\n',
  )
  expect(await page.locator('.context-size').textContent()).toMatch(/^38 B of 262 kB$/)
  await context.close()
})

test('wheel up by a hair releases a lane; growth never pins it again, one press pins all', async () => {
  const { page, context } = await heldBefore('agent_complete', {
    viewport: { width: 1280, height: 420 },
  })
  const lane = page.locator('.lane[data-agent=balthasar] .lane-scroll')
  await page.waitForFunction(() => {
    const box = document.querySelector('.lane[data-agent=balthasar] .lane-scroll')
    return box !== null && box.scrollHeight > box.clientHeight + 60
  })
  await lane.hover()
  await page.mouse.wheel(0, -2)
  await page.waitForTimeout(150)
  const top = await lane.evaluate((box) => box.scrollTop)
  here.fake.hold('tally')
  await page.locator('.lane[data-agent=balthasar] .vote').waitFor()
  expect(await lane.evaluate((box) => box.scrollTop)).toBe(top)
  await page.locator('.lane[data-agent=balthasar] .jump').waitFor()
  await page.locator('.follow-all').click()
  const distance = await lane.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight)
  expect(distance).toBeLessThan(4)
  await context.close()
})

test('the live region speaks at phase boundaries only, and the focus never moves by itself', async () => {
  here.fake.hold('agent_complete')
  const { page, context } = await visit(browser, here.url)
  await page.locator('.scene').first().waitFor()
  await page.evaluate(() => {
    const seen: string[] = []
    const moves: string[] = []
    const region = document.querySelector('.visually-hidden[role=status]')
    new MutationObserver(() => seen.push(region?.textContent ?? '')).observe(region as Node, {
      subtree: true,
      childList: true,
      characterData: true,
    })
    Object.assign(window, { seen, moves })
  })
  await page.locator('.scene').first().click()
  await page.locator('.lane-scroll > .prose').first().waitFor()
  await page.evaluate(() => {
    const { moves } = window as unknown as { moves: string[] }
    addEventListener('focusin', (event) => moves.push((event.target as Element).className))
  })
  here.fake.hold(undefined)
  await page.locator('.verdict').waitFor()
  await page.waitForTimeout(2500)
  const { seen, moves, events } = await page.evaluate(() => {
    const { seen, moves } = window as unknown as { seen: string[]; moves: string[] }
    return { seen, moves, events: document.querySelectorAll('.prose').length }
  })
  // Convened, three votes, the judge, the verdict: some hundred tokens came in between.
  expect(seen.length).toBeGreaterThan(1)
  expect(seen.length).toBeLessThanOrEqual(6)
  expect(seen.join(' ')).toContain('Verdict')
  expect(events).toBeGreaterThan(3)
  expect(moves).toEqual([])
  await context.close()
})

test('forced colours lose nothing that is only colour', async () => {
  const { page, context } = await heldBefore('tally', { forcedColors: 'active' })
  await page.locator('.vote').nth(2).waitFor()
  const words = await page.locator('.vote .seal-words').allTextContents()
  expect(words).toEqual(['否決 REJECTED', '可決 APPROVED', '可決 APPROVED'])
  const outlined = await page
    .locator('.vote .seal svg')
    .first()
    .evaluate((seal) => getComputedStyle(seal).stroke)
  expect(outlined).not.toBe('none')
  await context.close()
})
