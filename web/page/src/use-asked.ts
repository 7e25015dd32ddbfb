import { useEffect, useState } from 'react'

/** What was asked of the server: not yet, the answer, or that it failed. */
export type Asked<T> = { state: 'asking' } | { state: 'there'; value: T } | { state: 'failed' }

/** Asks once, when the screen is shown. */
export function useAsked<T>(ask: () => Promise<T>): Asked<T> {
  const [asked, setAsked] = useState<Asked<T>>({ state: 'asking' })
  useEffect(() => {
    let here = true
    ask().then(
      (value) => here && setAsked({ state: 'there', value }),
      () => here && setAsked({ state: 'failed' }),
    )
    return () => {
      here = false
    }
  }, [])
  return asked
}
