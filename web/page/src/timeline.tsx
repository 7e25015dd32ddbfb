import { useEffect, useRef, useState, type PointerEvent } from 'react'
import { useWords } from './settings.tsx'
import { MARK, Mark as RoleMark } from './shapes.tsx'
import { useTexts } from './texts.ts'
import { density, ticks, type Bar, type Mark, type Row, type Trace } from './trace.ts'
import { TRACE } from './words-trace.ts'
import { SEAL_WORDS } from './words.ts'

/** The height of a row, of the axis, and of the strip of phases, in pixels. */
const ROW = 58
const AXIS = 26
const STRIP = 9
/** A part of the axis that has its own height, in pixels. */
const BIN = 4

/** The width of a box, as it is now. */
function useWidth() {
  const ref = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(720)
  useEffect(() => {
    const box = ref.current
    if (!box || typeof ResizeObserver === 'undefined') return undefined
    const watch = new ResizeObserver(([entry]) => {
      const now = entry?.contentRect.width ?? 0
      if (now > 0) setWidth(now)
    })
    watch.observe(box)
    return () => watch.disconnect()
  }, [])
  return { ref, width }
}

/** A decision in the reader's language. */
export function useDecision(): (word: string) => string {
  const { code } = useWords()
  return (word) => SEAL_WORDS[word as keyof typeof SEAL_WORDS]?.[code] ?? word
}

/** The name of a row. */
export function useNames(): (actor: Row['actor']) => string {
  const words = useWords()
  const texts = useTexts(TRACE)
  return (actor) =>
    actor === 'net' ? texts.net : actor === 'solomon' ? words.judge.name : words.sages[actor].name
}

interface TimelineProps {
  trace: Trace
  /** The moment that is shown, in milliseconds. */
  at: number
  onSeek: (at: number) => void
}

/** One row for each role on one axis: what it did, how much it said, what befell it. */
export function Timeline({ trace, at, onSeek }: TimelineProps) {
  const texts = useTexts(TRACE)
  const names = useNames()
  const { ref, width } = useWidth()
  const [hover, setHover] = useState<number>()
  const { rows, length } = trace
  const x = (ms: number): number => (ms / length) * width
  const height = rows.length * ROW + AXIS
  const moment = (event: PointerEvent<SVGSVGElement>): number => {
    const box = event.currentTarget.getBoundingClientRect()
    return (Math.min(Math.max(event.clientX - box.left, 0), box.width) / box.width) * length
  }
  return (
    <div className="timeline">
      <ul className="timeline-names">
        {rows.map(({ actor, attempts }) => (
          <li key={actor} data-agent={actor}>
            {actor !== 'net' && <RoleMark of={actor} size={18} />}
            <span>
              {names(actor)}
              {attempts > 1 && <small>{texts.attempt(attempts)}</small>}
            </span>
          </li>
        ))}
      </ul>
      <div ref={ref} className="timeline-plot">
        <svg
          role="img"
          aria-label={texts.plot}
          width={width}
          height={height}
          viewBox={`0 0 ${width} ${height}`}
          onPointerDown={(event) => {
            event.currentTarget.setPointerCapture(event.pointerId)
            onSeek(moment(event))
          }}
          onPointerMove={(event) => {
            setHover(moment(event))
            if (event.buttons > 0) onSeek(moment(event))
          }}
          onPointerLeave={() => setHover(undefined)}
        >
          <Axis trace={trace} width={width} height={height} x={x} />
          {rows.map((row, index) => (
            <g key={row.actor} data-agent={row.actor} transform={`translate(0 ${index * ROW})`}>
              <Lane row={row} length={length} width={width} x={x} />
            </g>
          ))}
          {hover !== undefined && (
            <g className="trace-hover" transform={`translate(${x(hover)} 0)`}>
              <path d={`M0 0V${height - AXIS}`} />
              <text
                y={12}
                dx={hover > length / 2 ? -6 : 6}
                textAnchor={hover > length / 2 ? 'end' : 'start'}
              >
                {texts.seconds((hover / 1000).toFixed(1))}
              </text>
            </g>
          )}
          <g className="trace-cursor" transform={`translate(${Math.min(x(at), width - 6)} 0)`}>
            <path d={`M0 0V${height - AXIS}`} />
            <path
              className="solid"
              d={`M-6 ${height - AXIS + 7}L0 ${height - AXIS}L6 ${height - AXIS + 7}Z`}
            />
          </g>
        </svg>
      </div>
    </div>
  )
}

interface Scale {
  width: number
  x: (ms: number) => number
}

