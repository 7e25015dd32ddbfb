import { useSettings } from './settings.tsx'
import type { Lang } from './words.ts'

/** The texts of one screen in both languages; they come with the screen, not with the first one. */
export type Texts<T> = Readonly<Record<Lang, T>>

export const useTexts = <T>(of: Texts<T>): T => of[useSettings().lang]
