/**
 * docs/guide.md and docs/guide.ja.md, done as they say, over the real program with nothing but rehearsals, by
 * the names that stand on the page. With MAGI_PICTURES=<folder> their pictures are taken on the way
 * (`npm run pictures`).
 */
import { readFile } from 'node:fs/promises'
import type { Browser, Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Client, questionOf } from '../stream/src/index.ts'
import { en } from '../page/src/words.en.ts'
import { ja } from '../page/src/words.ja.ts'
import { CHECK } from '../page/src/words-check.ts'
import { COMPARE } from '../page/src/words-compare.ts'
import { GUIDE } from '../page/src/words-guide.ts'
import { HISTORY } from '../page/src/words-history.ts'
import { TRACE } from '../page/src/words-trace.ts'
import { SEAL_WORDS } from '../page/src/words.ts'
import { launch, visit } from './browser.ts'
import { Magi } from './magi.ts'
import { keep } from './pictures.ts'
import { idOf, marked, scenes } from './steps.ts'

type Lang = 'en' | 'ja'

/** What the person of the guide writes. The question is a scene's, so that a rehearsal has a verdict on it. */
const WRITTEN = {
  en: {
    scene: 'four-day-week',
    others: ['open-source-tool', 'record-retention'],
    readme: 'two-containers-cost',
    context:
      'Forty people, six of them by the hour. Support is open from Monday to Friday.\nCash for fourteen months. The busy season begins in May.',
    leaning: 'Yes, if the customers notice nothing.',
    why: 'The staggered start costs us nothing.',
    outcome: 'Two teams kept it, one asked for the old week back.',
    name: 'Four-day week, decided in the spring',
    word: 'bounded',
    next: 'Should the hourly staff get the same week?',
  },
  ja: {
    scene: 'neighbourhood-circular',
    others: ['friday-release', 'hiring-screen'],
    readme: 'two-containers',
    context:
      '会員は180世帯。うち70世帯は70歳以上だけで暮らしている。\n回覧板は一周に平均12日かかる。アプリの利用料は年6万円。',
    leaning: '賛成寄り。ただし紙をすぐに全廃するのは不安。',
    why: '紙を残す条件が付いたので、準備から始める。',
    outcome: '半年で7割の世帯が登録。紙は26世帯に続けている。',
    name: '回覧板のアプリ化（春の総会）',
    word: '世帯',
    next: '紙の回覧板は二年後に廃止すべきか？',
  },
} as const

const WORDS = { en, ja }

interface Walk {
  page: Page
  magi: Magi
  lang: Lang
}

let browser: Browser
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser.close())

const button = ({ page }: Walk, name: string): Locator =>
  page.getByRole('button', { name, exact: true })
const link = ({ page }: Walk, name: string): Locator =>
  page.getByRole('link', { name, exact: true })

async function sceneNamed({ magi, lang }: Walk, name: string) {
  const found = (await scenes(magi.url, lang)).find((scene) => scene.name === name)
  if (!found) throw new Error(`there is no scene ${name}`)
  return found
}

/** Others have asked, too; nobody of them watches in this browser. Resolves with the ids. */
async function others(walk: Walk): Promise<string[]> {
  const client = new Client({ base: walk.magi.url })
  const { others: names, readme } = WRITTEN[walk.lang]
  return Promise.all(
    [...names, readme].map(async (name) => {
      let id = ''
      for await (const entry of client.ask(questionOf(await sceneNamed(walk, name))))
        if (entry.kind === 'event') id = entry.event.trace_id
      return id
    }),
  )
}

async function ask(walk: Walk): Promise<void> {
  const { page, lang } = walk
  const words = WORDS[lang]
  const mine = WRITTEN[lang]
  const { question } = await sceneNamed(walk, mine.scene)
  await page.getByText(words.answers.rehearsal).waitFor()
  await page.getByRole('textbox', { name: words.question, exact: true }).fill(question)
  await button(walk, words.addContext).click()
  await page.getByRole('textbox', { name: words.context }).fill(mine.context)
  await button(walk, words.room.leaning.add).click()
  await page.getByRole('textbox', { name: words.room.leaning.label }).fill(mine.leaning)
  await page.getByRole('radiogroup', { name: words.room.preset.label }).waitFor()
  await page.getByRole('textbox', { name: words.room.leaning.label }).blur()
  await keep(page, `guide-ask-${lang}`, { height: 850 })
  await button(walk, words.convene).click()
}

