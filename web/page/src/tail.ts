import { useEffect, useRef, useState, type RefObject } from 'react'

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

  const jump = (): void => {
    const box = ref.current
    pin.current = true
    setPinned(true)
    setUnseen(0)
    if (box) box.scrollTop = box.scrollHeight
  }
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
  const mark = (): void => {
    last = performance.now()
  }
  const wheel = (event: WheelEvent): void => {
    mark()
    if (event.deltaY < 0 && box.scrollTop > 0) up()
  }
  const touchStart = (event: TouchEvent): void => {
    touch = event.touches[0]?.clientY ?? 0
  }
  const touchMove = (event: TouchEvent): void => {
    mark()
    const y = event.touches[0]?.clientY ?? touch
    if (y > touch && box.scrollTop > 0) up()
    touch = y
  }
  const key = (event: KeyboardEvent): void => {
    if (!/^(Arrow(Up|Down)|Page(Up|Down)|Home|End| )$/.test(event.key)) return
    mark()
    if (/^(ArrowUp|PageUp|Home)$/.test(event.key) || (event.key === ' ' && event.shiftKey)) up()
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
    mark()
    if (box.scrollTop < dragged) up()
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
    recent: (): boolean => performance.now() - last < GESTURE,
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
