import { SAGES, type Sage, type View } from '@magi/stream'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useAbout } from './about.ts'
import { figuresOf, priceOf, totalOf, type Figures, type Prices } from './figures.ts'

export interface AllFigures {
  sages: Record<Sage, Figures>
  judge: Figures
  total: Figures
}

/** Numbers that change with every token could not be read. */
const PACE_MS = 500

function all(view: View, prices: Prices): AllFigures {
  const asked = view.question + (view.context ?? '')
  const of = (sage: Sage): Figures => {
    const lane = view.sages[sage]
    return figuresOf(lane, lane.vote, priceOf(prices, lane), asked)
  }
  const [caspar, balthasar, melchior] = SAGES.map(of) as [Figures, Figures, Figures]
  const { judge } = view
  // What the judge reads is the question and what the sages said.
  const heard = asked + SAGES.map((sage) => view.sages[sage].text).join('')
  return {
    sages: { caspar, balthasar, melchior },
    judge: figuresOf(judge, judge.judgment, priceOf(prices, judge), heard),
    total: totalOf(view, prices),
  }
}

/** The numbers of everybody: counted anew twice a second while it goes on, and at every vote. */
export function useFigures(view: View, live: boolean): AllFigures {
  const { prices } = useAbout()
  const latest = useRef(view)
  latest.current = view
  const [beat, setBeat] = useState(0)
  useEffect(() => {
    if (!live) return undefined
    const timer = setInterval(() => setBeat((old) => old + 1), PACE_MS)
    return () => clearInterval(timer)
  }, [live])
  const { caspar, balthasar, melchior } = view.sages
  return useMemo(
    () => all(latest.current, prices),
    [
      beat,
      prices,
      view.id,
      view.end,
      caspar.vote,
      balthasar.vote,
      melchior.vote,
      view.judge.judgment,
    ],
  )
}
