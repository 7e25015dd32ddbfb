/**
 * What is wrong with how a screen is laid out, measured in the browser: what is too wide, cut off, covered,
 * too small to be pressed, or missing. Every function below runs in the page, so each may use only the others.
 */
import type { Page } from 'playwright-core'

/** What a screen must have beside being whole. */
export interface Plan {
  /** The ways to the other screens; false where nobody is let in yet. */
  nav: boolean
}

/** In words, one for each fault; empty where the layout is sound. */
export function layoutFaults(page: Page, plan: Plan): Promise<string[]> {
  return page.evaluate(`(() => { ${SOURCE}; return look(${JSON.stringify(plan)}) })()`)
}

/** The smallest side of what a finger or a pointer must hit, in pixels (WCAG 2.5.8). */
const TARGET = 24

/** May end with an ellipsis: the whole of it is one press away. */
const SHORTENED =
  '.past-summary, .past-main > a, .past-marks [data-mark=mine], .pending-one strong, .dialog-about'
const CONTROLS =
  'button, a[href], input, select, textarea, summary, [role=menuitem], label:has(input)'

interface Piece {
  element: Element
  box: DOMRect
  layer: Element
}

function look(plan: Plan): string[] {
  const root = topmost()
  const controls = controlsIn(root)
  const texts = textsIn(root)
  return [
    ...tooWide(),
    ...landmarks(plan),
    ...lanes(),
    ...choices(),
    ...outside(controls),
    ...outside(texts),
    ...tooSmall(controls),
    ...cutOff(texts),
    ...overfull(controls),
    ...overlaps(controls, controls, 1, 1),
    ...overlaps(texts, texts, 3, 6),
    ...overlaps(controls, texts, 3, 4),
    ...covered(controls),
  ]
}

/** What has the screen: a dialog or a menu over the page, else the page. */
function topmost(): Element {
  return document.querySelector('dialog[open], [role=dialog], .popover') ?? document.body
}

function nameOf(element: Element): string {
  const own = element.getAttribute('aria-label') ?? element.textContent ?? ''
  const said = own.replace(/\s+/g, ' ').trim().slice(0, 40)
  const at = element.closest('[class]')?.getAttribute('class') ?? ''
  return `${element.tagName.toLowerCase()}.${at.split(' ')[0] ?? ''} "${said}"`
}

function isSeen(element: Element): boolean {
  if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return false
  if (element.closest('[aria-hidden=true]')) return false
  // What is hidden from sight and left to screen readers, and to the keyboard, is a pixel or two.
  for (let at: Element | null = element; at; at = at.parentElement) {
    const { width, height } = at.getBoundingClientRect()
    if (width <= 2 && height <= 2 && at.clientWidth <= 1) return false
  }
  return true
}

/** What is drawn on its own level: what scrolls, sticks, or stands above the rest. */
function layerOf(element: Element): Element {
  for (let at: Element | null = element; at; at = at.parentElement) {
    const { position, overflowY, overflowX } = getComputedStyle(at)
    if (position === 'fixed' || position === 'sticky' || position === 'absolute') return at
    if (scrolls(overflowY) && at.scrollHeight > at.clientHeight) return at
    if (scrolls(overflowX) && at.scrollWidth > at.clientWidth) return at
  }
  return document.body
}

function scrolls(overflow: string): boolean {
  return overflow === 'auto' || overflow === 'scroll'
}

/** What can be pressed or filled in. An input that is drawn by its label is its label. */
function controlsIn(root: Element): Piece[] {
  return [...root.querySelectorAll(CONTROLS)].flatMap((element) => {
    if (!isSeen(element) || element.matches('label *')) return []
    return [{ element, box: element.getBoundingClientRect(), layer: layerOf(element) }]
  })
}

/** Every line of text that can be seen, one box each. */
function textsIn(root: Element): Piece[] {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT)
  const pieces: Piece[] = []
  while (walker.nextNode()) {
    const node = walker.currentNode
    const element = node.parentElement
    if (!element || node.textContent?.trim() === '') continue
    if (element.closest(`svg, option, ${SHORTENED}`)) continue
    if (!isSeen(element)) continue
    const range = document.createRange()
    range.selectNodeContents(node)
    const layer = layerOf(element)
    for (const box of range.getClientRects())
      if (box.width > 1) pieces.push({ element, box, layer })
  }
  return pieces
}

