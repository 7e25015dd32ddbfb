// Three lanes at 100 tokens a second for a minute, in the page and in a page that only appends text, by turns in one run:
// the browser's main-thread time of both and its ratio, and whether memory stays flat. Prints a table.
//
//   npm --prefix web run bench -- [--magi target/debug/magi] [--emulator target/debug/magi-emulator] [--seconds 60] [--rounds 3]
//
// The programs' own speed does not matter here: it is the browser that is measured.
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const { values: flags } = parseArgs({
  options: {
    magi: { type: 'string', default: join(ROOT, 'target/debug/magi') },
    emulator: { type: 'string', default: join(ROOT, 'target/debug/magi-emulator') },
    seconds: { type: 'string', default: '60' },
    rounds: { type: 'string', default: '3' },
  },
})
const SECONDS = Number(flags.seconds)
const RATE = 100

/** Reads the same stream and appends what came to one of four texts once per frame: the least that shows it. */
const BARE = `<!doctype html><meta charset=utf-8><title>bare</title>
<style>pre{height:20em;overflow:auto;white-space:pre-wrap}</style>
<pre id=caspar> </pre><pre id=balthasar> </pre><pre id=melchior> </pre><pre id=judge> </pre>`

const READ = async (question) => {
  const response = await fetch('/v1/deliberations', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ question }),
  })
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  const texts = {}
  let painting = false
  const paint = () => {
    painting = false
    for (const [id, text] of Object.entries(texts)) {
      const place = document.getElementById(id)
      place.firstChild.appendData(text)
      place.scrollTop = place.scrollHeight
      delete texts[id]
    }
  }
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    const frames = (rest + value).split('\n\n')
    rest = frames.pop()
    for (const frame of frames) {
      const line = frame.split('\n').find((one) => one.startsWith('data: '))
      if (line === undefined) continue
      const event = JSON.parse(line.slice(6))
      if (event.type !== 'agent_chunk' && event.type !== 'judge_chunk') continue
      const id = event.agentId ?? 'judge'
      texts[id] = (texts[id] ?? '') + event.data.text
      if (!painting) requestAnimationFrame(paint)
      painting = true
    }
  }
}

const started = []
function start(command, args, env, told) {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  started.push(child)
  return new Promise((resolve, reject) => {
    let text = ''
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code}`)))
    child.stdout.on('data', (bytes) => {
      text += bytes
      const found = told.exec(text)
      if (found) resolve(found[1])
    })
  })
}

async function figures(session) {
  await session.send('HeapProfiler.collectGarbage')
  const { metrics } = await session.send('Performance.getMetrics')
  const of = (name) => metrics.find((one) => one.name === name).value
  return {
    busy: of('TaskDuration'),
    script: of('ScriptDuration'),
    layout: of('LayoutDuration') + of('RecalcStyleDuration'),
    heap: of('JSHeapUsedSize') / 2 ** 20,
    nodes: of('Nodes'),
  }
}

/** Opens a page, lets it read a deliberation, and measures from the first third to the last word. */
async function round(browser, url, bare, question) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  if (bare)
    await context.route(`${url}/bare`, (route) =>
      route.fulfill({ contentType: 'text/html', body: BARE }),
    )
  const page = await context.newPage()
  await page.goto(bare ? `${url}/bare` : url)
  const session = await context.newCDPSession(page)
  await session.send('Performance.enable')
  let over
  if (bare) over = page.evaluate(READ, question)
  else {
    await page.getByRole('textbox').first().fill(question)
    await page.keyboard.press('Enter')
    over = page.locator('.verdict').waitFor({ timeout: SECONDS * 4000 + 60_000 })
  }
  const before = await figures(session)
  await page.waitForTimeout((SECONDS * 1000) / 3)
  const third = await figures(session)
  await page.waitForTimeout((SECONDS * 1000) / 3)
  const two = await figures(session)
  await over
  const after = await figures(session)
  await context.close()
  return {
    busy: after.busy - before.busy,
    script: after.script - before.script,
    layout: after.layout - before.layout,
    third: third.heap,
    two: two.heap,
    end: after.heap,
    nodes: after.nodes,
  }
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]

const data = await mkdtemp(join(tmpdir(), 'magi-bench-'))
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-sync'],
})
try {
  const base = { PATH: process.env.PATH ?? '', HOME: data, XDG_CONFIG_HOME: data }
  const vendors = await start(
    flags.emulator,
    ['vendors', '--listen', '127.0.0.1:0'],
    base,
    /OPENAI_BASE_URL=(\S+)/,
  )
  const sages = `openai:fake+approve+tps-${RATE}+len-${SECONDS * RATE}`
  const url = await start(
    flags.magi,
    ['serve', '--port', '0', '--data-dir', data],
    {
      ...base,
      OPENAI_BASE_URL: vendors,
      OPENAI_API_KEY: 'bench',
      MAGI_MODEL: sages,
      MAGI_SOLOMON_MODEL: 'openai:fake+approve+tps-100+len-20',
    },
    /(http:\/\/127\.0\.0\.1:\d+)/,
  )
  const rounds = []
  for (let number = 0; number < Number(flags.rounds); number++) {
    const bare = await round(browser, url, true, `Bare, round ${number}?`)
    const page = await round(browser, url, false, `Page, round ${number}?`)
    rounds.push({ bare, page, ratio: page.busy / bare.busy })
  }
  const row = (who, key, digits) => median(rounds.map((one) => one[who][key])).toFixed(digits)
  console.log(`${SECONDS} s, three lanes at ${RATE} tokens/s, medians of ${rounds.length} rounds`)
  console.log('| | bare append page | MAGI |')
  console.log('|---|---|---|')
  for (const [name, key, digits] of [
    ['main thread busy, s', 'busy', 2],
    ['of it scripts, s', 'script', 2],
    ['of it style and layout, s', 'layout', 2],
    ['heap after a third, MiB', 'third', 1],
    ['heap after two thirds, MiB', 'two', 1],
    ['heap at the end, MiB', 'end', 1],
    ['DOM nodes at the end', 'nodes', 0],
  ])
    console.log(`| ${name} | ${row('bare', key, digits)} | ${row('page', key, digits)} |`)
  const ratios = rounds.map((one) => one.ratio)
  console.log(
    `ratio of busy time: ${median(ratios).toFixed(2)} (${ratios.map((r) => r.toFixed(2)).join(', ')})`,
  )
} finally {
  await browser.close()
  for (const child of started) child.kill('SIGINT')
  await rm(data, { recursive: true, force: true })
}
