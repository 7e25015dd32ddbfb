import { createContext, memo, use, type ReactNode } from 'react'

/** The language of what the council says, which need not be the page's. */
export const ContentLang = createContext<string | undefined>(undefined)

/** Returns the `lang` of an element that holds the council's words. */
export const useContentLang = (): string | undefined => use(ContentLang)

/**
 * A model's text, shown as text. Blank lines part paragraphs; lists, headings, bold and code are
 * drawn; everything else, links, images and HTML among it, stays the characters it is.
 */
export function Prose({ text, caret = false }: { text: string; caret?: boolean }) {
  const blocks = blocksOf(text)
  const lang = useContentLang()
  return (
    <div className="prose" lang={lang} data-caret={caret || undefined}>
      {/* A block's place never changes while text is appended, so only the last one is drawn again. */}
      {blocks.map((block, index) => (
        <Block key={index} block={block} />
      ))}
    </div>
  )
}

const Block = memo(function Block({ block }: { block: string }) {
  const heading = /^#{1,6}\s+(.*)$/.exec(block)
  if (heading) return <p className="prose-heading">{inline(heading[1] ?? '')}</p>
  const lines = block.split('\n')
  if (lines.every((line) => BULLET.test(line)))
    return (
      <ul>
        {lines.map((line, index) => (
          <li key={index}>{inline(line.replace(BULLET, ''))}</li>
        ))}
      </ul>
    )
  if (lines.every((line) => NUMBER.test(line)))
    return (
      <ol start={Number(/\d+/.exec(lines[0] ?? '')?.[0] ?? 1)}>
        {lines.map((line, index) => (
          <li key={index}>{inline(line.replace(NUMBER, ''))}</li>
        ))}
      </ol>
    )
  return <p>{inline(block)}</p>
})

// A sign alone at the end is a list's next item on its way, so that it does not flicker as text.
const BULLET = /^\s*[-*•・](\s+|$)/
const NUMBER = /^\s*\d{1,3}[.)](\s+|$)/

/** Splits at blank lines, at headings, and where a list begins or ends. */
export function blocksOf(text: string): string[] {
  const blocks: string[] = []
  let kind = ''
  for (const line of text.replaceAll('\r\n', '\n').split('\n')) {
    const now =
      line.trim() === ''
        ? 'blank'
        : /^#{1,6}\s/.test(line)
          ? 'heading'
          : BULLET.test(line)
            ? 'bullet'
            : NUMBER.test(line)
              ? 'number'
              : 'text'
    if (now !== 'blank') {
      if (now === kind && now !== 'heading') blocks[blocks.length - 1] += `\n${line}`
      else blocks.push(line)
    }
    kind = now
  }
  return blocks
}

function inline(text: string): ReactNode[] {
  return text.split(/(\*\*[^*\n]+\*\*|`[^`\n]+`)/).map((part, index) => {
    if (part.length > 4 && part.startsWith('**') && part.endsWith('**'))
      return <strong key={index}>{part.slice(2, -2)}</strong>
    if (part.length > 2 && part.startsWith('`') && part.endsWith('`'))
      return <code key={index}>{part.slice(1, -1)}</code>
    return part
  })
}