function tooWide(): string[] {
  const over = document.documentElement.scrollWidth - window.innerWidth
  return over > 0 ? [`the page is ${over} px wider than the screen`] : []
}

function landmarks(plan: Plan): string[] {
  const count = (what: string): number =>
    [...document.querySelectorAll(what)].filter((one) =>
      one.checkVisibility({ visibilityProperty: true }),
    ).length
  const wanted: [string, number][] = [
    ['main', 1],
    ['header.top', 1],
    ['h1', 1],
    ['header.top nav', plan.nav ? 1 : 0],
  ]
  return wanted.flatMap(([what, number]) =>
    count(what) === number ? [] : [`${count(what)} of ${what} instead of ${number}`],
  )
}

/** Three lanes: beside each other, then two and one beneath, then one at a time under tabs. */
function lanes(): string[] {
  const box = document.querySelector('.lanes[data-count="3"]:not([data-enlarged])')
  if (!box) return []
  const slots = [...box.querySelectorAll('.lane-slot')]
    .filter((slot) => slot.checkVisibility())
    .map((slot) => slot.getBoundingClientRect())
  const [first, second, third] = slots
  const tabs = [...document.querySelectorAll('.lane-tabs button')].filter(isSeen).length
  const whole = box.getBoundingClientRect().width
  const level = (one?: DOMRect, other?: DOMRect): boolean =>
    one !== undefined && other !== undefined && one.top === other.top && one.right < other.left
  const wide = window.innerWidth
  if (wide <= 736)
    return slots.length === 1 && tabs === 3 && first?.width === whole
      ? []
      : [`${slots.length} lanes and ${tabs} tabs instead of one lane under three tabs`]
  if (slots.length !== 3 || tabs > 0) return [`${slots.length} lanes, ${tabs} tabs`]
  if (wide <= 1088)
    return level(first, second) &&
      (third?.top ?? 0) >= (first?.bottom ?? 0) &&
      third?.width === whole
      ? []
      : ['the third lane does not stand beneath the other two']
  const even = Math.abs((first?.width ?? 0) - (third?.width ?? 0)) <= 1
  return level(first, second) && level(second, third) && even
    ? []
    : ['the three lanes do not stand side by side']
}

/** The parts of one choice stand edge to edge, those that each have a frame of their own apart. */
function choices(): string[] {
  const near = (group: Element): [Element, number, number][] => {
    const parts = [...group.querySelectorAll(':scope > :is(button, label)')].filter(isSeen)
    return parts.slice(1).map((part, index) => {
      const one = (parts[index] as Element).getBoundingClientRect()
      const next = part.getBoundingClientRect()
      return [part, next.left - one.right, next.top - one.bottom]
    })
  }
  const found = (what: string, wrong: (across: number, down: number) => boolean): string[] =>
    [...document.querySelectorAll(what)]
      .flatMap(near)
      .flatMap(([part, across, down]) =>
        wrong(across, down) ? [`parts of a choice: ${nameOf(part)} ${across} and ${down} px`] : [],
      )
  return [
    ...found('.segments', (across, down) => across > 0.5 && down < -0.5),
    ...found('.radios', (across, down) => across < 4 && down < 4),
  ]
}

/** Beyond the left or the right edge, where nothing scrolls to it. */
function outside(pieces: Piece[]): string[] {
  return pieces.flatMap(({ element, box }) =>
    (box.left < -0.5 || box.right > window.innerWidth + 0.5) && !sideways(element)
      ? [`beyond the edge: ${nameOf(element)} ${box.left.toFixed(0)} to ${box.right.toFixed(0)}`]
      : [],
  )
}

/** Stands in something that scrolls sideways. */
function sideways(element: Element): boolean {
  for (let at = element.parentElement; at && at !== document.body; at = at.parentElement)
    if (scrolls(getComputedStyle(at).overflowX) && at.scrollWidth > at.clientWidth) return true
  return false
}

