import { tab } from './storage.ts'

const KEY = 'magi.token'

/** The token a `--trust token` server asks for: kept as long as the tab, never in an address. */
export const token = {
  read: (): string | undefined => tab.read(KEY),
  write: (value: string): void => tab.write(KEY, value),
}

/** The header that carries it. */
export function authorization(): Record<string, string> {
  const value = token.read()
  return value === undefined ? {} : { authorization: `Bearer ${value}` }
}
