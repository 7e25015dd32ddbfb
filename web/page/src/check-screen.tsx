import { isLocal } from '@magi/stream'
import { useCallback, useEffect, useRef, useState } from 'react'
import { Button } from 'react-aria-components'
import { check, STEPS, type Found } from './check.ts'
import { useWords } from './settings.tsx'
import { kept } from './storage.ts'
import { useTexts } from './texts.ts'
import { problemText } from './trouble.tsx'
import { hostOf, useWay, type Way } from './way.ts'
import { CHECK } from './words-check.ts'

/** Whether what is written can be read again: the page's settings, and its copies where it keeps them. */
async function keeps({ archive }: Way): Promise<boolean> {
  const key = 'magi.check'
  kept.write(key, '1')
  const settings = kept.read(key) === '1'
  kept.write(key, undefined)
  if (!settings || !archive) return settings
  return archive.list({ limit: 1 }).then(
    () => true,
    () => false,
  )
}

/** The page's own doctor: every step of the way to the council, what was found, and its one fix. */
export default function CheckScreen() {
  const texts = useTexts(CHECK)
  const words = useWords()
  const way = useWay()
  const [found, setFound] = useState<readonly Found[]>([])
  const [running, setRunning] = useState(false)
  const turn = useRef(0)
  const run = useCallback(async (): Promise<void> => {
    const mine = ++turn.current
    setFound([])
    setRunning(true)
    const world = {
      door: way.door,
      online: () => navigator.onLine,
      local: isLocal,
      now: () => Date.now(),
      keeps: () => keeps(way),
    }
    // An older check that was overtaken tells nothing more.
    await check(world, (one) => {
      if (turn.current === mine) setFound((old) => [...old, one])
    })
    if (turn.current === mine) setRunning(false)
  }, [way])
  useEffect(() => {
    void run()
    return () => {
      turn.current++
    }
  }, [run])
  const count = (outcome: Found['outcome']): number =>
    found.filter((one) => one.outcome === outcome).length
  return (
    <main className="screen check-screen" tabIndex={-1}>
      <header className="screen-head">
        <h1>{texts.title}</h1>
        <Button className="button" isDisabled={running} onPress={() => void run()}>
          {running ? texts.running : texts.again}
        </Button>
      </header>
      <p className="muted">{texts.intro}</p>
      <p className="check-door">
        {words.door.label}: <strong>{words.door.name(way.config, hostOf(way.config))}</strong>
      </p>
      <ol className="checks" aria-busy={running}>
        {STEPS.map((step) => {
          const one = found.find((other) => other.step === step)
          return (
            <li key={step} data-outcome={one?.outcome ?? 'waiting'}>
              <Sign outcome={one?.outcome} />
              <div>
                <h2>
                  {texts.step[step]} <small>{texts.outcome[one?.outcome ?? 'waiting']}</small>
                </h2>
                {one && <Said found={one} />}
              </div>
            </li>
          )
        })}
      </ol>
      <p className="check-sum" role="status">
        {!running && found.length > 0 && texts.sum(count('fail'), count('warn'))}
      </p>
      <p className="muted">{texts.deeper}</p>
    </main>
  )
}

function Said({ found }: { found: Found }) {
  const texts = useTexts(CHECK)
  const words = useWords()
  const { config } = useWay()
  const { what, fix } =
    'problem' in found
      ? problemText(words, found.problem, config, true)
      : { fix: undefined, ...texts.say(found) }
  return (
    <>
      <p>{what}</p>
      {fix !== undefined && <p className="why-fix">{fix}</p>}
    </>
  )
}

/** Shape first: a tick, a triangle, a cross, a ring. */
function Sign({ outcome }: { outcome: Found['outcome'] | undefined }) {
  return (
    <svg className="check-sign" viewBox="-16 -16 32 32" width="28" height="28" aria-hidden="true">
      {outcome === 'ok' && (
        <>
          <circle r="13" />
          <path d="M-6 .5-1.8 5 6.5-4.5" />
        </>
      )}
      {outcome === 'warn' && <path d="M0-13 13.5 11h-27ZM0-4V3M0 7V7.5" />}
      {outcome === 'fail' && <path d="M-12-12H12V12H-12ZM-5-5 5 5M5-5-5 5" />}
      {outcome === 'skip' && <path d="M-8 0H8" />}
      {outcome === undefined && <circle r="12" strokeDasharray="3 4" />}
    </svg>
  )
}
