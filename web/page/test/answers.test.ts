import { expect, test } from 'vitest'
import { answersOf } from '../src/answers.ts'

test('a council of nothing but the rehearsal is the rehearsal', () => {
  const roles = { caspar: 'rehearsal', solomon: 'rehearsal' }
  expect(answersOf({ object: 'list', data: [], roles })).toEqual({
    rehearsal: true,
    models: ['rehearsal'],
  })
})

test('the models that have a role are what answers, each once', () => {
  const roles = { caspar: 'ollama:llama3.2', melchior: 'ollama:llama3.2', solomon: 'openai:gpt' }
  expect(answersOf({ roles })).toEqual({
    rehearsal: false,
    models: ['ollama:llama3.2', 'openai:gpt'],
  })
})

test('an answer that names nothing is not guessed', () => {
  expect(answersOf({})).toBeUndefined()
  expect(answersOf({ data: [{ id: 'openai:gpt' }], roles: {} })).toBeUndefined()
})
