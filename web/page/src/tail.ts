import {
  useCallback,
  useEffect,
  useRef,
  useState,
  useSyncExternalStore,
  type RefObject,
} from 'react'

/** Within this many pixels of the end counts as the end. */
const END = 3
/** How long after a gesture a scroll counts as the person's, in milliseconds. */
const GESTURE = 400

export interface Tail {
  ref: RefObject<HTMLDivElement | null>
  pinned: boolean
  /** Lines below what is seen, while not pinned. */
  unseen: number
  jump: () => void
}

/** The texts that were let go of, by how to follow them again. */
const released = new Set<() => void>()
const watchers = new Set<() => void>()
let count = 0

function release(jump: () => void, on: boolean): void {
  if (on) released.add(jump)
  else released.delete(jump)
  if (released.size === count) return
  count = released.size
  for (const call of watchers) call()
}

/** Follows every text again. */
export function followAll(): void {
  for (const jump of [...released]) jump()
}

const subscribe = (call: () => void): (() => void) => {
  watchers.add(call)
  return () => watchers.delete(call)
}

/** How many texts are not followed, because somebody scrolled up in them. */
export const useReleased = (): number => useSyncExternalStore(subscribe, () => count)

/**
 * Follows the end of a growing text, and yields to the person: wheel, touch, keys or the scroll bar
 * upwards release it at once; only reaching the end by hand, or the button, pins it again. Growth
 * alone never does.
 */
export function useTail(): Tail {
  const ref = useRef<HTMLDivElement>(null)
  const [pinned, setPinned] = useState(true)
  const [unseen, setUnseen] = useState(0)
  const pin = useRef(true)

  useEffect(() => {
    const box = ref.current
    if (!box) return
    const set = (to: boolean): void => {
      pin.current = to
      setPinned(to)
      if (to) setUnseen(0)
    }
    const gestures = followGestures(box, () => pin.current && set(false))
    const scrolled = (): void => {
      if (!pin.current && gestures.recent() && atEnd(box)) set(true)
    }
    const follow = (): void => {
      if (pin.current) box.scrollTop = box.scrollHeight
      else setUnseen(linesBelow(box))
    }
    follow()
    // Whatever grows, text or an attempt or a vote's grounds, it is followed before it is painted.
    const growth = new MutationObserver(follow)
    growth.observe(box, { childList: true, subtree: true, characterData: true })
    // A seal that appears beneath makes the box smaller: the end stays in sight.
    const sizes = typeof ResizeObserver === 'undefined' ? undefined : new ResizeObserver(follow)
    sizes?.observe(box)
    box.addEventListener('scroll', scrolled, { passive: true })
    return () => {
      growth.disconnect()
      sizes?.disconnect()
      gestures.stop()
      box.removeEventListener('scroll', scrolled)
    }
  }, [])

  const jump = useCallback((): void => {
    const box = ref.current
    pin.current = true
    setPinned(true)
    setUnseen(0)
    if (box) box.scrollTop = box.scrollHeight
  }, [])
  const waits = !pinned && unseen > 0
  useEffect(() => {
    release(jump, waits)
    return () => release(jump, false)
  }, [jump, waits])
  return { ref, pinned, unseen, jump }
}

const atEnd = (box: HTMLElement): boolean =>
  box.scrollHeight - box.scrollTop - box.clientHeight <= END

function linesBelow(box: HTMLElement): number {
  const height = Number.parseFloat(getComputedStyle(box).lineHeight) || 24
  return Math.max(0, Math.round((box.scrollHeight - box.scrollTop - box.clientHeight) / height))
}

/** Watches for a person's own scrolling. Our own `scrollTop` also fires `scroll`, so gestures decide. */
function followGestures(box: HTMLElement, up: () => void) {
  let last = -Infinity
  let touch = 0
  let dragged: number | undefined
  /** A move towards the start never counts as reaching the end, however near the end it was. */
  let back = false
  const mark = (upwards: boolean): void => {
    last = performance.now()
    back = upwards
  }
  const wheel = (event: WheelEvent): void => {
    mark(event.deltaY < 0)
    if (event.deltaY < 0 && box.scrollTop > 0) up()
  }
  const touchStart = (event: TouchEvent): void => {
    touch = event.touches[0]?.clientY ?? 0
  }
  const touchMove = (event: TouchEvent): void => {
    const y = event.touches[0]?.clientY ?? touch
    mark(y > touch)
    if (y > touch && box.scrollTop > 0) up()
    touch = y
  }
  const key = (event: KeyboardEvent): void => {
    if (!/^(Arrow(Up|Down)|Page(Up|Down)|Home|End| )$/.test(event.key)) return
    const upwards = /^(ArrowUp|PageUp|Home)$/.test(event.key)
    mark(upwards || (event.key === ' ' && event.shiftKey))
    if (back) up()
  }
  const pointerDown = (event: PointerEvent): void => {
    // A press on the box itself, not on its text, is the scroll bar.
    if (event.target === box) dragged = box.scrollTop
  }
  // Whoever unfolds something in the text wants to read it there.
  const click = (event: MouseEvent): void => {
    if (event.target instanceof Element && event.target.closest('button')) up()
  }
  const pointerUp = (): void => {
    dragged = undefined
  }
  const scroll = (): void => {
    if (dragged === undefined) return
    mark(box.scrollTop < dragged)
    if (back) up()
    dragged = box.scrollTop
  }
  const passive = { passive: true } as const
  box.addEventListener('wheel', wheel, passive)
  box.addEventListener('touchstart', touchStart, passive)
  box.addEventListener('touchmove', touchMove, passive)
  box.addEventListener('keydown', key)
  box.addEventListener('pointerdown', pointerDown)
  box.addEventListener('click', click)
  box.addEventListener('scroll', scroll, passive)
  window.addEventListener('pointerup', pointerUp)
  return {
    recent: (): boolean => !back && performance.now() - last < GESTURE,
    stop: (): void => {
      box.removeEventListener('wheel', wheel)
      box.removeEventListener('touchstart', touchStart)
      box.removeEventListener('touchmove', touchMove)
      box.removeEventListener('keydown', key)
      box.removeEventListener('pointerdown', pointerDown)
      box.removeEventListener('click', click)
      box.removeEventListener('scroll', scroll)
      window.removeEventListener('pointerup', pointerUp)
    },
  }
}
