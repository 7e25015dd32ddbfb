import { Marked, type MarkedToken, type Token } from 'marked'

export type { MarkedToken, Token }

/** The longest block that is read as Markdown, in UTF-16 units; a longer one is drawn as its characters. */
const LONGEST = 20_000

const never = (): undefined => undefined

/**
 * Markdown as models write it. What could become something else than text when more of it comes, or is
 * no use in an answer, is never read: HTML, link definitions, underlined headings, indented code.
 */
const reader = new Marked({
  gfm: true,
  tokenizer: {
    html: never,
    tag: never,
    def: never,
    reflink: never,
    lheading: never,
    code: never,
    // Line ends are kept as they are, so a hard break is one already.
    br: never,
    url: (source) => (/^https?:\/\//.test(source) ? false : undefined),
    // The library's own pattern looks ahead for mail addresses, at the square of the text's length.
    inlineText: (source) => {
      const [raw = ''] = /^[^](?:[^\\<!`*_~h[]|h(?!ttps?:\/\/))*/.exec(source) ?? []
      return { type: 'text', raw, text: raw, escaped: false }
    },
  },
  extensions: [
    {
      // CommonMark's rule for `**` looks at punctuation and spaces, so that it leaves `は**「重要」**です` as it is.
      name: 'strong',
      level: 'inline',
      start: (source) => source.indexOf('**'),
      tokenizer(source) {
        const [raw, text] = /^\*\*(?![\s*])([^\n]*?[^\s*])\*\*(?!\*)/.exec(source) ?? []
        if (raw === undefined || text === undefined) return undefined
        return { type: 'strong', raw, text, tokens: this.lexer.inlineTokens(text) }
      },
    },
  ],
})

/** A text as blocks. What is appended changes the last block alone. */
export interface Parsed {
  readonly text: string
  readonly blocks: readonly Token[]
  /** Where the last block begins in the text. */
  readonly last: number
}

const NOTHING: Parsed = { text: '', blocks: [], last: 0 }

/** Reads a text; of one that only grew since `before`, only the last block is read again. */
export function parse(source: string, before: Parsed = NOTHING): Parsed {
  const text = source.replace(/\r\n?/g, '\n')
  if (text === before.text) return before
  const grown = text.startsWith(before.text)
  const settled = grown ? before.blocks.slice(0, -1) : []
  const from = grown ? before.last : 0
  const blocks = blocksOf(text.slice(from))
  const shown = blocks.filter((block) => block.type !== 'space')
  const last = shown.at(-1)
  if (last === undefined) return { text, blocks: settled, last: from }
  const after = blocks.slice(0, blocks.indexOf(last))
  const length = after.reduce((sum, block) => sum + block.raw.length, 0)
  return { text, blocks: [...settled, ...shown], last: from + length }
}

function blocksOf(text: string): Token[] {
  if (text.length > LONGEST) {
    // What is before the last blank line may be read; one endless block may not.
    const cut = text.lastIndexOf('\n\n', LONGEST)
    return cut > 0 ? [...blocksOf(text.slice(0, cut)), ...blocksOf(text.slice(cut))] : [plain(text)]
  }
  try {
    return reader.lexer(text)
  } catch {
    // Nested deeper than the stack.
    return [plain(text)]
  }
}

const plain = (text: string): Token => ({ type: 'plain', raw: text, text })

/**
 * A text on its way, with what is open at its end closed, so that it is not drawn as signs first and as
 * what they mean a moment later.
 */
export function closed(text: string): string {
  const fences = text.match(/^ {0,3}```/gm)?.length ?? 0
  if (fences % 2 === 1) return text
  // A sign alone in the last line is the next item, heading or quotation on its way.
  const kept = text.replace(/(^|\n)[ \t]*(?:[-*+#>|`]{1,3}|\d{1,3}[.)])[ \t]*$/, '$1')
  const line = lastLine(kept)
  const link = /!?\[[^\]\n]*\]\([^)\s]*$/.exec(line)
  if (link)
    return kept.slice(0, kept.length - link[0].length) + (/\[([^\]]*)/.exec(link[0])?.[1] ?? '')
  if (count(line, '`') % 2 === 1) return line.endsWith('`') ? kept.slice(0, -1) : `${kept}\``
  if (count(line, '**') % 2 === 0) return kept
  const open = kept.replace(/\*+$/, '')
  return count(lastLine(open), '**') % 2 === 1 ? `${open.trimEnd()}**` : open
}

const lastLine = (text: string): string => text.slice(text.lastIndexOf('\n') + 1)

const count = (text: string, sign: string): number => text.split(sign).length - 1

/** The address of a link that may be followed: http or https, whole, without a name and a password in it. */
export function followable(href: string): URL | undefined {
  let address: URL
  try {
    address = new URL(href)
  } catch {
    return undefined
  }
  const web = address.protocol === 'http:' || address.protocol === 'https:'
  return web && address.username === '' && address.password === '' ? address : undefined
}
