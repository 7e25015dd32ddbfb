import type { Page } from 'playwright-core'

/** Where one comes by a key, once around the page: how many places, and those of which nothing is in sight. */
export async function walk(
  page: Page,
  key: 'Tab' | 'Shift+Tab',
): Promise<{ places: number; hidden: string[] }> {
  await page.evaluate(() => {
    Object.assign(window, { walked: new Set<Element>() })
  })
  const hidden: string[] = []
  for (let places = 0; places < 300; places++) {
    await page.keyboard.press(key)
    const found = await page.evaluate(look)
    if (found === 'around') return { places, hidden }
    if (found !== '') hidden.push(found)
  }
  throw new Error('the walk does not come around')
}

/** What has the focus, if something else lies on all of it. Runs in the page. */
function look(): string {
  const { walked } = window as unknown as { walked: Set<Element> }
  const focused = document.activeElement
  if (!focused || focused === document.body) return ''
  if (walked.has(focused)) return 'around'
  walked.add(focused)
  // A box or a dot to choose is drawn by its label.
  const drawn = focused.matches('input') ? (focused.closest('label') ?? focused) : focused
  const STEPS = 6
  for (const box of drawn.getClientRects())
    for (let across = 1; across < STEPS; across++)
      for (let down = 1; down < STEPS; down++) {
        const x = box.left + (box.width * across) / STEPS
        const y = box.top + (box.height * down) / STEPS
        const hit = document.elementFromPoint(x, y)
        if (hit && drawn.contains(hit)) return ''
      }
  const { top, bottom } = drawn.getBoundingClientRect()
  const name = focused.getAttribute('aria-label') ?? drawn.textContent ?? ''
  return `${focused.tagName} "${name.trim().slice(0, 40)}" from ${top.toFixed(0)} to ${bottom.toFixed(0)}`
}
