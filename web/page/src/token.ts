import { tab } from './storage.ts'

const KEY = 'magi.token'

/** The token a door asks for: kept as long as the tab, never in an address. */
export const token = {
  read: (): string | undefined => tab.read(KEY),
  write: (value: string): void => tab.write(KEY, value),
  forget: (): void => tab.write(KEY, undefined),
}
