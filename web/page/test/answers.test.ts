import { expect, test } from 'vitest'
import { answersOf } from '../src/answers.ts'

test('a list with nothing but the rehearsal is the rehearsal', () => {
  expect(answersOf({ object: 'list', data: [{ id: 'rehearsal' }] })).toEqual({
    rehearsal: true,
    models: ['rehearsal'],
  })
})

test('the models that have a role are what answers', () => {
  const data = [
    { id: 'ollama:llama3.2', roles: ['caspar', 'solomon'] },
    { id: 'openai:gpt', roles: [] },
    { id: 'rehearsal', roles: [] },
  ]
  expect(answersOf({ data })).toEqual({ rehearsal: false, models: ['ollama:llama3.2'] })
})

test('an answer that names nothing is not guessed', () => {
  expect(answersOf({})).toBeUndefined()
  expect(answersOf({ data: [{}, 3] })).toBeUndefined()
})
