import { createContext, use, useEffect, useMemo, useState, type ReactNode } from 'react'
import { kept } from './storage.ts'
import { en } from './words.en.ts'
import { ja } from './words.ja.ts'
import type { Lang, Words } from './words.ts'

export type Theme = 'auto' | 'dark' | 'light'

interface Settings {
  lang: Lang
  setLang: (lang: Lang) => void
  theme: Theme
  setTheme: (theme: Theme) => void
}

const Context = createContext<Settings | undefined>(undefined)

const browserLang = (): Lang =>
  (navigator.languages ?? [navigator.language])
    .find((one) => /^(ja|en)\b/.test(one))
    ?.startsWith('ja')
    ? 'ja'
    : 'en'

const isTheme = (value: string | undefined): value is Theme =>
  value === 'auto' || value === 'dark' || value === 'light'

/** Holds language and appearance; the browser's are the default, a choice is remembered. */
export function SettingsProvider({ children }: { children: ReactNode }) {
  const [lang, setLang] = useState<Lang>(() => {
    const saved = kept.read('magi.lang')
    return saved === 'ja' || saved === 'en' ? saved : browserLang()
  })
  const [theme, setTheme] = useState<Theme>(() => {
    const saved = kept.read('magi.theme')
    return isTheme(saved) ? saved : 'auto'
  })
  useEffect(() => {
    document.documentElement.lang = lang
  }, [lang])
  useEffect(() => {
    if (theme === 'auto') delete document.documentElement.dataset['theme']
    else document.documentElement.dataset['theme'] = theme
  }, [theme])
  const settings = useMemo<Settings>(
    () => ({
      lang,
      theme,
      setLang: (next) => {
        kept.write('magi.lang', next)
        setLang(next)
      },
      setTheme: (next) => {
        kept.write('magi.theme', next === 'auto' ? undefined : next)
        setTheme(next)
      },
    }),
    [lang, theme],
  )
  return <Context value={settings}>{children}</Context>
}

export function useSettings(): Settings {
  const settings = use(Context)
  if (!settings) throw new Error('useSettings stands outside SettingsProvider')
  return settings
}

export const useWords = (): Words => (useSettings().lang === 'ja' ? ja : en)
