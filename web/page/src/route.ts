import { useSyncExternalStore } from 'react'

/** What the address names. The hash works on any static host. */
export type Route =
  | { name: 'home' | 'history' | 'presets' | 'connection' }
  | { name: 'deliberation' | 'trace'; id: string }
  | { name: 'compare'; left: string; right: string }
  | { name: 'preset'; preset: string }

const ID = /^[0-9A-Za-z]{1,64}$/
const PRESET = /^[a-z0-9-]{1,64}$/
const PLAIN: Readonly<Record<string, 'history' | 'presets' | 'connection'>> = {
  history: 'history',
  presets: 'presets',
  connection: 'connection',
}

/** Reads an address; whatever is not understood is the start page. */
export function parse(hash: string): Route {
  const [first = '', second = '', third, ...more] = hash.replace(/^#\/?/, '').split('/')
  const plain = PLAIN[first]
  if (plain !== undefined && second === '') return { name: plain }
  if (more.length > 0) return { name: 'home' }
  if (first === 'presets' && third === undefined && PRESET.test(second))
    return { name: 'preset', preset: second }
  if (first === 'd' && ID.test(second)) {
    if (third === undefined || third === '') return { name: 'deliberation', id: second }
    if (third === 'trace') return { name: 'trace', id: second }
  }
  if (first === 'compare' && ID.test(second) && third !== undefined && ID.test(third))
    return { name: 'compare', left: second, right: third }
  return { name: 'home' }
}

export function hashOf(route: Route): string {
  switch (route.name) {
    case 'home':
      return '#/'
    case 'deliberation':
      return `#/d/${route.id}`
    case 'trace':
      return `#/d/${route.id}/trace`
    case 'compare':
      return `#/compare/${route.left}/${route.right}`
    case 'preset':
      return `#/presets/${route.preset}`
    default:
      return `#/${route.name}`
  }
}

export function go(route: Route): void {
  if (window.location.hash !== hashOf(route)) window.location.hash = hashOf(route)
}

const subscribe = (call: () => void): (() => void) => {
  window.addEventListener('hashchange', call)
  return () => window.removeEventListener('hashchange', call)
}

export function useRoute(): Route {
  return parse(useSyncExternalStore(subscribe, () => window.location.hash))
}
