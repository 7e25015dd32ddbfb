import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'

const source = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe finds wrong, as `rule: element`. */
export async function findings(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(await source)
  return page.evaluate(async () => {
    const { axe: run } = window as unknown as {
      axe: {
        run: (options: {
          resultTypes: string[]
        }) => Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>
      }
    }
    // Elements of what passes are not listed, which takes longer than to find them.
    const { violations } = await run.run({ resultTypes: ['violations'] })
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html}`))
  })
}