/** A link within a sentence is as high as its line; everything else has room for a finger. */
function tooSmall(controls: Piece[]): string[] {
  return controls.flatMap(({ element, box }) => {
    if (box.width >= TARGET && box.height >= TARGET) return []
    if (element.tagName === 'A' && isInSentence(element)) return []
    return [`too small: ${nameOf(element)} ${box.width.toFixed(0)} × ${box.height.toFixed(0)}`]
  })
}

function isInSentence(element: Element): boolean {
  const { display } = getComputedStyle(element)
  const around = element.parentElement
  const text = [...(around?.childNodes ?? [])].filter((node) => node.nodeType === Node.TEXT_NODE)
  return display === 'inline' && text.some((node) => node.textContent?.trim() !== '')
}

/** Text whose end is hidden by a box around it that does not scroll. */
function cutOff(texts: Piece[]): string[] {
  return texts.flatMap(({ element, box }) => {
    for (let at: Element | null = element; at && at !== document.body; at = at.parentElement) {
      const { overflowX, overflowY } = getComputedStyle(at)
      const frame = at.getBoundingClientRect()
      const hides = (overflow: string): boolean => overflow === 'hidden' || overflow === 'clip'
      const slack = box.height / 4
      if (hides(overflowX) && (box.right > frame.right + 1 || box.left < frame.left - 1))
        return [`cut off at the side: ${nameOf(element)} by ${nameOf(at)}`]
      if (hides(overflowY) && (box.bottom > frame.bottom + slack || box.top < frame.top - slack))
        return [`cut off beneath: ${nameOf(element)} by ${nameOf(at)}`]
      if (scrolls(overflowX) || scrolls(overflowY)) return []
    }
    return []
  })
}

/** Labels that are longer than what carries them. */
function overfull(controls: Piece[]): string[] {
  return controls.flatMap(({ element }) => {
    if (
      element.matches(`input, textarea, select, ${SHORTENED}`) ||
      getComputedStyle(element).display === 'inline'
    )
      return []
    const { scrollWidth, clientWidth, scrollHeight, clientHeight } = element
    const wide = scrollWidth > clientWidth + 1
    const high = scrollHeight > clientHeight + 3
    return wide || high
      ? [
          `its label does not fit: ${nameOf(element)} ${scrollWidth}/${clientWidth} × ${scrollHeight}/${clientHeight}`,
        ]
      : []
  })
}

/** Two that lie on each other by more than so many pixels, on one level and neither inside the other. */
function overlaps(ones: Piece[], others: Piece[], across: number, down: number): string[] {
  const found: string[] = []
  for (const [index, one] of ones.entries())
    for (const other of ones === others ? others.slice(index + 1) : others) {
      if (one.layer !== other.layer || one.element === other.element) continue
      if (one.element.contains(other.element) || other.element.contains(one.element)) continue
      const width =
        Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left)
      const height =
        Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top)
      if (width > across && height > down)
        found.push(`on each other: ${nameOf(one.element)} and ${nameOf(other.element)}`)
    }
  return found
}

/** What something else takes the press from, once it has been scrolled to the middle of the screen. */
function covered(controls: Piece[]): string[] {
  const found = controls.flatMap(({ element }) => {
    element.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' })
    const [line] = element.getClientRects()
    if (!line) return []
    const hit = document.elementFromPoint(line.left + line.width / 2, line.top + line.height / 2)
    if (hit && (element.contains(hit) || hit.contains(element))) return []
    return [`covered: ${nameOf(element)} by ${hit ? nameOf(hit) : 'nothing that is on the screen'}`]
  })
  window.scrollTo(0, 0)
  return found
}

/** The functions as the page gets them. */
const SOURCE = [
  `const TARGET = ${TARGET}`,
  ...Object.entries({ CONTROLS, SHORTENED }).map(
    ([name, what]) => `const ${name} = ${JSON.stringify(what)}`,
  ),
  ...[
    look,
    topmost,
    nameOf,
    isSeen,
    layerOf,
    scrolls,
    controlsIn,
    textsIn,
    tooWide,
    landmarks,
    lanes,
    choices,
  ],
  ...[outside, sideways, tooSmall, isInSentence, cutOff, overfull, overlaps, covered],
]
  .map(String)
  .join('\n')
