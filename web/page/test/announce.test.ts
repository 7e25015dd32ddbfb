import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Announcer } from '../src/announce.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('at most one message per pause; what came between is one message', () => {
  const said: string[] = []
  const announcer = new Announcer((text) => said.push(text))
  announcer.say('convened.')
  announcer.say('CASPAR voted.')
  announcer.say('BALTHASAR voted.')
  expect(said).toEqual(['convened.'])
  vi.advanceTimersByTime(1999)
  expect(said).toHaveLength(1)
  vi.advanceTimersByTime(1)
  expect(said).toEqual(['convened.', 'CASPAR voted. BALTHASAR voted.'])
})

test('after a silence the next message is spoken at once', () => {
  const said: string[] = []
  const announcer = new Announcer((text) => said.push(text))
  announcer.say('one')
  vi.advanceTimersByTime(5000)
  announcer.say('two')
  expect(said).toEqual(['one', 'two'])
})
