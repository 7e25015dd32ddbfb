/** The texts of the page in the language that is read; the other one comes when it is chosen. */
import type { Lang, Words } from './words.ts'

const FETCH: Readonly<Record<Lang, () => Promise<Words>>> = {
  en: async () => (await import('./words.en.ts')).en,
  ja: async () => (await import('./words.ja.ts')).ja,
}

const here: Partial<Record<Lang, Words>> = {}

/** Fetches the texts of a language, once. */
export async function fetchWords(lang: Lang): Promise<void> {
  here[lang] ??= await FETCH[lang]()
}

/** The texts of a language that was fetched. */
export function wordsOf(lang: Lang): Words {
  const words = here[lang]
  if (!words) throw new Error(`the texts in ${lang} were not fetched`)
  return words
}
