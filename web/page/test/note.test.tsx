import { EMPTY, type View } from '@magi/stream'
import { cleanup, render, screen } from '@testing-library/react'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NoteForm } from '../src/controls.tsx'
import type { Room, Shown } from '../src/room.ts'
import { SettingsProvider } from '../src/settings.tsx'
import { WayProvider, type Way } from '../src/way.ts'

beforeEach(() => window.localStorage.setItem('magi.lang', 'en'))
afterEach(cleanup)

function shown(change: Partial<View>): string {
  const state = { view: { ...EMPTY, ...change }, doing: new Set(), refusals: {} }
  render(
    <SettingsProvider>
      <WayProvider value={{} as Way}>
        <NoteForm
          room={{} as Room}
          shown={state as unknown as Shown}
          onClose={() => {}}
          onFollow={() => {}}
        />
      </WayProvider>
    </SettingsProvider>,
  )
  return screen.getByRole('region', { name: 'Tell the council something' }).textContent ?? ''
}

test('in a rehearsal, and only there, it is said that a note is not weighed', () => {
  const said = 'A rehearsal repeats its scene; it cannot weigh a note.'
  expect(shown({ mode: 'rehearsal' })).toContain(said)
  cleanup()
  expect(shown({})).not.toContain(said)
})
