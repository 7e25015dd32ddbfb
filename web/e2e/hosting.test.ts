import { readFile } from 'node:fs/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Cloud, type CloudOptions } from '../dev/cloud.ts'
import { SCENES } from '../dev/scenes.ts'
import { host } from '../dev/serve.ts'
import { EMPTY, fold, SAGES, type Event } from '../stream/src/index.ts'
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
  const { page, context } = await visit(browser, hosting.url, { locale })
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
  // This browser's own history is searched here.
  await page.getByRole('searchbox').fill('BILLING')
  await page.getByRole('button', { name: /^Actions: / }).click()
  await page.getByRole('menuitem', { name: 'Delete', exact: true }).click()
  await page.locator('.pending-one').waitFor({ state: 'detached', timeout: 20_000 })
  await page.getByRole('button', { name: 'Clear filters' }).first().click()
  await page.getByText('Nothing has been deliberated yet').waitFor()
  await page.goto(`${page.url().split('#')[0]}#/d/${id}`)
  await page.getByText('This browser keeps no copy of this deliberation').waitFor()
})

test('this browser’s own history: reopened, found again, named, deleted and taken back, taken along', async () => {
  const { cloud, page, url } = await open()
  await ask(page)
  await verdict(page)
  const first = idOf(page)
  await page.goto(`${url}/#/`)
  await ask(page, SCENES['ekimae']!.question)
  await page.waitForFunction((id) => !['', id].includes(location.hash.slice(4)), first)
  await verdict(page)
  await page.goto(`${url}/#/history`)
  // A reload asks the door for nothing of what is kept here.
  const asked = cloud.calls.length
  await page.reload()
  const rows = page.locator('.past-row')
  const row = (text: string) => rows.filter({ hasText: text })
  const act = async (text: string, action: string | RegExp): Promise<void> => {
    await row(text)
      .getByRole('button', { name: /^Actions: / })
      .click()
    await page.getByRole('menuitem', { name: action }).click()
  }
  await page.locator('.own-note').getByText('the door keeps no history').waitFor()
  await page.getByText('2 deliberations').waitFor()

  // Found by two characters of Japanese, by its answers, and by the name it is given.
  const search = page.getByRole('searchbox')
  await search.fill('図書')
  await page.getByText('1 deliberation', { exact: true }).waitFor()
  await act('図書館', 'Rename …')
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Title').fill('夜の図書館')
  await dialog.getByText('I decide otherwise').click()
  await dialog.getByLabel('What I decide').fill('延長だけを試す')
  await dialog.getByRole('radio', { name: 'mixed' }).click()
  await dialog.getByRole('button', { name: 'Save' }).click()
  await dialog.waitFor({ state: 'detached' })
  await page.reload()
  for (const words of ['夜の', '延長だけ']) {
    await search.fill(words)
    await row('夜の図書館').waitFor()
    await page.getByText('1 deliberation', { exact: true }).waitFor()
  }
  expect(await row('夜の図書館').textContent()).toContain('mixed outcome')

  // Compared: what was decided is this browser's to tell, too.
  await search.fill('')
  await page.getByText('2 deliberations').waitFor()
  for (const box of await rows.getByRole('checkbox').all()) await box.check({ force: true })
  await page.getByRole('button', { name: 'Compare the two' }).click()
  const compared = page.getByRole('row').filter({ hasText: 'My decision' })
  await compared.getByText('延長だけを試す', { exact: true }).waitFor()
  await page.goBack()

  // Deleted and taken back: it can be opened as before.
  await page.getByText('2 deliberations').waitFor()
  await act('billing', /^Delete$/)
  await page.getByText('1 deliberation', { exact: true }).waitFor()
  await page.locator('.pending-one').getByRole('button', { name: 'Undo' }).click()
  await page.getByText('2 deliberations').waitFor()
  await page.locator('.past-row a').filter({ hasText: 'billing' }).click()
  await verdict(page)
  await wholeTexts(page)
  expect(idOf(page)).toBe(first)
  await page.goBack()

  const take = async (text: string, format: RegExp): Promise<string> => {
    const coming = page.waitForEvent('download')
    await act(text, format)
    return readFile(await (await coming).path(), 'utf8')
  }
  const md = await take('夜の図書館', /Markdown/)
  for (const words of ['# 夜の図書館', '\n## 決定\n\n選んだ選択肢: 「延長だけを試す」\n'])
    expect(md).toContain(words)
  const html = await take('夜の図書館', /HTML/)
  for (const words of ['<title>夜の図書館 - MAGI</title>', '延長だけを試す'])
    expect(html).toContain(words)
  const id = (await row('夜の図書館').locator('.past-main > a').getAttribute('href'))?.slice(4)
  const snapshot = JSON.parse(await take('夜の図書館', /JSON$/)) as Record<string, unknown>
  expect(snapshot).toMatchObject({ trace_id: id, status: 'completed' })
  const lines = (await take('夜の図書館', /NDJSON/)).trimEnd().split('\n')
  const events = lines.map((line) => JSON.parse(line) as { type: string; seq: number })
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
  expect(events.at(-1)?.type).toBe('complete')

  // Deleted for good: no copy of it is left, and the other one stays.
  await act('夜の図書館', /^Delete$/)
  await page.locator('.pending-one').waitFor({ state: 'detached', timeout: 20_000 })
  await page.reload()
  await page.getByText('1 deliberation', { exact: true }).waitFor()
  await page.goto(`${url}/#/d/${id}`)
  await page.getByText('This browser keeps no copy of this deliberation').waitFor()
  const actions = cloud.calls.slice(asked).map(({ body }) => body['action'])
  expect(actions.filter((action) => action !== 'capabilities')).toEqual([])
})

test('with a token: asked for before anything is called, refused, accepted', async () => {
  const { cloud, address, page } = await open({
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
  // The settings say where the page asks, and take the token back: for this tab, also after a reload.
  await page.getByRole('button', { name: 'Settings' }).click()
  const way = page.getByRole('region', { name: 'The way to the council' })
  expect(await way.textContent()).toContain(`${new URL(address).host}, with a token`)
  await way.getByRole('button', { name: /^Sign out/ }).click()
  await field.waitFor()
  await page.reload()
  await field.waitFor()
  expect(await page.locator('.question-input').count()).toBe(0)
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
  // A browser drops what came but was not read before the cut, so that only the pace says how much was.
  const { cloud, page } = await open({ cloud: { keeps: false, pace: 25 } })
  cloud.cutAfter = 40
  await ask(page)
  await page.getByText('this door keeps nothing to go on from').waitFor()
  const lines = (await saved(page, 'ndjson')).trimEnd().split('\n')
  const { sages } = lines.map((line) => JSON.parse(line) as Event).reduce(fold, EMPTY)
  const shown = await laneTexts(page)
  const said = (text: string): string => bare(text).replaceAll('*', '')
  for (const sage of SAGES) expect(said(shown[sage])).toBe(said(sages[sage].text))
  expect(Object.values(shown).join('')).not.toBe('')
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
