import { readFile } from 'node:fs/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Cloud, type CloudOptions } from '../dev/cloud.ts'
import { SCENES } from '../dev/scenes.ts'
import { host } from '../dev/serve.ts'
import { SAGES } from '../stream/src/contract.ts'
import { findings } from './axe.ts'
import { launch, visit } from './browser.ts'
import { bare, idOf, laneTexts } from './steps.ts'

/** The page on static hosting, and a council on another origin that only its door leads to. */
let browser: Browser
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser.close())

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const SCENE = SCENES['billing']!
const POOL = 'us-east-1:11111111-2222-3333-4444-555555555555'

interface Setting {
  cloud?: CloudOptions
  /** Made from the cloud's address. */
  config?: (url: string) => unknown
  locale?: string
  /** The policy lets the page call the cloud. */
  allowed?: boolean
  /** The cloud allows the page. */
  cors?: boolean
  axe?: boolean
}

async function open(setting: Setting = {}) {
  const { cloud: options = {}, locale = 'en-US', allowed = true, cors = true } = setting
  const cloud = new Cloud({ pace: 6, ...options })
  const address = await cloud.listen()
  const config = setting.config ?? ((base) => ({ door: 'invocations', base }))
  const hosting = await host(config(address), allowed ? address : '')
  if (cors) cloud.options.origin = hosting.url
  closers.push(
    () => cloud.close(),
    () => hosting.close(),
  )
  const more = setting.axe ? { bypassCSP: true, reducedMotion: 'reduce' as const } : {}
  const { page, context } = await visit(browser, hosting.url, { locale, ...more })
  closers.push(() => void context.close())
  return { cloud, address, page, context, url: hosting.url }
}

async function ask(page: Page, question = SCENE.question): Promise<void> {
  await page.locator('.question-input').fill(question)
  await page.keyboard.press('Enter')
}

const verdict = (page: Page): Promise<void> => page.locator('.verdict').waitFor({ timeout: 60_000 })
const notice = (page: Page, kind: string) => page.locator(`[data-notice="${kind}"]`)

/** What is saved when the button is pressed. */
async function saved(page: Page, format: string): Promise<string> {
  const coming = page.waitForEvent('download')
  await page.getByRole('button', { name: `Save as ${format}` }).click()
  const download = await coming
  return readFile(await download.path(), 'utf8')
}

async function wholeTexts(page: Page): Promise<void> {
  const shown = await laneTexts(page)
  for (const sage of SAGES) expect(bare(shown[sage])).toBe(bare(SCENE.parts[sage]?.text ?? ''))
}

const signing = (base: string) => ({
  door: 'invocations',
  base,
  sign: 'sigv4',
  identity_pool: POOL,
  identity_endpoint: base,
})

test('signed with an identity pool’s keys: preflight, stream, and this browser’s own history', async () => {
  const { cloud, page } = await open({
    cloud: { wants: 'signature', ahead: 7200 },
    config: signing,
  })
  await page.locator('.answers[data-kind=rehearsal]').waitFor()
  expect(await page.locator('.door-line').getAttribute('data-sign')).toBe('sigv4')
  await ask(page)
  await verdict(page)
  await wholeTexts(page)
  const asked = cloud.calls.find(({ body }) => body['action'] === 'ask')
  expect(asked?.body).not.toHaveProperty('idempotency_key')
  expect(cloud.issued).toBe(1)
  const session = String(asked?.headers['x-amzn-bedrock-agentcore-runtime-session-id'])
  expect(session.length).toBeGreaterThanOrEqual(33)

  const id = idOf(page)
  const before = cloud.calls.length
  await page.reload()
  await verdict(page)
  await wholeTexts(page)
  // What is kept is not asked for again.
  const later = cloud.calls.slice(before).map(({ body }) => body['action'])
  expect(later.filter((action) => action !== 'capabilities')).toEqual([])
  const lines = (await saved(page, 'ndjson')).trimEnd().split('\n')
  const events = lines.map((line) => JSON.parse(line) as { type: string; trace_id: string })
  expect(events[0]?.type).toBe('start')
  expect(events.at(-1)?.type).toBe('complete')
  expect(JSON.parse(await saved(page, 'json'))).toMatchObject({ trace_id: id, status: 'completed' })
  expect(await saved(page, 'md')).toContain('## Decision Outcome')

  await page.getByRole('button', { name: 'MAGI, start page' }).click()
  await page.locator('.own-note').waitFor()
  expect(await page.locator('.own-note').textContent()).toContain('Kept in this browser only')
  await page.locator('.past').click()
  await verdict(page)
  await page.goBack()
  await page.getByRole('link', { name: 'History' }).click()
  // This browser's own history: searched here, and without what a door would have to keep.
  await page.getByRole('searchbox').fill('BILLING')
  await page.getByRole('button', { name: /^Actions: / }).click()
  expect(await page.getByRole('menuitem', { name: /HTML/ }).count()).toBe(0)
  await page.getByRole('menuitem', { name: 'Delete', exact: true }).click()
  await page.locator('.pending-one').waitFor({ state: 'detached', timeout: 20_000 })
  await page.getByRole('button', { name: 'Clear filters' }).first().click()
  await page.getByText('Nothing has been deliberated yet').waitFor()
  await page.goto(`${page.url().split('#')[0]}#/d/${id}`)
  await page.getByText('This browser keeps no copy of this deliberation').waitFor()
})

