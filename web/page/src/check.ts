/** What a browser can find out of the way to the council, step by step: the page's own doctor. */
import { Problem, type Door, type Probed } from '@magi/stream'
import { answersOf } from './answers.ts'

export const STEPS = ['network', 'reach', 'trust', 'clock', 'stream', 'models', 'storage'] as const

export type Step = (typeof STEPS)[number]

/** How one step came out, and the facts that the words need. */
export type Found =
  | { step: 'network'; outcome: 'ok' | 'warn' | 'fail' }
  | { step: 'reach'; outcome: 'ok'; ms: number; version: string }
  | { step: 'reach' | 'trust' | 'models'; outcome: 'fail'; problem: Problem }
  | { step: 'trust'; outcome: 'ok'; trust: string }
  | { step: 'clock'; outcome: 'ok' | 'warn'; skewMs: number }
  | { step: 'stream'; outcome: 'ok'; frames: number; ms: number }
  | {
      step: 'stream'
      outcome: 'warn' | 'fail'
      why: 'held' | 'elsewhere' | 'broken'
      message: string
    }
  | { step: 'models'; outcome: 'ok'; models: readonly string[] }
  | { step: 'models'; outcome: 'warn' }
  | { step: 'storage'; outcome: 'ok' | 'warn' }
  | { step: Step; outcome: 'skip' }

export interface World {
  door: Door
  online: () => boolean
  /** Whether the page comes from this machine itself. */
  local: () => boolean
  /** Milliseconds since the epoch. */
  now: () => number
  /** Whether this browser lets the page keep something. */
  keeps: () => Promise<boolean>
}

/** A clock that is further off than this is worth a word, in milliseconds. */
const SKEW_MS = 5000
const FRAMES = 5

const asProblem = (error: unknown): Problem =>
  error instanceof Problem ? error : new Problem({ status: 0, message: String(error) })

/** True for a refusal of whoever asks, where the door itself was reached. */
const isRefusal = ({ status }: Problem): boolean => status === 401 || status === 403

/** Goes the way, and tells of each step as soon as it is known. What cannot be tried is skipped. */
export async function check(world: World, tell: (found: Found) => void): Promise<void> {
  const { door } = world
  tell({ step: 'network', outcome: world.online() ? 'ok' : world.local() ? 'warn' : 'fail' })
  const asked = world.now()
  let about: Record<string, unknown> | undefined
  try {
    about = await door.about()
    const version = typeof about['version'] === 'string' ? about['version'] : ''
    tell({ step: 'reach', outcome: 'ok', ms: world.now() - asked, version })
    const { trust } = about
    tell({ step: 'trust', outcome: 'ok', trust: typeof trust === 'string' ? trust : '' })
  } catch (error) {
    const problem = asProblem(error)
    if (isRefusal(problem)) {
      tell({ step: 'reach', outcome: 'ok', ms: world.now() - asked, version: '' })
      tell({ step: 'trust', outcome: 'fail', problem })
    } else {
      tell({ step: 'reach', outcome: 'fail', problem })
      tell({ step: 'trust', outcome: 'skip' })
    }
  }
  if (about) {
    await streaming(world, tell)
    await models(world, tell)
  } else for (const step of ['clock', 'stream', 'models'] as const) tell({ step, outcome: 'skip' })
  tell({ step: 'storage', outcome: (await world.keeps()) ? 'ok' : 'warn' })
}

/** The probe tells two things: whether the way streams, and what the clocks say. */
async function streaming({ door }: World, tell: (found: Found) => void): Promise<void> {
  try {
    const probed = await door.probe(FRAMES)
    tell(clockOf(probed))
    tell(streamOf(probed))
  } catch (error) {
    const { code, status, message } = asProblem(error)
    tell({ step: 'clock', outcome: 'skip' })
    const held = code === 'held' || status === 409 || status === 504
    const elsewhere = code === 'not_found'
    const why = held ? 'held' : elsewhere ? 'elsewhere' : 'broken'
    tell({ step: 'stream', outcome: elsewhere ? 'warn' : 'fail', why, message })
  }
}

/** A frame is on its way for some time, so the least difference is the nearest to the clocks'. */
function clockOf({ beats }: Probed): Found {
  const skews = beats.map(({ sent, came }) => came - sent).filter((skew) => !Number.isNaN(skew))
  if (skews.length === 0) return { step: 'clock', outcome: 'skip' }
  const skewMs = skews.reduce((least, skew) => (Math.abs(skew) < Math.abs(least) ? skew : least))
  return { step: 'clock', outcome: Math.abs(skewMs) > SKEW_MS ? 'warn' : 'ok', skewMs }
}

/** Frames that waited for no word are told by their times: all at once is held back. */
function streamOf({ acked, beats }: Probed): Found {
  const first = beats[0]
  const last = beats.at(-1)
  if (!first || !last) return { step: 'stream', outcome: 'fail', why: 'broken', message: '' }
  const came = last.came - first.came
  const said = last.sent - first.sent
  if (acked || said < 300 || came >= said / 2)
    return { step: 'stream', outcome: 'ok', frames: beats.length, ms: came }
  return { step: 'stream', outcome: 'fail', why: 'held', message: '' }
}

async function models({ door }: World, tell: (found: Found) => void): Promise<void> {
  try {
    const answers = answersOf(await door.models())
    if (!answers || answers.rehearsal) tell({ step: 'models', outcome: 'warn' })
    else tell({ step: 'models', outcome: 'ok', models: answers.models })
  } catch (error) {
    tell({ step: 'models', outcome: 'fail', problem: asProblem(error) })
  }
}
