/** The states that only a page on static hosting can be in, with its council on another origin. */
import type { Page } from 'playwright-core'
import { Cloud, type CloudOptions } from '../dev/cloud.ts'
import { SCENES } from '../dev/scenes.ts'
import { host } from '../dev/serve.ts'

export interface Hosted {
  name: string
  cloud?: CloudOptions
  /** Made from the cloud's address. */
  config?: (base: string) => unknown
  /** The cloud allows the page to read its answers. */
  cors?: false
  /** What is done once the page is there. */
  then?: (page: Page) => Promise<unknown>
  marks: readonly string[]
  locked?: true
}

const ask = async (page: Page): Promise<void> => {
  await page.locator('.question-input').fill(SCENES['billing']!.question)
  await page.keyboard.press('Enter')
}

const STORY: Pick<Hosted, 'cloud'> = { cloud: { pace: 4, deadlineVotes: 1, keeps: false } }

const told = async (page: Page): Promise<void> => {
  await ask(page)
  await page.locator('.verdict').waitFor({ timeout: 60_000 })
}

export const HOSTED: readonly Hosted[] = [
  {
    name: 'hosted, a story over deadlines',
    ...STORY,
    then: told,
    marks: ['.verdict', '[data-notice="gone-on"]', '.records .link-button'],
  },
  {
    name: 'hosted, this browser’s own copies on the start page',
    ...STORY,
    then: async (page) => {
      await told(page)
      await page.locator('.brand').click()
    },
    marks: ['.past', '.own-note', '.door-line'],
  },
  {
    name: 'hosted, this browser’s own history',
    ...STORY,
    then: async (page) => {
      await told(page)
      await page.goto(`${page.url().split('#')[0]}#/history`)
    },
    marks: ['.past-row', '.own-note'],
  },
  {
    name: 'hosted, the settings with where the page asks',
    then: (page) => page.getByRole('button', { name: /^(?:Settings|設定)$/ }).click(),
    marks: ['dialog[open] .settings-way'],
  },
  {
    name: 'hosted, a hop that holds the answer back',
    cloud: { pace: 30, holds: { limitMs: 60_000 } },
    then: ask,
    marks: ['[data-notice="held"] .why-fix', '.verdict'],
  },
  {
    name: 'hosted, a config.json that is wrong',
    config: () => ({ door: 'x' }),
    marks: ['.alert-box'],
    locked: true,
  },
  { name: 'hosted, answers not allowed to be read', cors: false, marks: ['.home .alert-box'] },
  {
    name: 'hosted, signing in',
    config: (base) => ({ door: 'invocations', base, sign: 'bearer' }),
    marks: ['.token-input'],
    locked: true,
  },
]

/** Puts up the cloud and the hosting of a state. */
export async function putUp({ cloud: options = {}, config, cors }: Hosted) {
  const cloud = new Cloud({ ...options })
  const address = await cloud.listen()
  const read = config ?? ((base: string) => ({ door: 'invocations', base }))
  const hosting = await host(read(address), address)
  if (cors !== false) cloud.options.origin = hosting.url
  const close = (): void => {
    cloud.close()
    hosting.close()
  }
  return { url: hosting.url, close }
}
