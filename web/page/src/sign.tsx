import { useEffect, useState, type FocusEvent, type PointerEvent } from 'react'
import { Button, type ButtonProps } from 'react-aria-components'

/** How long one rests on a sign before its meaning stands beside it, in milliseconds. */
const REST = 350

interface SignProps extends ButtonProps {
  /** What it means: its name for whoever hears it, in sight for whoever rests on it. */
  'aria-label': string
}

/**
 * A button that is drawn as a sign alone. Its meaning shows while the pointer or the keyboard rests on it;
 * the pointer may go over to it, and Esc takes it away.
 */
export function Sign(props: SignProps) {
  const [resting, setResting] = useState(false)
  const [told, setTold] = useState(false)
  useEffect(() => {
    if (!resting) return undefined
    const timer = setTimeout(() => setTold(true), REST)
    return () => {
      clearTimeout(timer)
      setTold(false)
    }
  }, [resting])
  const rest = (event: PointerEvent | FocusEvent): void => {
    // A finger does not rest, and a press by the pointer brings the focus along.
    const rests =
      'pointerType' in event
        ? event.pointerType !== 'touch'
        : event.target.matches(':focus-visible')
    if (rests) setResting(true)
  }
  // Also after an Esc: a pointer whose ground is taken away is not told to have left.
  const leave = (): void => setResting(false)
  useDismissal(told, leave)
  return (
    <span
      className="sign"
      onPointerEnter={rest}
      onPointerLeave={leave}
      onFocus={rest}
      onBlur={leave}
      onClick={leave}
    >
      <Button {...props} />
      {told && (
        <span className="tip" aria-hidden="true">
          {props['aria-label']}
        </span>
      )}
    </span>
  )
}

/** This Esc is the tip's: whatever else it would do, such as to stop, is for the next one. */
function useDismissal(shown: boolean, call: () => void): void {
  useEffect(() => {
    if (!shown) return undefined
    const pressed = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape' || document.querySelector('dialog[open]')) return
      event.preventDefault()
      event.stopPropagation()
      call()
    }
    window.addEventListener('keydown', pressed, true)
    return () => window.removeEventListener('keydown', pressed, true)
  })
}
