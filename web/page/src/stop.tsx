import { useEffect } from 'react'
import { Button } from 'react-aria-components'
import { can } from './able.ts'
import { StopIcon } from './icons.tsx'
import type { Room, Shown } from './room.ts'
import { useWords } from './settings.tsx'

/** There is something to stop: from the question on until the log has ended, whatever moment of it is shown. */
export function isRunning({ whole }: Room, { connection }: Shown): boolean {
  return whole.end === undefined && connection?.name !== 'failed' && can(whole, 'stop')
}

/** Stops all. */
export function Stop({ room, shown }: { room: Room; shown: Shown }) {
  const words = useWords()
  const stopping = shown.doing.has('stop:all')
  return (
    <Button className="stop" isDisabled={stopping} onPress={() => void room.stop()}>
      <StopIcon /> {stopping ? words.stopping : words.stop} <kbd aria-hidden="true">Esc</kbd>
    </Button>
  )
}

/**
 * Esc stops whenever the deliberation is running, whatever has the focus, but never while composing.
 * A dialog or a form that is open takes it first.
 */
export function useEscape(active: boolean, call: () => void): void {
  useEffect(() => {
    if (!active) return undefined
    const pressed = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape' || event.defaultPrevented || event.isComposing) return
      if (document.querySelector('dialog[open]')) return
      call()
    }
    window.addEventListener('keydown', pressed)
    return () => window.removeEventListener('keydown', pressed)
  })
}
