import type { Agent } from '@magi/stream'

/** The mark of each role, centred on 0,0 in a box of 20. The shape is the identity, colour comes second. */
export const MARK: Record<Agent, string> = {
  caspar: 'M-8-8H8V8H-8Z',
  balthasar: 'M0-9A9 9 0 1 1 0 9 9 9 0 1 1 0-9Z',
  melchior: 'M0-9.5 9.5 8H-9.5Z',
  solomon: 'M0-10 10 0 0 10-10 0Z',
}

/** A role's mark beside its name. */
export function Mark({ of, size = 16 }: { of: Agent; size?: number }) {
  return (
    <svg
      className="mark"
      data-agent={of}
      width={size}
      height={size}
      viewBox="-12 -12 24 24"
      aria-hidden="true"
    >
      <path d={MARK[of]} />
    </svg>
  )
}

/** How far a ring has filled for this much text: it nears the end and never claims to reach it. */
export const filled = (characters: number): number => 1 - Math.exp(-characters / 700)

/** A role's mark inside the ring that fills as it writes. */
export function RingedMark({ of, length, done }: { of: Agent; length: number; done: boolean }) {
  const share = done ? 1 : filled(length)
  return (
    <svg className="ringed" data-agent={of} viewBox="-20 -20 40 40" aria-hidden="true">
      <circle className="ring-ground" r="17.5" />
      <circle
        className="ring-fill"
        r="17.5"
        pathLength="100"
        strokeDasharray={`${(share * 100).toFixed(1)} 100`}
        transform="rotate(-90)"
      />
      <path d={MARK[of]} />
    </svg>
  )
}