test('with a token: asked for before anything is called, refused, accepted', async () => {
  const { cloud, page } = await open({
    cloud: { wants: 'Bearer right-token' },
    config: (base) => ({ door: 'invocations', base, sign: 'bearer' }),
  })
  const field = page.getByLabel('Token')
  await field.waitFor()
  expect(cloud.calls).toHaveLength(0)
  await field.fill('wrong-token')
  await page.keyboard.press('Enter')
  await page.getByText('did not accept this token').waitFor()
  await field.fill('right-token')
  await page.keyboard.press('Enter')
  await page.locator('.question-input').waitFor()
  await ask(page)
  await verdict(page)
})

test('behind CloudFront each request carries the hash of its body', async () => {
  const { page } = await open({
    cloud: { wants: 'hash' },
    config: (base) => ({ door: 'invocations', base, sign: 'content-sha256' }),
  })
  await ask(page)
  await verdict(page)
})

test('a deadline is one story: it goes on by itself, and reload and record hold all its parts', async () => {
  const { cloud, page } = await open({ cloud: { deadlineVotes: 1, keeps: false } })
  await ask(page)
  await verdict(page)
  await wholeTexts(page)
  expect(await notice(page, 'gone-on').textContent()).toContain('2 times')
  expect(cloud.calls.map(({ body }) => body['action'])).toEqual([
    'capabilities',
    'ask',
    'resume',
    'resume',
  ])
  expect(await page.locator('.stop').count()).toBe(0)
  await page.reload()
  await verdict(page)
  expect(await notice(page, 'gone-on').textContent()).toContain('2 times')
  await wholeTexts(page)
  const lines = (await saved(page, 'ndjson')).trimEnd().split('\n')
  const ids = lines.map((line) => (JSON.parse(line) as { trace_id: string }).trace_id)
  expect(new Set(ids).size).toBe(3)
  await page.getByRole('button', { name: 'MAGI, start page' }).click()
  await page.locator('.past').first().waitFor()
  expect(await page.locator('.past').count()).toBe(1)
})

test('a reload in the middle goes on by cursor, in the session it was asked under', async () => {
  const { cloud, page } = await open({ cloud: { pace: 25 } })
  await ask(page)
  await page.locator('.vote').first().waitFor()
  await page.reload()
  await verdict(page)
  await wholeTexts(page)
  const asked = cloud.calls.filter(({ body }) => body['action'] === 'ask')
  const read = cloud.calls.filter(({ body }) => body['action'] === 'events')
  expect(asked).toHaveLength(1)
  expect(read.length).toBeGreaterThan(0)
  const header = 'x-amzn-bedrock-agentcore-runtime-session-id'
  expect(read[0]?.headers[header]).toBe(asked[0]?.headers[header])
  expect(String(read[0]?.body['after'])).toMatch(/\.1\.\d+$/)
})

test('where the door keeps nothing, a cut says so, and what was said can be saved', async () => {
  const { cloud, page } = await open({ cloud: { keeps: false } })
  cloud.cutAfter = 40
  await ask(page)
  await page.getByText('this door keeps nothing to go on from').waitFor()
  expect((await saved(page, 'ndjson')).trimEnd().split('\n').length).toBeGreaterThan(30)
  expect(cloud.calls.filter(({ body }) => body['action'] === 'ask')).toHaveLength(1)
})

