/**
 * The record of a deliberation, made in the browser from the events it kept: the same lines, the same
 * snapshot, the same Markdown and the same page as a server's export. Imported on demand.
 */
import type {
  AgentComplete,
  Event,
  ExportFormat,
  JudgeComplete,
  LaneOfAgentComplete,
  LaneOfJudgeComplete,
  Sage,
  Snapshot,
  Usage,
} from '@magi/stream'
import type { Line } from './archive.ts'
import { html } from './record-html.ts'
import { markdown, type Beside } from './record-markdown.ts'

/** One deliberation of a story, as it came. */
export interface Told {
  id: string
  lines: readonly Line[]
}

type Lane = LaneOfAgentComplete | LaneOfJudgeComplete

const TYPES: Record<ExportFormat, string> = {
  md: 'text/markdown;charset=utf-8',
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  html: 'text/html;charset=utf-8',
}

/**
 * Writes the record of a story. NDJSON holds every part of it; the others are the last part's, which
 * holds every vote that was kept. What a person wrote beside it is in the two that are for reading.
 */
export function recordOf(parts: readonly Told[], format: ExportFormat, beside: Beside = {}): Blob {
  const last = parts.at(-1)
  if (!last) throw new Error('there is nothing to write a record of')
  const text = (): string => {
    if (format === 'ndjson')
      return parts.flatMap((part) => stored(part.lines.map((line) => line.raw))).join('')
    const snapshot = snapshotOf(last)
    if (format === 'json') return `${JSON.stringify(snapshot, null, 2)}\n`
    return format === 'md' ? markdown(snapshot, beside) : html(snapshot, beside)
  }
  return new Blob([text()], { type: TYPES[format] })
}

/** The lines without what a `rewind` took back: a log never stored those. */
function stored(lines: readonly string[]): string[] {
  const kept: { seq: number; raw: string }[] = []
  for (const raw of lines) {
    const event = JSON.parse(raw) as Event
    if (event.type === 'rewind') while ((kept.at(-1)?.seq ?? 0) > event.data.to) kept.pop()
    kept.push({ seq: event.seq, raw: `${raw}\n` })
  }
  return kept.map((line) => line.raw)
}

/** Folds the events of one part to the snapshot a server would answer with. */
export function snapshotOf(part: Told): Snapshot {
  const lines = stored(part.lines.map((line) => line.raw))
  const cursor = part.lines.at(-1)?.cursor
  const snapshot: Snapshot = {
    trace_id: part.id,
    cursor: cursor ?? `${part.id}.1.${lines.length}`,
    status: 'running',
    phase: 'waiting',
    question: '',
    lang: '',
    capabilities: [],
    sages: {},
    judge: lane() as LaneOfJudgeComplete,
    judge_order: [],
    notes: [],
    missing: [],
    usage: { input_tokens: 0, output_tokens: 0 },
  }
  for (const line of lines) apply(snapshot, JSON.parse(line) as Event)
  return snapshot
}

const lane = (): Lane => ({
  state: 'waiting',
  attempt: 0,
  thinking: '',
  text: '',
  faults: [],
})

function apply(snapshot: Snapshot, event: Event): void {
  const at = event.timestamp
  const { judge } = snapshot
  const sage = (name: Sage): LaneOfAgentComplete =>
    (snapshot.sages[name] ??= lane() as LaneOfAgentComplete)
  snapshot.updated_at = at
  switch (event.type) {
    case 'start': {
      const { council, question, lang, mode, capabilities } = event.data
      const { context, conversation_id, fork_of } = event.data
      Object.assign(snapshot, { phase: 'sages', started_at: at, question, lang, mode })
      Object.assign(
        snapshot,
        { capabilities, council },
        given({ context, conversation_id, fork_of }),
      )
      for (const name of council.sages) sage(name)
      return
    }
    case 'agent_start':
      snapshot.phase = 'sages'
      return begin(sage(event.agentId), event.data, at)
    case 'agent_thinking':
    case 'agent_chunk':
      return add(sage(event.agentId as Sage), event.type === 'agent_chunk', event.data.text)
    case 'agent_error':
      return fault(sage(event.agentId), event.data.retryable, { at, error: event.data })
    case 'agent_timeout':
      return fault(sage(event.agentId), event.data.retryable, { at, timeout: event.data })
    case 'agent_complete':
      return completeSage(snapshot, event.agentId, event.data)
    case 'tally':
      snapshot.phase = 'tally'
      snapshot.tally = event.data
      return
    case 'judge_start':
      snapshot.phase = 'judge'
      snapshot.judge_order = event.data.order ?? []
      return begin(judge, event.data, at)
    case 'judge_thinking':
    case 'judge_chunk':
      return add(judge, event.type === 'judge_chunk', event.data.text)
    case 'judge_error':
      return fault(judge, event.data.retryable, { at, error: event.data })
    case 'judge_timeout':
      return fault(judge, event.data.retryable, { at, timeout: event.data })
    case 'judge_complete':
      finish(judge, event.data)
      return addUp(snapshot)
    case 'note':
      snapshot.notes.push({ at, note: event.data })
      return
    case 'paused':
      snapshot.status = 'paused'
      snapshot.paused = event.data
      return
    case 'resumed':
      snapshot.status = 'running'
      delete snapshot.paused
      return
    case 'complete':
    case 'cancelled':
    case 'error':
      return end(snapshot, event)
    default:
      return
  }
}

