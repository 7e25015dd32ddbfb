import { SAGES, sagesOf, type Sage, type View } from '@magi/stream'
import { sealOf } from './format.ts'
import { filled, MARK } from './shapes.tsx'

/** Where each sage stands on the orbit, in degrees clockwise from the top. */
const BEARING: Record<Sage, number> = { caspar: 240, balthasar: 120, melchior: 0 }
const ORBIT = 78
/** On the start page the marks stand clear of the text: bearing and radius. */
const FAINT: Record<Sage, [number, number]> = {
  caspar: [289, 104],
  balthasar: [71, 104],
  melchior: [0, ORBIT],
}

const place = (degrees: number, radius: number): [number, number] => {
  const angle = ((degrees - 90) * Math.PI) / 180
  return [Math.cos(angle) * radius, Math.sin(angle) * radius]
}

const TICKS = Array.from({ length: 72 }, (_, index) => {
  const long = index % 6 === 0
  const [x1, y1] = place(index * 5, 116)
  const [x2, y2] = place(index * 5, long ? 109 : 112.5)
  return `M${x1.toFixed(2)} ${y1.toFixed(2)}L${x2.toFixed(2)} ${y2.toFixed(2)}`
}).join('')

/**
 * The council as a chart of the sky: three marks on one orbit, the judge at its centre. A ring fills
 * as a sage writes; a vote draws its line to the centre. Drawing only: every fact is also in words.
 */
export function Chart({ view, faint = false }: { view: View; faint?: boolean }) {
  const present = faint ? SAGES : sagesOf(view)
  const seal = sealOf(view)
  return (
    <svg
      className="chart"
      data-faint={faint || undefined}
      viewBox="-124 -124 248 248"
      aria-hidden="true"
    >
      <circle className="chart-ring" r="116" />
      <circle className="chart-ring chart-fine" r="120" />
      <path className="chart-ring" d={TICKS} />
      <circle className="chart-ring chart-fine" r={ORBIT} />
      <circle className="chart-ring chart-fine" r="44" />
      {faint && <circle className="chart-ring chart-fine" r="104" />}
      {present.map((sage) => {
        const at = faint ? FAINT[sage] : ([BEARING[sage], ORBIT] as const)
        return <Star key={sage} sage={sage} view={view} at={at} size={faint ? 0.5 : 1} />
      })}
      <g
        className="chart-judge"
        data-kind={view.end ? seal : undefined}
        data-status={view.judge.state}
      >
        <circle className="chart-halo" r="30" />
        <circle
          className="chart-fill"
          r="30"
          pathLength="100"
          strokeDasharray={`${(view.end?.kind === 'complete' ? 100 : filled(view.judge.text.length) * 100).toFixed(1)} 100`}
          transform="rotate(-90)"
        />
        <path d={MARK.solomon} transform="scale(1.7)" />
      </g>
    </svg>
  )
}

interface StarProps {
  sage: Sage
  view: View
  at: readonly [number, number]
  size: number
}

function Star({ sage, view, at: [bearing, radius], size }: StarProps) {
  const lane = view.sages[sage]
  const [x, y] = place(bearing, radius)
  const [x1, y1] = place(bearing, radius - 24)
  const [x2, y2] = place(bearing, 31)
  const share = lane.vote ? 1 : filled(lane.text.length + lane.thinking.length / 2)
  return (
    <g
      className="chart-star"
      data-agent={sage}
      data-status={lane.state}
      data-vote={lane.vote?.decision}
    >
      <path className="chart-line" d={`M${x1} ${y1}L${x2} ${y2}`} />
      <g transform={`translate(${x} ${y}) scale(${size})`}>
        <circle className="chart-halo" r="22" />
        <circle
          className="chart-fill"
          r="22"
          pathLength="100"
          strokeDasharray={`${(share * 100).toFixed(1)} 100`}
          transform="rotate(-90)"
        />
        <path d={MARK[sage]} />
      </g>
    </g>
  )
}
