import { Client } from '@magi/stream'
import { cleanup, fireEvent, render, screen } from '@testing-library/react'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Gate } from '../src/gate.tsx'
import { SettingsProvider } from '../src/settings.tsx'
import { authorization } from '../src/token.ts'

beforeEach(() => {
  window.sessionStorage.clear()
  window.localStorage.setItem('magi.lang', 'en')
})
afterEach(cleanup)

/** A server that lets in whoever brings `right`; without it, everybody. */
function open(right?: string) {
  const fetch = async (_url: string, init: RequestInit): Promise<Response> => {
    const sent = new Headers(init.headers).get('authorization')
    return right === undefined || sent === `Bearer ${right}`
      ? new Response('{"roles":{"caspar":"rehearsal"}}')
      : new Response('{"code":"unauthorised"}', { status: 401 })
  }
  const client = new Client({ headers: authorization, env: { fetch } })
  render(
    <SettingsProvider>
      <Gate client={client}>{(asked) => <p>inside: {asked.state}</p>}</Gate>
    </SettingsProvider>,
  )
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
