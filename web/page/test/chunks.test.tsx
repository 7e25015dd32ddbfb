import { act, cleanup, render, screen } from '@testing-library/react'
import { afterEach, expect, test, vi } from 'vitest'
import { Chunks } from '../src/chunks.tsx'

afterEach(() => {
  cleanup()
  vi.unstubAllGlobals()
})

test('out of sight and in again, told at once, leaves the rows where they are', () => {
  let tell: (entries: { isIntersecting: boolean; boundingClientRect: DOMRect }[]) => void
  class Observer {
    constructor(call: typeof tell) {
      tell = call
    }
    observe() {}
    disconnect() {}
  }
  vi.stubGlobal('IntersectionObserver', Observer)
  render(<Chunks items={[{ id: 'a' }]} label="rows" row={({ id }) => <p>row {id}</p>} />)
  const seen = (isIntersecting: boolean) => ({
    isIntersecting,
    boundingClientRect: { height: 84 } as DOMRect,
  })
  act(() => tell([seen(false)]))
  expect(screen.queryByText('row a')).toBeNull()
  act(() => tell([seen(true)]))
  act(() => tell([seen(false), seen(true)]))
  expect(screen.queryByText('row a')).not.toBeNull()
})
