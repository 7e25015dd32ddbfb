import type { SendKey } from './settings.tsx'

/** The parts of a keyboard event that decide whether Enter sends. */
export interface Key {
  key: string
  keyCode: number
  isComposing: boolean
  shiftKey: boolean
  altKey: boolean
  ctrlKey: boolean
  metaKey: boolean
}

/**
 * True when this Enter sends. Never while an input method is composing: Chromium and Firefox say so
 * with `isComposing`; Safari ends the composition first and then sends the Enter that ended it, with
 * `keyCode` 229. `sendKey` is the person's choice: with `mod` Enter alone starts a new line.
 */
export function isSend(key: Key, sendKey: SendKey = 'enter'): boolean {
  if (key.key !== 'Enter' || key.isComposing || key.keyCode === 229) return false
  if (key.shiftKey || key.altKey) return false
  return sendKey === 'enter' || key.ctrlKey || key.metaKey
}
