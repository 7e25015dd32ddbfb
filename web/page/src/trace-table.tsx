import type { View } from '@magi/stream'
import { modelOf } from './lane.tsx'
import { useWords } from './settings.tsx'
import { Mark } from './shapes.tsx'
import { useTexts } from './texts.ts'
import { barText, useNames } from './timeline.tsx'
import type { Mark as Happened, Row, Trace } from './trace.ts'
import { PANEL } from './words-panel.ts'
import { TRACE } from './words-trace.ts'
import type { Words } from './words.ts'

interface Line {
  actor: Row['actor']
  from: number
  to: number | undefined
  what: string
  detail: string
}

const seconds = (ms: number | undefined): string => (ms === undefined ? '' : (ms / 1000).toFixed(1))

/** What is said beside it: a reason in words, a message as it came. */
function detailOf({ kind, what, detail }: Happened, { cause }: Words): string {
  if (kind === 'missing') return cause[detail as keyof typeof cause] ?? detail
  // Who gave it stands in the text, and that a person stopped it needs no reason.
  if (['verb', 'refused', 'vote', 'seam'].includes(kind)) return ''
  return kind === 'stopped' && what === 'user' ? '' : detail
}

/** The same as the timeline, to be read line by line. */
export function TraceTable({ trace }: { trace: Trace }) {
  const texts = useTexts(TRACE)
  const names = useNames()
  const words = useWords()
  const lines: Line[] = trace.rows
    .flatMap(({ actor, bars, marks }) => [
      ...bars.map((bar) => ({
        actor,
        from: bar.from,
        to: bar.to,
        what: barText(bar, texts),
        detail: '',
      })),
      ...marks.map((mark) => ({
        actor,
        from: mark.at,
        to: undefined,
        what: texts.mark(mark, words),
        detail: detailOf(mark, words),
      })),
    ])
    .sort((left, right) => left.from - right.from)
  return (
    <div className="table-scroll" tabIndex={0} role="group" aria-label={texts.table.caption}>
      <table className="table trace-table">
        <caption className="visually-hidden">{texts.table.caption}</caption>
        <thead>
          <tr>
            <th scope="col">{texts.table.from}</th>
            <th scope="col">{texts.table.to}</th>
            <th scope="col">{texts.table.who}</th>
            <th scope="col">{texts.table.what}</th>
            <th scope="col">{texts.table.detail}</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line, index) => (
            <tr key={index}>
              <td className="number">{seconds(line.from)}</td>
              <td className="number">{seconds(line.to)}</td>
              <th scope="row" data-agent={line.actor}>
                {line.actor !== 'net' && <Mark of={line.actor} />} {names(line.actor)}
              </th>
              <td>{line.what}</td>
              <td className="table-detail">{line.detail}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** Who read and wrote how much, and what it cost. */
export function CostTable({ trace, view }: { trace: Trace; view: View }) {
  const words = useWords()
  const { cost: texts } = useTexts(TRACE)
  const names = useNames()
  const panel = useTexts(PANEL)
  const number = new Intl.NumberFormat(words.code)
  const rows = trace.rows.filter((row) => row.actor !== 'net')
  const costs = rows.map((row) => row.done?.cost_usd)
  const sum = costs.reduce<number>((total, one) => total + (one ?? 0), 0)
  const written = rows.reduce((total, row) => total + (row.done?.usage?.output_tokens ?? 0), 0)
  const shareOf = (row: Row): number => {
    const { usage, cost_usd } = row.done ?? {}
    if (sum > 0) return (cost_usd ?? 0) / sum
    return written > 0 ? (usage?.output_tokens ?? 0) / written : 0
  }
  const whole = view.end?.data
  const rehearsal = view.mode === 'rehearsal'
  const price = (cost: number | undefined, done: boolean): string =>
    cost !== undefined ? words.cost(cost) : !done ? '' : rehearsal ? '–' : texts.unknown
  const lane = (row: Row) =>
    row.actor === 'solomon' || row.actor === 'net' ? view.judge : view.sages[row.actor]
  const estimated = rows.some((row) => row.done?.usage?.estimated)
  return (
    <>
      <div className="table-scroll" tabIndex={0} role="group" aria-label={texts.caption}>
        <table className="table cost-table">
          <caption className="visually-hidden">{texts.caption}</caption>
          <thead>
            <tr>
              <th scope="col">{texts.who}</th>
              <th scope="col">{texts.model}</th>
              <th scope="col">{texts.attempts}</th>
              <th scope="col">{texts.firstWord}</th>
              <th scope="col">{texts.input}</th>
              <th scope="col">{texts.output}</th>
              <th scope="col">{texts.cost}</th>
              <th scope="col">{sum > 0 ? texts.shareOfCost : texts.shareOfTokens}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => {
              const usage = row.done?.usage
              const share = shareOf(row)
              const mark = usage?.estimated ? words.aside(texts.estimated) : ''
              return (
                <tr key={row.actor} data-agent={row.actor}>
                  <th scope="row">
                    {row.actor !== 'net' && <Mark of={row.actor} />} {names(row.actor)}
                  </th>
                  <td className="mono">{modelOf(lane(row), panel.of)}</td>
                  <td className="number">{row.attempts}</td>
                  <td className="number">
                    {row.firstTokenMs === undefined ? '' : words.seconds(row.firstTokenMs / 1000)}
                  </td>
                  <td className="number">
                    {usage
                      ? number.format(usage.input_tokens) + mark
                      : row.done || view.end
                        ? '–'
                        : texts.pending}
                  </td>
                  <td className="number">{usage && number.format(usage.output_tokens) + mark}</td>
                  <td className="number">{price(row.done?.cost_usd, row.done !== undefined)}</td>
                  <td className="share">
                    <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
                      <rect className="score-ground" width="100" height="8" />
                      <rect className="score-fill" width={share * 100} height="8" />
                    </svg>
                    <span>{Math.round(share * 100)} %</span>
                  </td>
                </tr>
              )
            })}
          </tbody>
          {whole?.usage && (
            <tfoot>
              <tr>
                <th scope="row" colSpan={4}>
                  {texts.total}
                </th>
                <td className="number">{number.format(whole.usage.input_tokens)}</td>
                <td className="number">{number.format(whole.usage.output_tokens)}</td>
                <td className="number">{price(whole.cost_usd, true)}</td>
                <td />
              </tr>
            </tfoot>
          )}
        </table>
      </div>
      <p className="muted trace-note">
        {rehearsal ? texts.free : estimated ? texts.estimatedNote : ''}
      </p>
    </>
  )
}
