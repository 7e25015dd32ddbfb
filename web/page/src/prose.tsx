import { createContext, memo, use, useRef, type ReactNode } from 'react'
import { closed, followable, parse, type MarkedToken, type Parsed, type Token } from './markdown.ts'

/** The language of what the council says, which need not be the page's. */
export const ContentLang = createContext<string | undefined>(undefined)

/** Returns the `lang` of an element that holds the council's words. */
export const useContentLang = (): string | undefined => use(ContentLang)

/**
 * A model's text. The elements are made one by one from what was read, never from HTML: markup in it, images
 * and addresses that are not http or https stay the characters they are, and nothing is fetched.
 */
export function Prose({ text, caret = false }: { text: string; caret?: boolean }) {
  const lang = useContentLang()
  const before = useRef<Parsed>(undefined)
  before.current = parse(caret ? closed(text) : text, before.current)
  return (
    <div className="prose" lang={lang} data-caret={caret || undefined}>
      {/* A block's place never changes while text is appended, so only the last one is drawn again. */}
      {before.current.blocks.map((block, index) => (
        <Block key={index} block={block} />
      ))}
    </div>
  )
}

const Block = memo(function Block({ block }: { block: Token }) {
  return <Drawn token={block} depth={0} />
})

/** The deepest nesting that is drawn; what is deeper stays as its characters. */
const DEEPEST = 12

interface DrawnProps {
  token: Token
  depth: number
}

function Drawn({ token: any, depth }: DrawnProps): ReactNode {
  const token = any as MarkedToken
  const inside = (tokens: readonly Token[] = []): ReactNode =>
    tokens.map((one, index) => <Drawn key={index} token={one} depth={depth + 1} />)
  if (depth > DEEPEST) return token.raw
  switch (token.type) {
    case 'paragraph':
      return <p>{inside(token.tokens)}</p>
    case 'heading':
      // Not a heading of the page: its outline is not the model's to write.
      return <p className="prose-heading">{inside(token.tokens)}</p>
    case 'list':
      return token.ordered ? (
        <ol start={token.start === '' ? 1 : token.start}>{inside(token.items)}</ol>
      ) : (
        <ul>{inside(token.items)}</ul>
      )
    case 'list_item':
      return <li>{inside(token.tokens)}</li>
    case 'checkbox':
      return token.checked ? '☑ ' : '☐ '
    case 'blockquote':
      return <blockquote>{inside(token.tokens)}</blockquote>
    case 'code':
      return (
        <pre>
          <code>{token.text}</code>
        </pre>
      )
    case 'hr':
      return <hr />
    case 'table':
      return <Table table={token} inside={inside} />
    case 'strong':
      return <strong>{inside(token.tokens)}</strong>
    case 'em':
      return <em>{inside(token.tokens)}</em>
    case 'del':
      return <del>{inside(token.tokens)}</del>
    case 'codespan':
      return <code>{token.text}</code>
    case 'escape':
      return token.text
    case 'link':
      return <Link link={token}>{inside(token.tokens)}</Link>
    case 'text':
      return token.tokens === undefined ? token.text : inside(token.tokens)
    default:
      return depth === 0 ? <p>{token.raw}</p> : token.raw
  }
}

type Of<Type extends MarkedToken['type']> = Extract<MarkedToken, { type: Type }>

interface TableProps {
  table: Of<'table'>
  inside: (tokens: readonly Token[]) => ReactNode
}

function Table({ table, inside }: TableProps) {
  return (
    <div className="prose-table" tabIndex={0}>
      <table>
        <thead>
          <tr>
            {table.header.map((cell, index) => (
              <th key={index} scope="col" data-align={cell.align ?? undefined}>
                {inside(cell.tokens)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, index) => (
            <tr key={index}>
              {row.map((cell, place) => (
                <td key={place} data-align={cell.align ?? undefined}>
                  {inside(cell.tokens)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** A link that says where it leads before it is followed, and tells that place nothing of us. */
function Link({ link, children }: { link: Of<'link'>; children: ReactNode }) {
  const address = followable(link.href)
  if (address === undefined) return link.raw
  const said = link.text.includes(address.host)
  return (
    <>
      <a
        href={address.href}
        target="_blank"
        rel="noopener noreferrer nofollow"
        referrerPolicy="no-referrer"
      >
        {children}
      </a>
      {!said && <span className="prose-host"> ({address.host})</span>}
    </>
  )
}
