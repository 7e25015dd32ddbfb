import { bearer, Client } from '@magi/stream'
import { cleanup, fireEvent, render, screen } from '@testing-library/react'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Gate } from '../src/gate.tsx'
import { OWN_SERVER, type Config } from '../src/config.ts'
import { serverLibrary } from '../src/library.ts'
import { SettingsProvider } from '../src/settings.tsx'
import { token } from '../src/token.ts'
import { WayProvider } from '../src/way.ts'

beforeEach(() => {
  window.sessionStorage.clear()
  window.localStorage.setItem('magi.lang', 'en')
})
afterEach(cleanup)

/** A server that lets in whoever brings `right`; without it, everybody. */
function open(right?: string, config: Partial<Config> = {}) {
  const calls: string[] = []
  const fetch = async (url: string, init: RequestInit): Promise<Response> => {
    calls.push(url)
    const sent = new Headers(init.headers).get('authorization')
    return right === undefined || sent === `Bearer ${right}`
      ? new Response('{"roles":{"caspar":"rehearsal"}}')
      : new Response('{"code":"unauthorised"}', { status: 401 })
  }
  const client = new Client({ authoriser: bearer(token.read), env: { fetch } })
  const way = { door: client, library: serverLibrary(client), archive: undefined }
  render(
    <SettingsProvider>
      <WayProvider value={{ ...way, config: { ...OWN_SERVER, ...config } }}>
        <Gate>{(asked) => <p>inside: {asked.state}</p>}</Gate>
      </WayProvider>
    </SettingsProvider>,
  )
  return calls
}

test('a server without a token is simply opened', async () => {
  open()
  expect(await screen.findByText('inside: there')).toBeTruthy()
})

test('a token is asked for, a wrong one is said to be wrong, the right one opens', async () => {
  open('correct-horse')
  const field = await screen.findByLabelText('Token')
  const enter = (value: string): void => {
    fireEvent.change(field, { target: { value } })
    fireEvent.click(screen.getByRole('button', { name: 'Enter' }))
  }
  enter('wrong-horse')
  expect(await screen.findByText('The server did not accept this token.')).toBeTruthy()
  enter('correct-horse')
  expect(await screen.findByText('inside: there')).toBeTruthy()
})

test('a door that always wants a token is not called before it has one', async () => {
  const calls = open('correct-horse', { sign: 'bearer', base: 'https://door.example' })
  await screen.findByText(/^door\.example lets in who brings a token/)
  expect(calls).toEqual([])
})
