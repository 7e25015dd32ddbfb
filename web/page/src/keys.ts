/** The parts of a keyboard event that decide whether Enter sends. */
export interface Key {
  key: string
  keyCode: number
  isComposing: boolean
  shiftKey: boolean
  altKey: boolean
}

/**
 * True when this Enter sends. Never while an input method is composing: Chromium and Firefox say so
 * with `isComposing`; Safari ends the composition first and then sends the Enter that ended it, with
 * `keyCode` 229.
 */
export const isSend = (key: Key): boolean =>
  key.key === 'Enter' && !key.shiftKey && !key.altKey && !key.isComposing && key.keyCode !== 229
