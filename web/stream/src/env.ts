/** Everything this package takes from its surroundings, so that a test can hold all of it. */
export interface Env {
  fetch: (url: string, init: RequestInit) => Promise<Response>
  /** Milliseconds since the epoch. */
  now: () => number
  /** 0 (included) to 1 (excluded). */
  random: () => number
  /** Calls once after `ms`; the returned function cancels. */
  after: (ms: number, call: () => void) => () => void
  /** False while the machine knows it has no network, and the way needs one. */
  online: () => boolean
  /** Calls when the tab becomes visible or the network returns; the returned function unsubscribes. */
  onWake: (call: () => void) => () => void
  /** The origin of the page this runs in; undefined outside a browser. */
  origin: () => string | undefined
}

const onWake = (call: () => void): (() => void) => {
  if (typeof window === 'undefined') return () => {}
  const visible = (): void => {
    if (document.visibilityState === 'visible') call()
  }
  window.addEventListener('online', call)
  window.addEventListener('pageshow', call)
  document.addEventListener('visibilitychange', visible)
  return () => {
    window.removeEventListener('online', call)
    window.removeEventListener('pageshow', call)
    document.removeEventListener('visibilitychange', visible)
  }
}

/** True where the page comes from this machine itself, which no network is needed for. */
export const isLocal = (): boolean =>
  typeof location !== 'undefined' &&
  /^(127(\.\d+){3}|\[::1\]|([^.]+\.)*localhost)$/.test(location.hostname)

/** The real surroundings: a browser, or Node 20 and later. */
export const realEnv: Env = {
  fetch: (url, init) => fetch(url, init),
  now: () => Date.now(),
  random: () => Math.random(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms)
    return () => clearTimeout(timer)
  },
  online: () => typeof navigator === 'undefined' || navigator.onLine !== false || isLocal(),
  onWake,
  origin: () => (typeof location === 'undefined' ? undefined : location.origin),
}