test.each([
  ['en-US', /holds answers back: everything came at once after \d+ s/],
  ['ja-JP', /溜め込んでいます.*\d+秒後に一度に届きました/],
])('a hop that buffers is named with the time it held everything: %s', async (locale, words) => {
  const { page } = await open({ cloud: { pace: 40, holds: { limitMs: 60_000 } }, locale })
  await ask(page)
  await verdict(page)
  expect(await notice(page, 'held').textContent()).toMatch(words)
})

test.each([
  ['en-US', /gave up waiting after \d+ s \(504\)/],
  ['ja-JP', /\d+秒で待つのをやめました（504）/],
])('a hop that gives up is named with its patience: %s', async (locale, words) => {
  const { page, cloud } = await open({ cloud: { pace: 60, holds: { limitMs: 3000 } }, locale })
  await ask(page)
  await page.locator('.alert-box').waitFor()
  expect(await page.locator('.alert-box').textContent()).toMatch(words)
  expect(cloud.calls.filter(({ body }) => body['action'] === 'ask')).toHaveLength(1)
})

test.each<[string, Setting, RegExp]>([
  ['CORS', { cors: false }, /does not allow this page to read its answers \(CORS\)/],
  ['policy', { allowed: false }, /own content security policy forbids calling/],
  [
    'path',
    { config: (base) => ({ door: 'invocations', base: `${base}/prod` }) },
    /no council at .*\/prod\/invocations \(404\)/,
  ],
  ['forbidden', { cloud: { wants: 'signature' } }, /does not let this page in \(403\)/],
  [
    'nobody there',
    { config: () => ({ door: 'invocations', base: 'http://127.0.0.1:9' }), allowed: false },
    /127\.0\.0\.1:9/,
  ],
])('what fails on the way is named: %s', async (_cause, setting, words) => {
  const { page } = await open(setting)
  await page.locator('.home .alert-box').waitFor()
  expect(await page.locator('.home .alert-box').textContent()).toMatch(words)
})

test.each([
  ['en-US', { door: 'invocations', sgin: 'none' }, 'the field “sgin” is not a field'],
  ['ja-JP', { door: 'invocations', sign: 'sigv4' }, '「identity_pool」がありません'],
  ['en-US', '{"door":', 'config.json is not JSON'],
])(
  'a config.json that is wrong stops the page and names the field: %s %j',
  async (locale, config, words) => {
    const { page } = await open({ config: () => config, locale })
    await page.getByText(words).waitFor()
    expect(await page.locator('.question-input').count()).toBe(0)
  },
)

test.each([
  ['dark', 'en-US', 1280],
  ['light', 'ja-JP', 390],
] as const)(
  'axe finds nothing in the states of hosting: %s, %s, %i',
  async (_scheme, locale, width) => {
    const story = await open({ cloud: { deadlineVotes: 1, keeps: false }, locale, axe: true })
    await story.page.setViewportSize({ width, height: 860 })
    await story.page.emulateMedia({ colorScheme: _scheme })
    await ask(story.page)
    await verdict(story.page)
    expect(await findings(story.page), 'story').toEqual([])
    await story.page.goto(story.url)
    await story.page.locator('.past').waitFor()
    expect(await findings(story.page), 'own history').toEqual([])
    const wide = await story.page.evaluate(
      () => document.documentElement.scrollWidth - window.innerWidth,
    )
    expect(wide).toBeLessThanOrEqual(0)
    const states: [string, Setting, string][] = [
      ['config', { config: () => ({ door: 'x' }) }, '.alert-box'],
      ['cors', { cors: false }, '.alert-box'],
      [
        'token',
        { config: (base) => ({ door: 'invocations', base, sign: 'bearer' }) },
        '.token-input',
      ],
    ]
    for (const [name, setting, seen] of states) {
      const { page } = await open({ ...setting, locale, axe: true })
      await page.setViewportSize({ width, height: 860 })
      await page.emulateMedia({ colorScheme: _scheme })
      await page.locator(seen).waitFor()
      expect(await findings(page), name).toEqual([])
    }
    const held = await open({ cloud: { pace: 40, holds: { limitMs: 60_000 } }, locale, axe: true })
    await held.page.setViewportSize({ width, height: 860 })
    await ask(held.page)
    await notice(held.page, 'held').waitFor({ timeout: 60_000 })
    expect(await findings(held.page), 'held').toEqual([])
  },
)
