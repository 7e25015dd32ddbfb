/** The presets screen against a real server: what is written on it is what the server keeps and decides by. */
import { readFile } from 'node:fs/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { Client, type Preset, type PresetDraft } from '../stream/src/index.ts'
import { launch, server, visit } from './browser.ts'
import { idOf, stored } from './steps.ts'

const real = inject('real')
const url = server()
const client = new Client({ base: url })

let browser: Browser
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser.close())

const save = (page: Page): Promise<void> => page.getByRole('button', { name: 'Save' }).click()
const said = (page: Page, words: string): Promise<void> =>
  page.locator('.saved-note').getByText(words).waitFor()
const exists = async (name: string): Promise<boolean> =>
  (await client.presets()).some((preset: Preset) => preset.name === name)

/** Copies the strict one and names the copy. */
async function copied(page: Page, name: string): Promise<void> {
  await page.goto(`${url}/#/presets/strict`)
  expect(await page.getByLabel('Quorum').isEditable()).toBe(false)
  await page.getByRole('button', { name: 'Copy' }).click()
  await page.getByLabel('Name').fill(name)
}

test.runIf(real)(
  'a copy is refused where it is wrong, kept, and kept again in versions',
  async () => {
    const { page, context, complaints } = await visit(browser, `${url}/#/presets`)
    await copied(page, 'night')
    const quorum = page.getByLabel('Quorum')
    await quorum.fill('9')
    await save(page)
    await page.locator('.preset-save').getByText('council.quorum').waitFor()
    expect(await quorum.getAttribute('aria-invalid')).toBe('true')
    const fault = page.locator('.input').filter({ has: quorum }).locator('.field-error')
    expect(await fault.textContent()).toContain('between 1 and 3')
    expect(await exists('night')).toBe(false)
    // What is no number is refused before anybody is asked.
    await quorum.fill('many')
    await save(page)
    await fault.getByText('A number').waitFor()
    await quorum.fill('2')
    await save(page)
    await said(page, 'night is saved as version 1.')
    await page.waitForURL(/#\/presets\/night$/)
    await page.getByLabel('Role').first().fill('Be stern.')
    await save(page)
    await said(page, 'night is saved as version 2.')
    const whole = await client.preset('night')
    expect(whole).toMatchObject({ version: 2, base: 'strict', rule: 'unanimous', quorum: 2 })
    expect(whole.council).toEqual({ quorum: 2, roles: { caspar: { prompt: 'Be stern.' } } })
    await page.getByRole('button', { name: /^Version 1, / }).click()
    await page.getByText('This is version 1, as it was.').waitFor()
    expect(await page.getByLabel('Role').first().inputValue()).toBe('')
    await page.getByRole('button', { name: 'Show the newest' }).click()
    await expect.poll(() => page.getByLabel('Role').first().inputValue()).toBe('Be stern.')
    // Only the server's own refusals were complained about.
    expect(complaints.filter((one) => !one.includes('400'))).toEqual([])
    await context.close()
  },
)

test.runIf(real)('what somebody else saved meanwhile is not written over', async () => {
  const { page, context } = await visit(browser, `${url}/#/presets`)
  await copied(page, 'shared')
  await save(page)
  await said(page, 'shared is saved as version 1.')
  const { title, good_for, bad_at, base, council } = await client.preset('shared')
  const theirs: PresetDraft = { title, good_for, bad_at, base, council: { ...council, quorum: 1 } }
  await client.savePreset('shared', { ...theirs, if_version: 1 })
  await page.getByLabel('Role').first().fill('Mine.')
  await save(page)
  await page.locator('.preset-save [role=alert]:not(:empty)').waitFor()
  const { version, council: kept } = await client.preset('shared')
  expect(version).toBe(2)
  expect(kept).toMatchObject({ quorum: 1 })
  expect(kept.roles).toBeUndefined()
  // Nor is what was written lost: it stands there still.
  expect(await page.getByLabel('Role').first().inputValue()).toBe('Mine.')
  await client.deletePreset('shared')
  await context.close()
})

test.runIf(real)(
  'asked with it: its rule and its version decide, and it counts its uses',
  async () => {
    const { page, context } = await visit(browser, `${url}/#/presets`)
    await copied(page, 'counted')
    await page.getByLabel('Title (in English)').fill('Counted')
    await save(page)
    await said(page, 'counted is saved as version 1.')
    await page.getByRole('link', { name: 'Ask' }).click()
    await page.getByRole('radio', { name: 'Counted' }).click()
    await page.locator('.question-input').fill('Should the lamp be left on?')
    await page.keyboard.press('Enter')
    await page.locator('.verdict').waitFor({ timeout: 120_000 })
    const { view } = await stored(url, idOf(page))
    expect(view.council).toMatchObject({
      name: 'counted',
      version: 1,
      rule: 'unanimous',
      quorum: 3,
    })
    await page.locator('.count-rule').getByText('all alike').waitFor()
    await page.getByRole('link', { name: 'Presets' }).click()
    await page
      .locator('.preset-card')
      .filter({ hasText: 'counted' })
      .getByText('used once')
      .waitFor()
    await client.deletePreset('counted')
    await context.close()
  },
)

test.runIf(real)('taken out as a file, deleted for good, read in again', async () => {
  const { page, context } = await visit(browser, `${url}/#/presets`)
  await copied(page, 'carried')
  await page.getByLabel('Role').first().fill('Be stern.')
  await page.getByLabel('Rule').selectOption('veto:melchior')
  await save(page)
  await said(page, 'carried is saved as version 1.')
  const coming = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Export' }).click()
  const file = await (await coming).path()
  const told = JSON.parse(await readFile(file, 'utf8')) as PresetDraft & { name: string }
  const council = { rule: 'veto:melchior', roles: { caspar: { prompt: 'Be stern.' } } }
  expect(told).toMatchObject({ name: 'carried', base: 'strict', council })
  await page.getByRole('button', { name: 'Delete' }).click()
  expect(await exists('carried')).toBe(true)
  await page.getByRole('button', { name: 'Delete for good' }).click()
  await page.waitForURL(/#\/presets$/)
  await page.locator('.preset-card code', { hasText: 'carried' }).waitFor({ state: 'detached' })
  expect(await exists('carried')).toBe(false)
  await page.locator('input[type=file]').setInputFiles(file)
  expect(await page.getByLabel('Name').inputValue()).toBe('carried')
  await save(page)
  await page.waitForURL(/#\/presets\/carried$/)
  expect((await client.preset('carried')).council).toEqual(council)
  // A file that is none is refused with the reason.
  await page.goto(`${url}/#/presets`)
  const buffer = Buffer.from('{"name": "x"}')
  const none = { name: 'x.json', mimeType: 'application/json', buffer }
  await page.locator('input[type=file]').setInputFiles(none)
  await page.getByText('The file holds no preset').waitFor()
  await client.deletePreset('carried')
  await context.close()
})