async function watch(walk: Walk): Promise<void> {
  const { page, lang } = walk
  const words = WORDS[lang]
  await button(walk, words.room.note.open).waitFor()
  await button(walk, words.room.pause).waitFor()
  await button(walk, words.stop).waitFor()
  // The first vote is in, and somebody still writes.
  await page.locator('.vote').first().waitFor()
  await keep(page, `guide-watch-${lang}`, { height: 800 })
  await page.locator('.verdict').waitFor({ timeout: 120_000 })
}

async function decide(walk: Walk): Promise<void> {
  const { page, lang } = walk
  const { decision } = WORDS[lang].room
  const mine = WRITTEN[lang]
  const card = page.locator('.verdict')
  expect(await card.getAttribute('data-kind')).toBe('APPROVED')
  await card.getByText(mine.leaning).waitFor()
  await card.getByRole('checkbox').first().check({ force: true })
  await card.getByRole('radio', { name: decision.follow }).check({ force: true })
  await card.getByRole('textbox', { name: decision.why }).fill(mine.why)
  await card.getByRole('button', { name: decision.save }).click()
  await card.getByText(decision.saved).waitFor()
  await keep(page, `guide-verdict-${lang}`, { of: card })
  await card.getByRole('button', { name: WORDS[lang].room.toPlace }).click()
  await page.waitForFunction(() => CSS.highlights.has('passage'))
  expect(await marked(page)).toMatchObject({ inSight: true })
}

/** Later, with the same address: how it turned out. */
async function turnedOut(walk: Walk): Promise<void> {
  const { page, lang } = walk
  const { decision } = WORDS[lang].room
  const mine = WRITTEN[lang]
  await page.reload()
  const card = page.locator('.verdict')
  await card.getByText(mine.why).waitFor()
  await card.getByText(decision.turned).first().click()
  await card.getByRole('radio', { name: decision.turns.mixed }).click()
  await card.getByRole('textbox', { name: decision.turnedNote }).fill(mine.outcome)
  await card.getByRole('button', { name: decision.saveTurned }).click()
  await card.getByText(decision.saved).waitFor()
}

/** The same votes by a stricter rule, as a deliberation of its own. */
async function judgedAgain(walk: Walk, first: string): Promise<string> {
  const { page, lang } = walk
  const { after, links } = WORDS[lang].room
  await button(walk, after.open.rejudge).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('radio', { name: after.rules.unanimous }).click()
  await dialog.getByRole('button', { name: after.judge, exact: true }).click()
  await page.waitForURL((url) => !url.hash.includes(first))
  await page.locator('.verdict[data-kind=UNDECIDED]').waitFor({ timeout: 120_000 })
  await page.getByRole('navigation', { name: links.label }).waitFor()
  return idOf(page)
}

async function trace(walk: Walk, first: string): Promise<void> {
  const { page, magi, lang } = walk
  const words = WORDS[lang]
  const texts = TRACE[lang]
  await page.goto(`${magi.url}/#/d/${first}`)
  await link(walk, words.nav.trace).click()
  const plot = page.locator('.timeline-plot svg')
  await plot.waitFor()
  const box = await plot.boundingBox()
  if (!box) throw new Error('the timeline is not drawn')
  await plot.click({ position: { x: box.width * 0.3, y: box.height / 2 } })
  await page.locator('#moment-title').filter({ hasText: /\d/ }).waitFor()
  await keep(page, `guide-trace-${lang}`, { height: 1080 })
  for (const view of [texts.views.table, texts.views.cost]) {
    await page.getByRole('radio', { name: view, exact: true }).click()
    await page.getByRole('table').waitFor()
  }
  await link(walk, words.nav.deliberation).click()
  await page.getByRole('button', { name: words.playback.end }).click()
}

