import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import { withPalette } from './palette.ts'

const folder = process.env['MAGI_PICTURES']

/** A window of this height, or one part of the page whole. */
type Frame = { height: number } | { of: Locator }

/** Takes a picture for the documents where a folder for them is named; else does nothing. */
export async function keep(page: Page, name: string, frame: Frame): Promise<void> {
  if (folder === undefined) return
  const before = page.viewportSize()
  const width = before?.width ?? 1280
  // What sticks to the window's edge must not lie over a part that is taller than the window.
  const part = 'of' in frame ? await frame.of.boundingBox() : undefined
  const height = 'height' in frame ? frame.height : Math.ceil(part?.height ?? 0) + 400
  await page.setViewportSize({ width, height })
  const target = 'of' in frame ? frame.of : page
  // What the mouse happens to lie over has another look.
  await page.mouse.move(0, 0)
  const png = await target.screenshot({ animations: 'disabled', caret: 'hide' })
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, `${name}.png`), withPalette(png))
  if (before) await page.setViewportSize(before)
}
