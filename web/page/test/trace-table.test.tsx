import type { Event } from '@magi/stream'
import { cleanup, render, screen } from '@testing-library/react'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SettingsProvider } from '../src/settings.tsx'
import { traceOf } from '../src/trace.ts'
import { TraceTable } from '../src/trace-table.tsx'

beforeEach(() => window.localStorage.setItem('magi.lang', 'ja'))
afterEach(cleanup)

const ID = '01JD3ZK8M00000000000000000'

let seq = 0
const event = (type: string, data: object, agentId?: string): Event =>
  ({
    type,
    seq: ++seq,
    timestamp: '2026-11-23T00:00:00Z',
    trace_id: ID,
    ...(agentId === undefined ? {} : { agentId }),
    data,
  }) as unknown as Event

const council = { name: 'default', version: 1, rule: 'majority', quorum: 2, models: {} }
const fault = (code: string, retryable: boolean): object => ({
  code,
  message: '429',
  attempt: 1,
  retryable,
})
const verb = (attributes: object): Event => event('trace', { name: 'verb', attributes })
const start = { provider: 'openai', model: 'm' }

/** One of everything that can stand in the table. */
const EVENTS: Event[] = [
  event('start', {
    question: 'q',
    council: { ...council, sages: ['caspar', 'balthasar', 'melchior'] },
    capabilities: [],
  }),
  event('agent_start', { attempt: 1, ...start }, 'caspar'),
  event('agent_error', fault('throttled', true), 'caspar'),
  event('agent_start', { attempt: 2, ...start }, 'caspar'),
  event('agent_thinking', { text: '考え中です。' }, 'caspar'),
  event('agent_chunk', { text: '言葉です。' }, 'caspar'),
  event('agent_complete', { decision: 'APPROVED', attempt: 2 }, 'caspar'),
  event('agent_error', fault('unauthorised', false), 'balthasar'),
  event('agent_complete', { decision: 'ABSTAINED', cause: 'failed', attempt: 1 }, 'balthasar'),
  event('agent_timeout', { kind: 'idle', timeout: 9, attempt: 1, retryable: false }, 'melchior'),
  event('agent_complete', { decision: 'ABSTAINED', cause: 'stopped', attempt: 1 }, 'melchior'),
  verb({ verb: 'pause', by: 'user' }),
  event('paused', { by: 'user', reason: '' }),
  verb({ verb: 'resume', by: 'user' }),
  event('resumed', { by: 'user', reason: '' }),
  verb({ verb: 'note', by: 'user' }),
  event('note', { from: 'user', to: 'all', text: '五人です。' }),
  verb({ verb: 'note', by: 'user', agent: 'caspar' }),
  event('note', { from: 'user', to: 'caspar', text: '六人です。' }),
  verb({ verb: 'retry', by: 'user', agent: 'melchior' }),
  verb({ verb: 'pause', by: 'user', refused: 'over' }),
  event('tally', { agreement: '1-0-2' }),
  event('rewind', { to: 3 }),
  verb({ verb: 'stop', by: 'user' }),
  event('cancelled', { by: 'user', reason: 'Stopped on request.' }),
  event('error', { code: 'no_votes', message: '' }),
]

/** The rows of the table: who, what, and the detail. */
function rows(): string[] {
  const times = EVENTS.map((_, index) => index * 1000)
  render(
    <SettingsProvider>
      <TraceTable trace={traceOf(EVENTS, times)} />
    </SettingsProvider>,
  )
  return screen
    .getAllByRole('row')
    .slice(1)
    .map((row) => [...row.children].slice(2).map((cell) => cell.textContent?.trim()))
    .map((cells) => cells.join(' | '))
}

test('in Japanese no machine word stands in the table', () => {
  for (const row of rows()) expect(row).not.toMatch(/[a-z]{4,}/)
})

test('what was done is said in words, and once', () => {
  const all = rows()
  for (const row of [
    'CASPAR | 失敗、再試行（プロバイダーがリクエストを制限しています） | 429',
    'BALTHASAR | 失敗、断念（プロバイダーにキーを拒否されました） | 429',
    'BALTHASAR | 票なし | プロバイダーの障害',
    'MELCHIOR | 票なし | 中断されました',
    'CASPAR | 思考、2回目、6文字 | ',
    '評議全体と接続 | 全員への伝言 | 五人です。',
    '評議全体と接続 | CASPARへの伝言 | 六人です。',
    '評議全体と接続 | やり直し: MELCHIOR | ',
    '評議全体と接続 | 一時停止: 受け付けられず | ',
    '評議全体と接続 | あなたが中断しました | ',
  ])
    expect(all).toContain(row)
  expect(all.filter((row) => row.includes('一時停止'))).toHaveLength(2)
  expect(all.filter((row) => row.includes('伝言'))).toHaveLength(2)
  expect(all.filter((row) => row.includes('中断') && row.includes('評議'))).toHaveLength(1)
  expect(all.filter((row) => row.includes('再開') && !row.includes('イベント'))).toEqual([])
})
