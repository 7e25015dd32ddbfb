import { useSyncExternalStore } from 'react'

/** What the address names: the start page, or one deliberation. The hash works on any static host. */
export type Route = { name: 'home' } | { name: 'deliberation'; id: string }

export function parse(hash: string): Route {
  const id = /^#\/d\/([0-9A-Za-z]{1,64})$/.exec(hash)?.[1]
  return id === undefined ? { name: 'home' } : { name: 'deliberation', id }
}

export const hashOf = (route: Route): string => (route.name === 'home' ? '#/' : `#/d/${route.id}`)

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
