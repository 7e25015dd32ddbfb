import type { Locator, Page } from 'playwright-core'
import {
  EMPTY,
  fold,
  SAGES,
  SseDecoder,
  type Event,
  type Sage,
  type Scene,
  type View,
} from '../stream/src/index.ts'

/** The scenes the server has, of one language. */
export async function scenes(url: string, lang: 'ja' | 'en'): Promise<Scene[]> {
  const response = await fetch(`${url}/v1/rehearsal`)
  const { scenes: all } = (await response.json()) as { scenes: Scene[] }
  return all.filter((scene) => scene.lang === lang)
}

export const sceneButton = (page: Page, scene: Scene) =>
  page.locator('.scene').filter({ hasText: scene.question })

/** The text of each lane as the page shows it now. */
export const laneTexts = (page: Page): Promise<Record<Sage, string>> =>
  page.evaluate(
    (sages) =>
      Object.fromEntries(
        sages.map((sage) => {
          const lane = document.querySelector(`.lane[data-agent="${sage}"] .lane-scroll > .prose`)
          return [sage, lane?.textContent ?? '']
        }),
      ) as Record<Sage, string>,
    [...SAGES],
  )

/** Waits until a lane says something in the open. */
export const firstWords = (page: Page): Promise<void> =>
  page.locator('.lane-scroll > .prose:visible').first().waitFor()

export const idOf = (page: Page): string => /#\/d\/([0-9A-Z]+)/.exec(page.url())?.[1] ?? ''

/** Reads a whole stored log by plain fetch, and folds it. */
export async function stored(url: string, id: string): Promise<{ events: Event[]; view: View }> {
  const response = await fetch(`${url}/v1/deliberations/${id}/events`)
  const decoder = new SseDecoder()
  const events: Event[] = []
  for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>)
    for (const frame of decoder.push(bytes)) events.push(JSON.parse(frame.data) as Event)
  return { events, view: events.reduce(fold, EMPTY) }
}

/** A text without what drawing it adds or takes: white space, list signs and emphasis. */
export const bare = (text: string): string =>
  text
    .replace(/^\s*(?:[-*•・]|\d{1,3}[.)]|#{1,6})\s+/gm, '')
    .replace(/\*\*([^*\n]+)\*\*/g, '$1')
    .replace(/`([^`\n]+)`/g, '$1')
    .replace(/\s/g, '')

/** Waits for the end and gives what is shown and what is stored, both bare. */
export async function untilOver(page: Page, url: string) {
  await page.locator('.verdict').waitFor({ timeout: 150_000 })
  await page.waitForTimeout(100)
  const { view, events } = await stored(url, idOf(page))
  const shown = await laneTexts(page)
  const both = SAGES.map((sage) => ({
    sage,
    shown: bare(shown[sage]),
    stored: bare(view.sages[sage].text),
  }))
  return { view, events, both }
}

/** The passage that is marked: its text, whose lane it stands in, and whether that has scrolled to it. */
export const marked = (page: Page) =>
  page.evaluate(() => {
    const range = [...(CSS.highlights.get('passage') ?? [])][0] as Range
    const box = range.startContainer.parentElement?.closest('.lane-scroll')
    const around = box?.getBoundingClientRect()
    const { top, bottom } = range.getBoundingClientRect()
    return {
      text: range.toString(),
      agent: box?.closest<HTMLElement>('.lane')?.dataset['agent'],
      scrolls: box != null && box.scrollHeight > box.clientHeight,
      inSight: around !== undefined && top >= around.top && bottom <= around.bottom,
    }
  })

/** Composes this in a box, and presses in there every Enter that an input method ends a conversion with. */
export async function convert(box: Locator, text: string): Promise<void> {
  await box.focus()
  const page = box.page()
  const cdp = await page.context().newCDPSession(page)
  const compose = (part: string) =>
    cdp.send('Input.imeSetComposition', {
      text: part,
      selectionStart: part.length,
      selectionEnd: part.length,
    })
  await compose('いこう')
  await compose(text)
  // A real Enter while the browser itself holds a composition.
  await cdp.send('Input.dispatchKeyEvent', {
    type: 'rawKeyDown',
    key: 'Enter',
    code: 'Enter',
    windowsVirtualKeyCode: 13,
  })
  // The same as an input method reports it, and as Safari does after the composition has ended.
  for (const init of [
    { key: 'Process', keyCode: 229, isComposing: true },
    { key: 'Enter', keyCode: 229, isComposing: false },
    { key: 'Enter', keyCode: 13, isComposing: true },
  ])
    await box.evaluate(
      (element, of) =>
        element.dispatchEvent(
          new KeyboardEvent('keydown', { ...of, bubbles: true, cancelable: true }),
        ),
      init,
    )
  await cdp.detach()
}

/** Ends the composition with this text, and waits until the page has it. */
export async function commit(page: Page, text: string): Promise<void> {
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('Input.insertText', { text })
  await cdp.detach()
  await page.waitForFunction(
    (whole) => (document.activeElement as HTMLTextAreaElement | null)?.value === whole,
    text,
  )
}
