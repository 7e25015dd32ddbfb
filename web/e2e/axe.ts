import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'

const source = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe finds wrong, as `rule: element`. */
export async function findings(page: Page): Promise<string[]> {
  await page.evaluate(await source)
  return page.evaluate(async () => {
    const { axe: run } = window as unknown as {
      axe: {
        run: () => Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>
      }
    }
    const { violations } = await run.run()
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html}`))
  })
}