/** The fields that are there. */
const given = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

function begin(
  into: Lane,
  { attempt, provider, model }: { attempt: number; provider: string; model: string },
  at: string,
): void {
  Object.assign(into, { state: 'connecting', attempt, provider, model, started_at: at })
  Object.assign(into, { thinking: '', text: '' })
}

function add(into: Lane, prose: boolean, text: string): void {
  into.state = prose ? 'writing' : 'thinking'
  if (prose) into.text += text
  else into.thinking += text
}

function fault(into: Lane, retryable: boolean, one: Lane['faults'][number]): void {
  into.state = retryable ? 'retrying' : 'failed'
  into.faults.push(one)
}

function finish(into: Lane, complete: AgentComplete | JudgeComplete): void {
  Object.assign(into, { state: 'done', attempt: complete.attempt, complete })
}

const CAST: ReadonlySet<unknown> = new Set(['own', 'rehearsal', 'refused'])

function completeSage(snapshot: Snapshot, agent: Sage, complete: AgentComplete): void {
  finish((snapshot.sages[agent] ??= lane() as LaneOfAgentComplete), complete)
  snapshot.missing = snapshot.missing.filter((one) => one.agent !== agent)
  const { cause } = complete
  if (cause && !CAST.has(cause)) snapshot.missing.push({ agent, cause })
  addUp(snapshot)
}

/** Adds usage and cost up over the roles that are done; without one price there is no sum. */
function addUp(snapshot: Snapshot): void {
  const done = [...Object.values(snapshot.sages), snapshot.judge].map((one) => one.complete)
  let usage: Usage = { input_tokens: 0, output_tokens: 0 }
  let cost: number | undefined = 0
  for (const one of done) {
    if (!one?.usage) continue
    usage = plus(usage, one.usage)
    cost = cost === undefined || one.cost_usd === undefined ? undefined : cost + one.cost_usd
  }
  spend(snapshot, usage, cost)
}

const plus = (left: Usage, right: Usage): Usage => {
  const sum: Usage = {
    input_tokens: left.input_tokens + right.input_tokens,
    output_tokens: left.output_tokens + right.output_tokens,
  }
  for (const name of ['reasoning_tokens', 'cache_read_tokens', 'cache_write_tokens'] as const)
    if (left[name] !== undefined || right[name] !== undefined)
      sum[name] = (left[name] ?? 0) + (right[name] ?? 0)
  if (left.estimated || right.estimated) sum.estimated = true
  return sum
}

function spend(snapshot: Snapshot, usage: Usage, cost: number | undefined): void {
  snapshot.usage = usage
  delete snapshot.cost_usd
  if (cost !== undefined) snapshot.cost_usd = cost
}

function end(
  snapshot: Snapshot,
  event: Event & { type: 'complete' | 'cancelled' | 'error' },
): void {
  snapshot.phase = 'over'
  delete snapshot.paused
  snapshot.ended_at = event.timestamp
  if (event.type === 'complete') {
    snapshot.status = event.data.status
    snapshot.missing = event.data.missing
    snapshot.verdict = event.data
  } else if (event.type === 'cancelled') {
    snapshot.status = 'cancelled'
    snapshot.cancelled = event.data
  } else {
    snapshot.status = 'failed'
    if (event.data.missing && event.data.missing.length > 0) snapshot.missing = event.data.missing
    snapshot.error = event.data
  }
  if (event.data.usage) spend(snapshot, event.data.usage, event.data.cost_usd)
}
