import { useEffect, useRef } from 'react'

/** Every key of the page, in the order of the help. `g h` is one key after the other. */
export const KEYS = [
  '/',
  '1',
  '2',
  '3',
  '4',
  'f',
  '.',
  'v',
  'n',
  'p',
  'Escape',
  'g h',
  'g t',
  '?',
  ',',
] as const

export type Shortcut = (typeof KEYS)[number]

/** How long a first key waits for its second one, in milliseconds. */
const WAIT = 1200

/** The parts of a keyboard event that decide what it means. */
export interface Pressed {
  key: string
  isComposing: boolean
  ctrlKey: boolean
  metaKey: boolean
  altKey: boolean
}

/** Reads keys as they are pressed, one alone or two in a row. */
export class Reader {
  #first: { key: string; at: number } | undefined

  /** Returns the shortcut this press completes; `at` is in milliseconds. */
  read(pressed: Pressed, at: number): Shortcut | undefined {
    const { key, isComposing, ctrlKey, metaKey, altKey } = pressed
    const first = this.#first
    this.#first = undefined
    if (isComposing || ctrlKey || metaKey || altKey) return undefined
    if (first && at - first.at <= WAIT) {
      const both = KEYS.find((one) => one === `${first.key} ${key}`)
      if (both) return both
    }
    if (KEYS.some((one) => one.startsWith(`${key} `))) this.#first = { key, at }
    // Esc is no single-character key: it has its own way and works everywhere.
    return KEYS.find((one) => one === key && one !== 'Escape')
  }
}

/** Where a letter is something to write, or to choose by, it is no shortcut. */
const WRITING =
  'input:not([type=checkbox],[type=radio],[type=button]),textarea,select,[contenteditable],[role=textbox],[role=listbox],[role=menu],[role=grid],dialog,[role=dialog]'

export const isWriting = (target: EventTarget | null): boolean =>
  target instanceof Element && target.closest(WRITING) !== null

const known = new Map<Shortcut, () => void>()

/** Gives a key its meaning while the caller is on the screen and `call` is there. */
export function useShortcut(key: Shortcut, call: (() => void) | undefined): void {
  const latest = useRef(call)
  latest.current = call
  const active = call !== undefined
  useEffect(() => {
    if (!active) return undefined
    const mine = (): void => latest.current?.()
    known.set(key, mine)
    return () => {
      if (known.get(key) === mine) known.delete(key)
    }
  }, [key, active])
}

/** Listens for the keys of whatever is on the screen. */
export function useShortcuts(on: boolean): void {
  useEffect(() => {
    if (!on) return undefined
    const reader = new Reader()
    const pressed = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || isWriting(event.target)) return
      if (document.querySelector('dialog[open]')) return
      const found = reader.read(event, event.timeStamp)
      const call = found && known.get(found)
      if (!call) return
      event.preventDefault()
      call()
    }
    window.addEventListener('keydown', pressed)
    return () => window.removeEventListener('keydown', pressed)
  }, [on])
}
