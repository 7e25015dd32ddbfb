import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'
import { inject } from 'vitest'

/** A name under which the browser finds this machine, and the page does not know it for that. */
export const AWAY = 'away.magi.test'

/** Keeps the browser itself off the network. */
export const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  `--host-resolver-rules=MAP ${AWAY} 127.0.0.1`,
  // A page that MAGI_PAGE puts in has no address of its own, and is asked whether it may call loopback.
  ...(process.env['MAGI_PAGE'] === undefined
    ? []
    : ['--disable-features=LocalNetworkAccessChecks']),
]

/** Debian's Chromium, or the one that CHROMIUM names. */
export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: FLAGS,
  })

export interface Visit {
  context: BrowserContext
  page: Page
  /** Everything the page complained about: errors, refused styles and scripts, foreign requests. */
  complaints: string[]
}

/** Opens the page in a fresh context and collects whatever it complains about. */
export async function visit(
  browser: Browser,
  url: string,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<Visit> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    locale: 'en-US',
    ...options,
  })
  const page = await pageOf(context, url)
  const complaints: string[] = []
  const origin = new URL(url).origin
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning')
      complaints.push(`${message.type()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => complaints.push(`thrown: ${error.message}`))
  page.on('request', (request) => {
    if (!request.url().startsWith(origin)) complaints.push(`foreign request: ${request.url()}`)
  })
  await page.goto(url)
  return { context, page, complaints }
}

/**
 * A new page of a context, for the server at this address: its own page, or the one that MAGI_PAGE names.
 * `alone` is where only the browser reaches the server.
 */
export async function pageOf(context: BrowserContext, url: string, alone = false): Promise<Page> {
  const built = process.env['MAGI_PAGE']
  if (built !== undefined) await serveFrom(context, url, built, alone)
  return context.newPage()
}

/** The address of the server under test, set up in `setup.ts`. */
export const server = (): string => inject('url')

declare module 'vitest' {
  interface ProvidedContext {
    url: string
    real: boolean
  }
}

/** Puts the page of a folder in the place of the program's own, whose headers it keeps: no need to build the program again. */
async function serveFrom(
  context: BrowserContext,
  url: string,
  folder: string,
  alone: boolean,
): Promise<void> {
  await context.route(`${new URL(url).origin}/**`, async (route) => {
    const { pathname } = new URL(route.request().url())
    if (pathname === '/') {
      const body = await readFile(join(folder, 'index.html'))
      if (alone) return route.fulfill({ body, contentType: 'text/html' })
      return route.fulfill({ response: await route.fetch(), body })
    }
    if (!pathname.startsWith('/assets/')) return route.continue()
    return route.fulfill({ path: join(folder, pathname) })
  })
}
