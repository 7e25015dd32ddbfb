// @vitest-environment node
/**
 * The shape of the page's code: functions and files that one can read. Top-level functions, components
 * and methods begin and end where prettier puts them, which the format check holds.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FOLDERS = ['page/src', 'page/test', 'stream/src', 'stream/test', 'dev', 'e2e']
const LONGEST = 120
const LONGEST_FILE = 800

const FUNCTION =
  /^(?<indent>(?: {2})?)(?:export )?(?:default )?(?:async )?(?:function\*? (?<named>\w+)|const (?<made>\w+)[^=]*= .*(?:=> [{(]|\(\{?)$|(?:async )?(?:\*)?#?(?<method>\w+)\(.*\{$)/

/** The functions of a file that are longer than they may be, as `name: lines`. */
function long(text: string): string[] {
  const lines = text.split('\n')
  return lines.flatMap((line, at) => {
    const found = FUNCTION.exec(line)?.groups
    if (!found) return []
    const end = lines.findIndex(
      (other, index) => index > at && closes(other, found['indent'] ?? ''),
    )
    const length = end - at + 1
    const name = found['named'] ?? found['made'] ?? found['method']
    return end > at && length > LONGEST ? [`${name}: ${length}`] : []
  })
}

const closes = (line: string, indent: string): boolean =>
  line.startsWith(indent) && /^[})]{1,2}$/.test(line.slice(indent.length))

test('functions and files are short', () => {
  let seen = 0
  const found: string[] = []
  for (const folder of FOLDERS)
    for (const name of readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })) {
      if (!/\.tsx?$/.test(name) || name.endsWith('.d.ts')) continue
      const text = readFileSync(join(ROOT, folder, name), 'utf8')
      seen++
      found.push(...long(text).map((one) => `${folder}/${name}: ${one}`))
      const lines = text.split('\n').length
      if (lines > LONGEST_FILE) found.push(`${folder}/${name}: ${lines} lines`)
    }
  expect(seen).toBeGreaterThan(100)
  expect(found).toEqual([])
})

test('a function that is too long is found, however it is written', () => {
  const body = '  run()\n'.repeat(LONGEST)
  for (const head of ['export function Long() {', 'const long = async (a: A): B => {'])
    expect(long(`${head}\n${body}}\n`), head).toHaveLength(1)
  expect(long(`export const Long = memo(function Long({\n  a,\n}: A) {\n${body}})\n`)).toHaveLength(
    1,
  )
  expect(
    long(`class A {\n  async #go(a: A): B {\n${'    run()\n'.repeat(LONGEST)}  }\n}\n`),
  ).toHaveLength(1)
  expect(long(`function short() {\n  run()\n}\n`)).toEqual([])
})
