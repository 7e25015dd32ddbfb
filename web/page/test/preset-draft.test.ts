import type { PresetDraft } from '@magi/stream'
import { expect, test } from 'vitest'
import { PresetStore } from '../../dev/preset-store.ts'
import {
  copyOf,
  draftOf,
  faultsOf,
  fileOf,
  formOf,
  freeName,
  parseFile,
} from '../src/preset-draft.ts'

const DRAFT: PresetDraft = {
  title: { ja: '夜間', en: 'Night' },
  bad_at: { en: 'Anything in a hurry' },
  base: 'strict',
  council: {
    rule: 'veto:caspar',
    quorum: 2,
    late: 'exclude',
    roles: {
      caspar: { prompt: 'Be stern.', model: 'openai:gpt', fallbacks: ['a:b', 'c:d'], top_p: 0.5 },
      balthasar: { fallbacks: [], voice: 'low' },
      solomon: {
        enabled: false,
        max_tokens: 2000,
        temperature: 0,
        panel: ['openai:mini', 'ollama:qwen3:8b'],
      },
    },
    deadlines: { whole: 300 },
    budget: { usd: 0.05, tokens: 9000 },
    judge_fallback: 'x:y',
  },
}

test('what is read is what is written, fields without a place in the form too', () => {
  expect(draftOf(formOf('night', DRAFT))).toEqual(DRAFT)
})

test('a panel is written as names, and none is not the same as nothing', () => {
  const form = formOf('n', { bad_at: { en: 'x' } })
  const panel = (text: string) =>
    draftOf({ ...form, roles: { ...form.roles, solomon: { ...form.roles.solomon, panel: text } } })
      .council?.roles?.solomon
  expect(panel('a:b、 c:d:8b,')).toEqual({ panel: ['a:b', 'c:d:8b'] })
  expect(panel(' None ')).toEqual({ panel: [] })
  expect(panel(' , ')).toBeUndefined()
})

test('what is left empty is the base’s, and is not sent', () => {
  expect(draftOf(formOf('n', { bad_at: { ja: 'x', en: ' ' } }))).toEqual({
    bad_at: { ja: 'x' },
    base: 'default',
    council: {},
  })
})

test('numbers, the name, and what it is bad at are asked for before a server is', () => {
  const form = formOf('Night!', DRAFT)
  const wrong = {
    ...form,
    quorum: 'two',
    usd: '-1',
    bad_at: { ja: '', en: ' ' },
    deadlines: { ...form.deadlines, idle: 'soon' },
    roles: { ...form.roles, melchior: { ...form.roles.melchior, temperature: 'hot' } },
  }
  expect(faultsOf(wrong)).toEqual({
    name: 'name',
    bad_at: 'needed',
    'council.quorum': 'number',
    'council.budget.usd': 'number',
    'council.deadlines.idle': 'number',
    'council.roles.melchior.temperature': 'number',
  })
  expect(faultsOf(formOf('night', DRAFT))).toEqual({})
})

test('a copy of a built-in preset is made from it; a copy of one’s own from the same base', () => {
  const store = new PresetStore()
  const strict = copyOf(store.get('strict')!, ['strict'])
  expect(strict).toMatchObject({ name: 'strict-2', base: 'strict', rule: '' })
  store.save('night', DRAFT)
  const again = copyOf(store.get('night')!, ['night', 'night-2'])
  expect(again.name).toBe('night-3')
  expect(draftOf(again)).toEqual(DRAFT)
})

test('a free name is one that a server takes', () => {
  expect(freeName('夜間', [])).toBe('preset')
  expect(freeName('My Council!', [])).toBe('my-council')
  expect(freeName('custom', [])).toBe('custom-2')
  expect(freeName('a'.repeat(90), []).length).toBeLessThanOrEqual(64)
})

test('a file is read as it was written; what is no preset says so', async () => {
  const file = await fileOf('night', DRAFT).text()
  expect(draftOf(parseFile(file, []))).toEqual(DRAFT)
  expect(parseFile(file, ['night']).name).toBe('night-2')
  for (const [content, why] of [
    ['{', 'not_json'],
    ['[]', 'not_a_preset'],
    ['{"a": 1}', 'not_a_preset'],
    ['{"council": 3}', 'not_a_preset'],
    [`"${'x'.repeat(600_000)}"`, 'too_large'],
  ] as const)
    expect(() => parseFile(content, []), content.slice(0, 20)).toThrow(why)
})
