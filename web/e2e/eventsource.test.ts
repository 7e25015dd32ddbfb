import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launch, server, visit } from './browser.ts'
import { CuttingProxy } from './proxy.ts'
import { scenes, stored } from './steps.ts'

let browser: Browser
const url = server()
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser.close())

const CUTS = 20

test(`a browser's own EventSource survives ${CUTS} cuts and stops at 204`, async () => {
  const [scene] = await scenes(url, 'en')
  if (!scene) throw new Error('no scene')
  const asked = await fetch(`${url}/v1/deliberations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ question: scene.question, preset: scene.preset }),
  })
  const reader = (asked.body as ReadableStream<Uint8Array>).getReader()
  let head = ''
  while (!head.includes('trace_id')) {
    const { value } = await reader.read()
    head += new TextDecoder().decode(value)
  }
  await reader.cancel()
  const id = /"trace_id":"([0-9A-Z]+)"/.exec(head)?.[1] ?? ''

  const proxy = new CuttingProxy(url)
  const through = await proxy.listen()
  proxy.cuts = CUTS
  const { page, context } = await visit(browser, `${through}/icon.svg`)
  const seen = await page.evaluate(
    (address) =>
      new Promise<{ data: string[]; ids: string[]; errors: number }>((resolve) => {
        const source = new EventSource(address)
        const data: string[] = []
        const ids: string[] = []
        let errors = 0
        source.onmessage = (message) => {
          data.push(message.data)
          ids.push(message.lastEventId)
        }
        source.onerror = () => {
          errors++
          // A reader that is told 204 is closed for good; after a cut it is connecting again.
          if (source.readyState === EventSource.CLOSED) resolve({ data, ids, errors })
        }
      }),
    `/v1/deliberations/${id}/events`,
  )
  const { events } = await stored(url, id)
  expect(seen.data.map((data) => (JSON.parse(data) as { seq: number }).seq)).toEqual(
    events.map((event) => event.seq),
  )
  expect(seen.data.map((data) => JSON.parse(data) as unknown)).toEqual(events)
  expect(new Set(seen.ids).size).toBe(events.length)
  expect(proxy.made).toBe(CUTS)
  // Every connection was cut but the last, which ended by itself; then one 204, then silence.
  expect(proxy.answers.filter((status) => status === 204)).toHaveLength(1)
  expect(proxy.answers.at(-1)).toBe(204)
  const asks = proxy.answers.length
  await page.waitForTimeout(2500)
  expect(proxy.answers).toHaveLength(asks)
  await context.close()
  proxy.close()
})