const rowOf = (page: Page, text: string): Locator =>
  page.locator('.past-row').filter({ hasText: text })

async function act({ page, lang }: Walk, text: string, action: string): Promise<void> {
  await rowOf(page, text)
    .first()
    .getByRole('button', { name: new RegExp(`^${HISTORY[lang].menu('')}`) })
    .click()
  await page.getByRole('menuitem', { name: action, exact: true }).click()
}

async function history(walk: Walk): Promise<void> {
  const { page, lang } = walk
  const texts = HISTORY[lang]
  const words = WORDS[lang]
  const mine = WRITTEN[lang]
  await link(walk, words.nav.history).click()
  await rowOf(page, texts.outcome.mixed).waitFor()
  await page.locator('.past-facts').filter({ hasText: texts.custom }).waitFor()
  await act(walk, texts.outcome.mixed, texts.rename)
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel(texts.dialog.name, { exact: true }).fill(mine.name)
  await dialog.getByRole('button', { name: texts.dialog.save }).click()
  await rowOf(page, mine.name).waitFor()
  await page.getByRole('searchbox', { name: texts.search }).fill(mine.word)
  await page.getByText(texts.shown(await found(walk, mine.word), false), { exact: true }).waitFor()
  await button(walk, texts.clearSearch).click()
  await page.getByLabel(texts.verdict, { exact: true }).selectOption('UNDECIDED')
  await page.getByText(texts.shown(1, false), { exact: true }).waitFor()
  await button(walk, texts.clear).click()
  await rowOf(page, mine.name).waitFor()
  const more = rowOf(page, mine.name).getByRole('button')
  await more.click()
  await page.getByRole('menu').waitFor()
  await keep(page, `guide-history-${lang}`, { height: 830 })
  await page.keyboard.press('Escape')
  await act(walk, mine.name, texts.remove)
  await button(walk, words.deleting.undo).click()
  await rowOf(page, mine.name).waitFor()
}

/** How many the server finds. */
async function found({ magi }: Walk, word: string): Promise<number> {
  const { items } = await new Client({ base: magi.url }).list({ q: word, limit: 100 })
  expect(items.length).toBeGreaterThan(0)
  return items.length
}

async function compare(walk: Walk): Promise<void> {
  const { page, lang } = walk
  const texts = HISTORY[lang]
  const undecided = SEAL_WORDS.UNDECIDED[lang]
  await rowOf(page, WRITTEN[lang].name).getByRole('checkbox').check({ force: true })
  await page.getByText(texts.chosenOne).waitFor()
  await rowOf(page, undecided).getByRole('checkbox').check({ force: true })
  await button(walk, texts.compare).click()
  const rule = page.getByRole('row', { name: new RegExp(`^${COMPARE[lang].rule} `) })
  expect(await rule.textContent()).toContain(COMPARE[lang].differs)
  await keep(page, `guide-compare-${lang}`, { height: 900 })
}

/** The same question, the follow-up, the records: from the verdict. */
async function onwards(walk: Walk, first: string): Promise<void> {
  const { page, magi, lang } = walk
  const words = WORDS[lang]
  await page.goto(`${magi.url}/#/d/${first}`)
  for (const format of ['md', 'html', 'json', 'ndjson']) {
    const coming = page.waitForEvent('download')
    await link(walk, format).click()
    expect((await readFile(await (await coming).path(), 'utf8')).length).toBeGreaterThan(500)
  }
  await button(walk, words.verdict.again).click()
  await page.getByRole('complementary', { name: words.carry.again }).waitFor()
  await page.getByText(words.carry.context).click()
  await page
    .locator('.carry')
    .getByText(WRITTEN[lang].context.split('\n')[0] ?? '')
    .waitFor()
  await page.goto(`${magi.url}/#/d/${first}`)
  await button(walk, words.nav.follow).click()
  await page.getByRole('complementary', { name: words.carry.follow }).waitFor()
  await page.getByRole('textbox', { name: words.question }).fill(WRITTEN[lang].next)
  await button(walk, words.convene).click()
  const links = page.getByRole('navigation', { name: words.room.links.label })
  await links.getByRole('link', { name: WRITTEN[lang].name }).waitFor()
}

