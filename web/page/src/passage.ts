/** Where a passage stands in a text, as offsets in it. */
export interface Place {
  start: number
  end: number
}

/** Quotation marks, emphasis and list signs differ between what was said and how it is quoted. */
const LOOSE = /[\s"'“”‘’„«»「」『』〝〟`*_#>…・\-‐-―]/u
/** The fewest characters that say where they come from. */
const LEAST = 8

/** A text reduced to what must be alike, with where each character stood. */
function reduced(text: string): { text: string; at: number[] } {
  const at: number[] = []
  let out = ''
  let offset = 0
  for (const character of text) {
    if (!LOOSE.test(character)) {
      const plain = character.normalize('NFKC').toLowerCase()
      out += plain
      for (let index = 0; index < plain.length; index++) at.push(offset)
    }
    offset += character.length
  }
  at.push(offset)
  return { text: out, at }
}

/** A sentence of what is quoted, or all of it. */
const sentences = (wanted: string): string[] => [
  wanted,
  ...(wanted.match(/[^。．.!?！？\n]+[。．.!?！？]?/gu) ?? []),
]

/**
 * Finds what is quoted: whole, else the longest of its sentences that is there word for word, but for
 * white space, quotation marks and letter case. Undefined where the quotation is in other words.
 */
export function findPassage(text: string, wanted: string): Place | undefined {
  const hay = reduced(text)
  const needles = sentences(wanted)
    .map((sentence) => reduced(sentence).text)
    .filter((needle) => needle.length >= LEAST)
    .sort((left, right) => right.length - left.length)
  for (const needle of needles) {
    const found = hay.text.indexOf(needle)
    if (found < 0) continue
    const start = hay.at[found] ?? 0
    // Up to the next character that counts, less what is loose before it.
    const last = hay.at[found + needle.length - 1] ?? start
    return { start, end: last + ((text.codePointAt(last) ?? 0) > 0xffff ? 2 : 1) }
  }
  return undefined
}

/** The name of the mark in the style sheet. */
const MARK = 'passage'

/** The text nodes that are in sight: what is folded away is not. */
function nodesOf(box: Element): Text[] {
  const walker = document.createTreeWalker(box, NodeFilter.SHOW_TEXT, (node) =>
    node.parentElement?.closest('.fold') ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT,
  )
  const nodes: Text[] = []
  for (let node = walker.nextNode(); node; node = walker.nextNode()) nodes.push(node as Text)
  return nodes
}

function rangeOf(nodes: readonly Text[], { start, end }: Place): Range {
  const range = document.createRange()
  let offset = 0
  for (const node of nodes) {
    const next = offset + node.length
    if (start >= offset && start < next) range.setStart(node, start - offset)
    if (end > offset && end <= next) range.setEnd(node, end - offset)
    // Blocks are joined by a line end that is in no node.
    offset = next + 1
  }
  return range
}

/** Takes the mark away. */
export function unmark(): void {
  if (typeof CSS !== 'undefined' && 'highlights' in CSS) CSS.highlights.delete(MARK)
}

/**
 * Marks a quotation where it was said, within `box`, and brings it into sight there. Returns what is
 * marked, or undefined where it is not word for word in there. Nothing in the text is changed for it.
 */
export function markPassage(box: Element, wanted: string): Range | undefined {
  unmark()
  const nodes = nodesOf(box)
  const place = findPassage(nodes.map((node) => node.data).join('\n'), wanted)
  if (!place) return undefined
  const range = rangeOf(nodes, place)
  if ('highlights' in CSS) CSS.highlights.set(MARK, new Highlight(range))
  const top = range.getBoundingClientRect().top - box.getBoundingClientRect().top
  box.scrollTop += top - box.clientHeight / 3
  return range
}