function Axis({ trace, width, height, x }: Scale & { trace: Trace; height: number }) {
  const texts = useTexts(TRACE)
  const marks = ticks(trace.length, Math.max(3, Math.floor(width / 90)))
  const foot = height - AXIS
  const digits = marks.every((at) => at % 1000 === 0) ? 0 : (marks[1] ?? 0) % 100 === 0 ? 1 : 2
  return (
    <g className="trace-axis">
      {trace.phases.map((phase, index) => (
        <rect
          key={index}
          className="trace-phase"
          data-phase={phase.name}
          x={x(phase.from)}
          width={Math.max(0, x(phase.to) - x(phase.from))}
          height={foot}
        />
      ))}
      {trace.rows.map((_, index) => (
        <path key={index} d={`M0 ${(index + 1) * ROW}H${width}`} />
      ))}
      {marks.map((at, index) => (
        <g key={at} transform={`translate(${x(at)} 0)`}>
          <path d={`M0 0V${foot + 4}`} />
          <text
            y={height - 8}
            textAnchor={index === 0 ? 'start' : x(at) > width - 24 ? 'end' : 'middle'}
          >
            {texts.seconds((at / 1000).toFixed(digits))}
          </text>
        </g>
      ))}
    </g>
  )
}

function Lane({ row, length, width, x }: Scale & { row: Row; length: number }) {
  const texts = useTexts(TRACE)
  const words = useWords()
  const base = ROW - STRIP - 10
  const count = Math.max(1, Math.floor(width / BIN))
  const bins = row.said.length > 0 ? density(row.said, length, count) : []
  const path = bins
    .map((share, bin) => {
      const tall = share * (base - 12)
      return share > 0 ? `M${(bin * BIN + BIN / 2).toFixed(1)} ${base}v${(-tall).toFixed(1)}` : ''
    })
    .join('')
  return (
    <>
      {path !== '' && <path className="trace-density" d={path} />}
      {row.bars.map((bar, index) => (
        <Stretch key={index} bar={bar} x={x} title={barText(bar, texts)} />
      ))}
      {row.marks.map((mark, index) => (
        <Sign
          key={index}
          mark={mark}
          x={x(mark.at)}
          width={width}
          title={texts.mark(mark, words)}
        />
      ))}
    </>
  )
}

/** What a stretch was, in words. */
export const barText = (bar: Bar, texts: (typeof TRACE)['en']): string =>
  [
    texts.bars[bar.kind],
    bar.attempt > 1 ? texts.attempt(bar.attempt) : '',
    bar.chars > 0 ? texts.chars(bar.chars) : '',
  ]
    .filter((part) => part !== '')
    .join(texts.comma)

function Stretch({ bar, x, title }: { bar: Bar; x: (ms: number) => number; title: string }) {
  const texts = useTexts(TRACE)
  const wide = Math.max(1.5, x(bar.to) - x(bar.from))
  return (
    <rect
      className="trace-bar"
      data-kind-of={bar.kind}
      x={x(bar.from)}
      y={ROW - STRIP - 8}
      width={wide}
      height={STRIP}
      rx="1.5"
    >
      <title>{`${texts.seconds(`${(bar.from / 1000).toFixed(1)}–${(bar.to / 1000).toFixed(1)}`)}: ${title}`}</title>
    </rect>
  )
}

/** Signs differ in shape; colour comes second. */
const SIGNS: Partial<Record<Mark['kind'], string>> = {
  fault: 'M-5-5 5 5M5-5-5 5',
  gave_up: 'M-5-5 5 5M5-5-5 5',
  missing: 'M-5-5 5 5M5-5-5 5',
  failed: 'M-5-5 5 5M5-5-5 5',
  lost: 'M-5-5 5 5M5-5-5 5',
  offline: 'M-5-5 5 5M5-5-5 5',
  back: 'M-5 0a5 5 0 1 0 5-5M0-8v6l4-3Z',
  rewind: 'M5-5-3 0 5 5ZM-5-5V5',
  seam: 'M-2-6V6M2-6V6',
  note: 'M-5-5H5V3H0L-3 6V3H-5Z',
  verb: 'M-5 0H5M0-5V5',
  refused: 'M-5-5 5 5M5-5-5 5',
  member: 'M0-6V6',
  stopped: 'M-5-5H5V5H-5Z',
}

function Sign({ mark, x, width, title }: { mark: Mark; x: number; width: number; title: string }) {
  const texts = useTexts(TRACE)
  // A sign at the very edge would be cut in half.
  const at = Math.min(Math.max(x, 8), width - 8)
  const decided = ['vote', 'judged', 'verdict'].includes(mark.kind)
  return (
    <g
      className="trace-mark"
      data-mark={mark.kind}
      data-kind={decided ? mark.what : undefined}
      transform={`translate(${at} 16)`}
    >
      <title>{`${texts.seconds((mark.at / 1000).toFixed(1))}: ${title}`}</title>
      <rect className="trace-hit" x="-9" y="-12" width="18" height="24" />
      {decided ? <Decision word={mark.what} /> : <path d={SIGNS[mark.kind] ?? MARK.solomon} />}
    </g>
  )
}

/** A vote in small: the signs of the seals. */
function Decision({ word }: { word: string }) {
  if (word === 'APPROVED')
    return (
      <>
        <circle r="7.5" />
        <path d="M-3.5 0-1 2.8 3.6-2.6" />
      </>
    )
  if (word === 'REJECTED')
    return (
      <>
        <circle r="7.5" />
        <path d="M-3-3 3 3M3-3-3 3" />
      </>
    )
  return (
    <>
      <circle r="7.5" strokeDasharray="3 2.4" />
      <circle r="2" />
    </>
  )
}
