/**
 * The page comes whole from the binary: every screen works where there is no network at all, and nothing
 * on the way asks anybody but the server it came from.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type BrowserContext, type Page } from 'playwright-core'
import { expect, inject, test } from 'vitest'
import { FLAGS, launch, pageOf, server } from './browser.ts'
import { binary } from './magi.ts'
import { idOf } from './steps.ts'

const real = inject('real')

/** Everything that a context asks for, and whatever its pages complain about. */
function witness(context: BrowserContext) {
  const asked: string[] = []
  const complaints: string[] = []
  context.on('request', (request) => asked.push(request.url()))
  context.on('page', (page) => {
    page.on('websocket', (socket) => asked.push(socket.url()))
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning')
        complaints.push(message.text())
    })
  })
  return { asked, complaints }
}

/** Asks twice, and looks at everything there is to look at. Returns the names of the screens it saw. */
async function everything(page: Page, url: string): Promise<string[]> {
  const seen: string[] = []
  const shows = async (name: string, mark: string): Promise<void> => {
    await page.locator(mark).first().waitFor({ timeout: 120_000 })
    // What would reach out before it is asked for.
    const hints = 'link[rel~=preconnect], link[rel~=dns-prefetch], link[rel~=prefetch], iframe, img'
    expect(await page.locator(hints).count(), name).toBe(0)
    seen.push(name)
  }
  await page.goto(url)
  await shows('home', '.question-input')
  await page.locator('.scene').first().click()
  await shows('streaming', '.lane-scroll > .prose')
  await shows('verdict', '.verdict .dissent')
  const first = idOf(page)
  const coming = page.waitForEvent('download')
  await page.locator('.records a').first().click()
  expect(await readFile(await (await coming).path(), 'utf8')).toContain('## Decision Outcome')
  await page.locator('.brand').click()
  await page.locator('.question-input').fill('Should the lamp be left on?')
  await page.keyboard.press('Enter')
  await shows('a question of one’s own', '.verdict')
  const second = idOf(page)
  await page.goto(`${url}/#/history`)
  await page.getByRole('searchbox').fill('lamp')
  await shows('history', '.past-row')
  await page.goto(`${url}/#/d/${first}/trace`)
  await shows('trace', '.timeline-plot svg')
  await page.goto(`${url}/#/compare/${first}/${second}`)
  await shows('compare', '.pairs')
  await page.goto(`${url}/#/presets`)
  await page.locator('.preset-card a').first().click()
  await shows('a preset', '.preset-form')
  await page.goto(`${url}/#/connection`)
  await shows('the check', '.check-sum:not(:empty)')
  expect(await page.locator('.checks [data-outcome=fail]').count()).toBe(0)
  await page.keyboard.press('?')
  await shows('help', 'dialog[open] .keymap')
  await page.keyboard.press('Escape')
  await page.keyboard.press(',')
  await shows('settings', 'dialog[open] .switch')
  return seen
}

const SCREENS = 11

test.runIf(real)('nobody but the server itself is asked, on any screen', async () => {
  const browser = await launch()
  const url = server()
  const context = await browser.newContext({ locale: 'en-US' })
  const { asked, complaints } = witness(context)
  const page = await pageOf(context, url)
  expect(await everything(page, url)).toHaveLength(SCREENS)
  expect(asked.length).toBeGreaterThan(20)
  const elsewhere = asked.filter((one) => /^(https?|wss?):/.test(one) && !one.startsWith(`${url}/`))
  expect(elsewhere).toEqual([])
  expect(complaints).toEqual([])
  await browser.close()
})

/** A network of its own, in which there is loopback and nothing else. */
const ALONE = ['unshare', '--user', '--map-root-user', '--net', '--'] as const
const inside = (pid: number): string =>
  `nsenter --target ${pid} --user --net --preserve-credentials --`
const canBeAlone =
  spawnSync(ALONE[0], [...ALONE.slice(1), 'ip', 'link', 'set', 'lo', 'up']).status === 0

/** `magi serve --rehearsal` there; resolves with its address once it has told it. */
async function serveAlone(data: string): Promise<{ child: ChildProcess; url: string }> {
  const script = 'ip link set lo up && exec "$0" serve --rehearsal --port 8717 --data-dir "$1"'
  const [program, ...args] = [...ALONE, 'sh', '-c', script, binary(), data]
  const child = spawn(program ?? '', args, {
    env: { PATH: process.env['PATH'] ?? '', HOME: data, XDG_CONFIG_HOME: data },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const url = await new Promise<string>((resolve, reject) => {
    let told = ''
    child.once('exit', (code) => reject(new Error(`magi serve ended with ${code}`)))
    child.stdout.on('data', (bytes: Buffer) => {
      told += bytes.toString()
      const found = /(http:\/\/127\.0\.0\.1:\d+)/.exec(told)?.[1]
      if (found) resolve(found)
    })
  })
  return { child, url }
}

test.runIf(real && canBeAlone)(
  '`magi serve --rehearsal` and its page work where there is no network but loopback',
  async () => {
    const data = await mkdtemp(join(tmpdir(), 'magi-alone-'))
    const { child, url } = await serveAlone(data)
    try {
      // Only loopback is there, for the server and for the browser.
      const links = spawnSync('sh', ['-c', `${inside(child.pid ?? 0)} ip -o link`])
      expect(links.stdout.toString().trim().split('\n')).toHaveLength(1)
      const started = join(data, 'chromium')
      const chosen = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
      const lines = ['#!/bin/sh', `exec ${inside(child.pid ?? 0)} '${chosen}' "$@"`, '']
      await writeFile(started, lines.join('\n'), { mode: 0o755 })
      const browser = await chromium.launch({ executablePath: started, args: FLAGS })
      const context = await browser.newContext({ locale: 'en-US' })
      const { complaints } = witness(context)
      // The server is there, and the world is not.
      const lost = await context.newPage()
      await expect(lost.goto('http://192.0.2.1/')).rejects.toThrow(
        /INTERNET_DISCONNECTED|UNREACHABLE/,
      )
      await lost.close()
      complaints.length = 0
      const page = await pageOf(context, url, true)
      expect(await everything(page, url)).toHaveLength(SCREENS)
      expect(complaints).toEqual([])
      await browser.close()
    } finally {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await gone
      await rm(data, { recursive: true, force: true })
    }
  },
)