async function checked(walk: Walk): Promise<void> {
  const { page, lang } = walk
  await link(walk, WORDS[lang].nav.connection).click()
  // Of a rehearsal one thing is worth knowing: that it is one.
  await page.getByText(CHECK[lang].sum(0, 1)).waitFor()
  await button(walk, WORDS[lang].room.help.title).click()
  await page.getByRole('dialog').getByText(GUIDE[lang].more).waitFor()
  await page.keyboard.press('Escape')
}

/** A rehearsal by one press, and what can be done while it goes on. */
async function meanwhile(walk: Walk): Promise<void> {
  const { page, magi, lang } = walk
  const words = WORDS[lang]
  const { room } = words
  const fact = lang === 'ja' ? '予算は40万円まで。' : 'There are 4,000 to spend.'
  const { question } = await sceneNamed(walk, WRITTEN[lang].readme)
  await page.goto(magi.url)
  await page.getByRole('heading', { name: words.scenes.title }).waitFor()
  await page.locator('.scene').filter({ hasText: question }).click()
  await page.locator('.lane-scroll > .prose').first().waitFor()
  await button(walk, room.pause).click()
  await page.getByText(room.pausedBy('user')).waitFor()
  await button(walk, room.resume).click()
  await page.getByText(room.pausedBy('user')).waitFor({ state: 'detached' })
  await button(walk, room.note.open).click()
  await page.getByRole('textbox', { name: room.note.title }).fill(fact)
  await button(walk, room.note.send).click()
  await page.getByRole('list', { name: room.note.told }).getByText(fact).waitFor()
  const enlarge = button(walk, words.lane.expand(words.sages.melchior.name))
  await enlarge.click()
  await button(walk, words.lane.shrink(words.sages.melchior.name)).click()
  await enlarge.waitFor()
  await button(walk, words.stop).click()
  await page.locator('.verdict').getByText(words.verdict.stoppedNote).waitFor()
}

/** A question of one's own has no verdict in a rehearsal, and the page says what would give it one. */
async function unheard(walk: Walk): Promise<void> {
  const { page, magi, lang } = walk
  const question = lang === 'ja' ? '犬を飼うべきか?' : 'Should we get a dog?'
  await page.goto(magi.url)
  await page.getByRole('textbox', { name: WORDS[lang].question, exact: true }).fill(question)
  await page.keyboard.press('Enter')
  await page.locator('.verdict[data-kind=UNDECIDED]').waitFor({ timeout: 120_000 })
  await page.locator('.verdict').getByText('MAGI_MODEL').first().waitFor()
}

/** The picture of the README. */
async function whole({ page, magi, lang }: Walk, id: string): Promise<void> {
  await page.goto(`${magi.url}/#/d/${id}`)
  await page.locator('.verdict').waitFor()
  await keep(page, `page-${lang}`, { height: 1120 })
}

// Both at once: they mostly wait for rehearsals, which take their time.
test.concurrent.each(['en', 'ja'] as const)(
  'the guide, done as it says: %s',
  async (lang) => {
    const magi = await Magi.start()
    const { page, context, complaints } = await visit(browser, magi.url, {
      locale: lang === 'ja' ? 'ja-JP' : 'en-US',
      colorScheme: 'light',
      reducedMotion: 'reduce',
    })
    try {
      const walk: Walk = { page, magi, lang }
      const going = others(walk)
      await ask(walk)
      await watch(walk)
      const first = idOf(page)
      await decide(walk)
      await turnedOut(walk)
      await judgedAgain(walk, first)
      const ids = await going
      await trace(walk, first)
      await history(walk)
      await compare(walk)
      await onwards(walk, first)
      await whole(walk, ids.at(-1) ?? '')
      await checked(walk)
      await meanwhile(walk)
      await unheard(walk)
      expect(complaints).toEqual([])
    } finally {
      await context.close()
      await magi.end()
    }
    // Four rehearsals one after the other, at a model's pace: a minute where nothing else runs.
  },
  300_000,
)
