import { afterEach, expect, test, vi } from 'vitest'
import { realEnv } from '../src/env.ts'

afterEach(() => {
  vi.unstubAllGlobals()
})

test.each([
  ['127.0.0.1', true],
  ['[::1]', true],
  ['localhost', true],
  ['magi.localhost', true],
  ['example.org', false],
  ['localhost.example.org', false],
  ['192.0.2.1', false],
])('without a network a page of %s can reach its server: %s', (hostname, reaches) => {
  vi.stubGlobal('navigator', { onLine: false })
  vi.stubGlobal('location', { hostname, origin: `http://${hostname}` })
  expect(realEnv.online()).toBe(reaches)
})
