import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { launch, visit } from './browser.ts'
import { Emulated, type Way } from './emulated.ts'

const real = inject('real')
const QUESTION = 'Move billing to the new database in December?'

let browser: Browser
let cloud: Emulated
beforeAll(async () => {
  if (!real) return
  browser = await launch()
  // Some seconds of talking, so that held back and gave up are well apart.
  cloud = await Emulated.start(['--tps', '36', '--villain-limit', '4'])
})
afterAll(async () => {
  await browser?.close()
  await cloud?.stop()
})

async function ask(way: Way, from = cloud, locale = 'en-US') {
  const opened = await visit(browser, from.page(way), { locale })
  if (way === 'bearer') await signIn(opened.page, from.token)
  await opened.page.locator('.answers[data-kind=models]').waitFor({ timeout: 30_000 })
  await opened.page.locator('.question-input').fill(QUESTION)
  await opened.page.keyboard.press('Enter')
  return opened
}

async function signIn(page: Page, token: string): Promise<void> {
  await page.locator('.token-input').fill(token)
  await page.keyboard.press('Enter')
}

/** How often the words of the three lanes grew before the verdict was there. */
async function growth(page: Page): Promise<number> {
  let before = ''
  let grew = 0
  for (;;) {
    const [text, over] = await page.evaluate(
      () =>
        [
          [...document.querySelectorAll('.lane-scroll')].map((lane) => lane.textContent).join(),
          document.querySelector('.verdict, .alert-box') !== null,
        ] as const,
    )
    if (text !== before) grew++
    before = text
    if (over) return grew
    await page.waitForTimeout(100)
  }
}

const held = (page: Page) => page.locator('[data-notice="held"]')
const decision = (page: Page) => page.locator('.verdict').getAttribute('data-kind')

// Chromium on the hosting's origin: keys from the identity pool or a token, the preflight, the stream.
test.runIf(real).each<Way>(['gateway', 'direct', 'agentcore', 'bearer'])(
  'the hosted page streams requests that are let in, no hop holds back: %s',
  async (way) => {
    const { page, context } = await ask(way)
    const grew = await growth(page)
    await page.locator('.verdict').waitFor()
    expect(await decision(page)).toMatch(/^(APPROVED|REJECTED|UNDECIDED)$/)
    expect(grew).toBeGreaterThan(15)
    expect(await held(page).count()).toBe(0)
    await page.reload()
    await page.locator('.verdict').waitFor()
    await context.close()
  },
)

test.runIf(real)('every streaming way ends in the same verdict', async () => {
  const kinds = new Set<string | null>()
  for (const way of ['gateway', 'direct', 'agentcore', 'bearer', 'buffered'] as const) {
    const { page, context } = await ask(way)
    await page.locator('.verdict').waitFor({ timeout: 30_000 })
    kinds.add(await decision(page))
    await context.close()
  }
  expect(kinds.size).toBe(1)
})

test.runIf(real).each([
  ['en-US', /everything came at once after \d+ s/],
  ['ja-JP', /すべてが\d+秒後に一度に届きました/],
])(
  'a BUFFERED function shows everything at once, and the page says why: %s',
  async (locale, why) => {
    const { page, context } = await ask('buffered', cloud, locale)
    await page.locator('.verdict').waitFor({ timeout: 30_000 })
    expect(await held(page).textContent()).toMatch(why)
    // This page calls the Function URL without a proxy: what mends it is the URL's mode.
    expect(await held(page).locator('.why-fix').textContent()).toContain('RESPONSE_STREAM')
    await context.close()
  },
)

test.runIf(real)(
  'what a BUFFERED function cannot give back is said, in both languages',
  async () => {
    // More than 6 MB of events, over some ten seconds without a word.
    const model = 'bedrock:fake+by-role+tool+len-8500+tps-1500'
    const huge = await Emulated.start(['--model', model])
    for (const [locale, why] of [
      ['en-US', /above 6 MB it always is.*RESPONSE_STREAM/],
      ['ja-JP', /6 MB を超えると必ずそうなります.*RESPONSE_STREAM/],
    ] as const) {
      const { page, context } = await ask('buffered', huge, locale)
      await page.locator('.alert-box').waitFor({ timeout: 120_000 })
      expect(await page.locator('.alert-box').textContent()).toMatch(why)
      expect(await page.locator('.verdict').count()).toBe(0)
      await context.close()
    }
    await huge.stop()
  },
)

test.runIf(real).each([
  ['en-US', /gave up waiting after \d+ s \(504\)/],
  ['ja-JP', /\d+秒で待つのをやめました（504）/],
])('behind the villain there is no verdict, and the page says why: %s', async (locale, why) => {
  const { page, context } = await ask('villain', cloud, locale)
  await page.locator('.alert-box').waitFor({ timeout: 30_000 })
  expect(await page.locator('.alert-box').textContent()).toMatch(why)
  expect(await page.locator('.verdict').count()).toBe(0)
  await context.close()
})

test.runIf(real).each([
  [
    'en-US',
    /lets in who brings a token/,
    'The server did not accept this token.',
    ', with a token',
  ],
  [
    'ja-JP',
    /トークン（JWT）を求めます/,
    'サーバーはこのトークンを受け付けませんでした。',
    '（トークン認証）',
  ],
])('a wrong token is asked for again, a right one is let in: %s', async (locale, why, no, yes) => {
  const { page, context } = await visit(browser, cloud.page('bearer'), { locale })
  const field = page.locator('.token-input')
  await page.getByText(why).waitFor()
  // The right name and time, the wrong signature.
  const wrong = cloud.token.replace(/[^.]+$/, (signature) => signature.split('').reverse().join(''))
  const refused = page.waitForResponse((response) => response.request().method() === 'POST')
  await signIn(page, wrong)
  expect((await refused).status()).toBe(401)
  await page.getByText(no).waitFor()
  expect(await page.locator('.question-input, .alert-box').count()).toBe(0)
  // Nor is it let in after a reload.
  await page.reload()
  await page.getByText(no).waitFor()
  await field.fill(cloud.token)
  await page.keyboard.press('Enter')
  await page.locator('.answers[data-kind=models]').waitFor()
  expect(await page.locator('.door-line').textContent()).toContain(yes)
  await context.close()
})

test.runIf(real)('a session of AgentCore is found again after a reload', async () => {
  const { page, context } = await ask('gateway')
  await page.locator('.vote').first().waitFor({ timeout: 30_000 })
  await page.reload()
  await page.locator('.verdict').waitFor({ timeout: 30_000 })
  expect(await page.locator('.alert-box').count()).toBe(0)
  await context.close()
})

test.runIf(real)('a function whose time ends goes on by itself, to one verdict', async () => {
  // The sages have voted when the time ends, the judge has not.
  const slow = ['--tps', '12', '--timeout', '22', '--env', 'MAGI_LAMBDA_MARGIN=5s']
  const short = await Emulated.start(slow)
  try {
    const { page, context } = await ask('direct', short)
    await page.locator('.verdict').waitFor({ timeout: 90_000 })
    expect(await page.locator('[data-notice="gone-on"]').count()).toBe(1)
    expect(await page.locator('.vote').count()).toBe(3)
    await context.close()
  } finally {
    await short.stop()
  }
})
