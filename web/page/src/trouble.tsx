import type { Problem } from '@magi/stream'
import { diagnose } from './diagnosis.ts'
import { useWords } from './settings.tsx'
import { useWay } from './way.ts'
import type { Words } from './words.ts'
import type { Config } from './config.ts'

/** What a refusal means for the person and what to do about it, in the page's words or the server's own. */
export function problemText(
  words: Words,
  problem: Problem,
  config: Config,
  asking: boolean,
): { what: string; fix: string | undefined } {
  const found = diagnose(problem, config, asking)
  if (found) return words.way(found)
  const said = (what: string) => ({ what, fix: undefined })
  if (problem.status === 404 || problem.status === 410) return said(words.problem.notFound)
  if (problem.status === 401 || problem.status === 403)
    return said(`${words.problem.unauthorised} ${problem.message}`)
  if (problem.code === 'gap') return said(words.problem.gap)
  if (problem.status === 0) return said(words.problem.noAnswer)
  return { what: words.problem.refused(problem.message), fix: problem.fix }
}

/** A refusal, said in words: what happened, and the one thing that mends it. */
export function Why({ problem, asking }: { problem: Problem; asking: boolean }) {
  const words = useWords()
  const { config } = useWay()
  const { what, fix } = problemText(words, problem, config, asking)
  return (
    <div className="why">
      <p>{what}</p>
      {fix !== undefined && <p className="why-fix">{fix}</p>}
    </div>
  )
}
