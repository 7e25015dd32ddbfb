/** Why a call failed, as far as its answer and its time tell, so that the page can say what to mend. */
import type { Problem } from '@magi/stream'
import type { Config } from './config.ts'

/** What was found on the way, and the facts the words need. */
export type Finding =
  | { kind: 'gave_up'; seconds: number | undefined }
  | { kind: 'refused_whole'; seconds: number }
  | { kind: 'web_page'; where: string }
  | { kind: 'wrong_path'; where: string }
  | { kind: 'cors'; origin: string; host: string }
  | { kind: 'blocked'; host: string }
  | { kind: 'unreachable'; host: string }
  | { kind: 'clock' | 'signature' | 'forbidden' | 'identity'; message: string }
  | { kind: 'token' | 'throttled' | 'too_large' | 'function_failed' | 'container_failed' }
  | { kind: 'cut_for_good' | 'nothing_came' | 'deadline_too_short' | 'no_state' | 'not_kept' }

/** After so long without a sign, in milliseconds, an answer does not stream: what does gives one every 2 s. */
const SILENT_MS = 5000

/** Hosts that the page's own policy would not let it call, noted when the browser says so. */
const blocked = new Set<string>()

/** Listens for what the browser refuses because of the page's policy: `fetch` itself only says "failed". */
export function watchPolicy(): void {
  document.addEventListener('securitypolicyviolation', (event) => {
    if (event.effectiveDirective !== 'connect-src') return
    if (URL.canParse(event.blockedURI)) blocked.add(new URL(event.blockedURI).host)
  })
}

/**
 * Names the cause of a failed call; undefined where the server's own words say it better. `asking` is
 * true while no deliberation is known, when a 404 can only mean the address.
 */
export function diagnose(
  problem: Problem,
  config: Config,
  asking: boolean,
  here: string = window.location.href,
): Finding | undefined {
  const where = new URL(problem.url ?? (config.base === '' ? '/' : config.base), here)
  return (
    ours(problem) ??
    (problem.status === 0 ? silent(problem, config, where, new URL(here).origin) : undefined) ??
    answered(problem, config, asking, where)
  )
}

/** What the stream client found out itself. */
function ours(problem: Problem): Finding | undefined {
  switch (problem.code) {
    case 'cut_for_good':
    case 'nothing_came':
    case 'deadline_too_short':
    case 'no_state':
    case 'not_kept':
      return { kind: problem.code }
    default:
      return problem.hop === 'identity' && problem.status !== 0
        ? { kind: 'identity', message: `${problem.code}: ${problem.message}` }
        : undefined
  }
}

/** No answer at all. */
function silent(problem: Problem, config: Config, where: URL, here: string): Finding | undefined {
  if (blocked.has(where.host)) return { kind: 'blocked', host: where.host }
  if (problem.code === 'cors') return { kind: 'cors', origin: here, host: where.host }
  // The page's own server: there the question is whether it still runs.
  if (where.origin === here && config.door === 'server') return undefined
  return { kind: 'unreachable', host: where.host }
}

function answered(
  problem: Problem,
  config: Config,
  asking: boolean,
  where: URL,
): Finding | undefined {
  const { status, code, message, html, elapsed } = problem
  const named = `${code} ${message}`
  switch (status) {
    case 504:
      return { kind: 'gave_up', seconds: elapsed === undefined ? undefined : elapsed / 1000 }
    case 404:
    case 405:
      return asking || html || /Exception$/.test(code) || (code === '' && !problem.body['detail'])
        ? { kind: 'wrong_path', where: where.href }
        : undefined
    case 401:
      return config.sign === 'sigv4' ? { kind: 'forbidden', message } : { kind: 'token' }
    case 403:
      if (problem.body['field'] !== undefined) return undefined
      if (/expired|not yet current|skew/i.test(named)) return { kind: 'clock', message }
      if (/signature|credential|security token/i.test(named)) return { kind: 'signature', message }
      return { kind: 'forbidden', message }
    case 413:
      return code === 'too_large' ? undefined : { kind: 'too_large' }
    case 424:
      return { kind: 'container_failed' }
    case 429:
      return { kind: 'throttled' }
    case 502:
      if (code !== '' && !code.startsWith('Internal')) return undefined
      // What streams has answered by then, whatever becomes of it later.
      return asking && elapsed !== undefined && elapsed >= SILENT_MS
        ? { kind: 'refused_whole', seconds: elapsed / 1000 }
        : { kind: 'function_failed' }
    default:
      return html ? { kind: 'web_page', where: where.href } : undefined
  }
}
