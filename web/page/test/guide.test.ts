// @vitest-environment node
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { KEYS } from '../src/shortcuts.ts'
import { CHECK } from '../src/words-check.ts'
import { COMPARE } from '../src/words-compare.ts'
import { GUIDE } from '../src/words-guide.ts'
import { HISTORY } from '../src/words-history.ts'
import { PRESETS } from '../src/words-presets.ts'
import { TRACE } from '../src/words-trace.ts'
import { en } from '../src/words.en.ts'
import { ja } from '../src/words.ja.ts'
import { SEAL_WORDS } from '../src/words.ts'

const file = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url))
const read = (path: string): string => readFileSync(file(path), 'utf8')

const GUIDES = { en: 'docs/guide.md', ja: 'docs/guide.ja.md' } as const

/** Every text in a table of words. */
function textsOf(table: unknown): string[] {
  if (typeof table === 'string') return [table]
  if (typeof table !== 'object' || table === null) return []
  return Object.values(table).flatMap(textsOf)
}

test.each(['en', 'ja'] as const)('what the guide names in bold stands on the page: %s', (lang) => {
  const screens = [CHECK, COMPARE, GUIDE, HISTORY, PRESETS, TRACE].map((texts) => texts[lang])
  const seals = Object.values(SEAL_WORDS).map((words) => words[lang])
  // The built-in presets' names are the server's.
  const source = read('crates/magi-council/src/preset.rs')
  const titles = [...source.matchAll(/title: Text \{[^}]*\}/g)].flatMap(([text]) =>
    [...text.matchAll(new RegExp(`${lang}: "([^"]+)"`, 'g'))].map(([, title]) => title),
  )
  const known = [...textsOf([lang === 'ja' ? ja : en, ...screens]), ...seals, ...titles]
  const prose = read(GUIDES[lang]).replaceAll('\n', ' ')
  const named = [...prose.matchAll(/\*\*([^*]+)\*\*/g)].map(([, name = '']) => name)
  expect(named.length).toBeGreaterThan(40)
  expect(named.filter((name) => !known.some((text) => text?.startsWith(name)))).toEqual([])
})

test.each(['en', 'ja'] as const)('the guide knows every key: %s', (lang) => {
  const keys = KEYS.flatMap((key) => key.split(' ')).filter((key) => key !== 'Escape')
  const table = read(GUIDES[lang])
  expect(keys.filter((key) => !table.includes(`\`${key}\``))).toEqual([])
})

test('every picture is shown somewhere, none is missing, none is heavy', () => {
  const there = readdirSync(file('docs/images')).filter((name) => name.endsWith('.png'))
  const documents = ['README.md', 'README.ja.md', ...Object.values(GUIDES)].map(read).join('\n')
  const shown = [...documents.matchAll(/images\/([\w-]+\.png)/g)].map(([, name]) => name)
  expect(there.sort()).toEqual([...new Set(shown)].sort())
  expect(there.length).toBeLessThanOrEqual(16)
  const heavy = there.filter((name) => statSync(file(`docs/images/${name}`)).size > 250_000)
  expect(heavy).toEqual([])
})
