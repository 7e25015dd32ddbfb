/** Storage that may be refused (private windows, policies): then a choice lasts until the reload. */
function guarded(store: () => Storage) {
  return {
    read(key: string): string | undefined {
      try {
        return store().getItem(key) ?? undefined
      } catch {
        return undefined
      }
    },
    write(key: string, value: string | undefined): void {
      try {
        if (value === undefined) store().removeItem(key)
        else store().setItem(key, value)
      } catch {
        // Nothing to do: the page works without it.
      }
    },
  }
}

/** Lasts: the choices of the person. */
export const kept = guarded(() => window.localStorage)
/** Lasts as long as the tab: a question whose deliberation has no id yet. */
export const tab = guarded(() => window.sessionStorage)
