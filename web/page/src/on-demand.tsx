import { lazy, useState, type ComponentType } from 'react'

/** A part of the page whose code comes when it is wanted. */
export interface OnDemand<P extends object> {
  /** Fetches the code. It comes once; a failure is told, and may be tried again. */
  load: () => Promise<void>
  /** Draws it: at once where the code is here, else the nearest `Suspense` waits for it. */
  Part: ComponentType<P>
}

/**
 * `lazy` alone shows its wait for a moment even where the code has come long before. What was loaded
 * beforehand, because somebody is about to want it, is drawn at once.
 */
export function onDemand<P extends object>(fetch: () => Promise<ComponentType<P>>): OnDemand<P> {
  let here: ComponentType<P> | undefined
  const load = async (): Promise<void> => {
    here ??= await fetch()
  }
  const Later = lazy(async () => ({ default: (here ??= await fetch()) }))
  function Part(props: P) {
    // What was begun goes on as it began, whenever the code comes.
    const [Now] = useState(() => here ?? Later)
    return <Now {...props} />
  }
  return { load, Part }
}

/** Fetches what is about to be wanted; should that fail, the want itself will say so. */
export const soon = (part: Pick<OnDemand<never>, 'load'>): void => void part.load().catch(() => {})
