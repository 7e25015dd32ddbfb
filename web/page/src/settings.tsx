import {
  createContext,
  use,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
  type ReactNode,
} from 'react'
import { kept } from './storage.ts'
import { fetchWords, wordsOf } from './words-here.ts'
import type { Lang, Words } from './words.ts'

export type Theme = 'auto' | 'dark' | 'light'
/** What sends a text: Enter alone, or Enter with Ctrl or Cmd. */
export type SendKey = 'enter' | 'mod'

interface Settings {
  lang: Lang
  /** Takes hold as soon as its texts are here. */
  setLang: (lang: Lang) => void
  /** The texts of the language that was chosen could not be fetched. */
  langFailed: boolean
  theme: Theme
  setTheme: (theme: Theme) => void
  sendKey: SendKey
  setSendKey: (key: SendKey) => void
  /** Single keys do things outside of texts. */
  shortcuts: boolean
  setShortcuts: (on: boolean) => void
  /** The lanes show their numbers. */
  figures: boolean
  setFigures: (on: boolean) => void
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

/** One of two values that is remembered; the first is the default. */
function useKept<T extends string>(key: string, first: T, second: T): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => (kept.read(key) === second ? second : first))
  const set = useCallback(
    (next: T): void => {
      kept.write(key, next === first ? undefined : next)
      setValue(next)
    },
    [key, first],
  )
  return [value, set]
}

/** The language the page begins in, whose texts must be fetched before anything is drawn. */
export function firstLang(): Lang {
  const saved = kept.read('magi.lang')
  return saved === 'ja' || saved === 'en' ? saved : browserLang()
}

/** The language, and the way to another one: its texts come first. */
function useLang(): Pick<Settings, 'lang' | 'setLang' | 'langFailed'> {
  const [lang, hold] = useState<Lang>(firstLang)
  const [langFailed, setFailed] = useState(false)
  const wanted = useRef(lang)
  const setLang = useCallback((next: Lang): void => {
    wanted.current = next
    setFailed(false)
    fetchWords(next).then(
      () => {
        if (wanted.current !== next) return
        kept.write('magi.lang', next)
        hold(next)
      },
      () => wanted.current === next && setFailed(true),
    )
  }, [])
  return { lang, setLang, langFailed }
}

/** Holds language and appearance; the browser's are the default, a choice is remembered. */
export function SettingsProvider({ children }: { children: ReactNode }) {
  const { lang, setLang, langFailed } = useLang()
  const [theme, setTheme] = useState<Theme>(() => {
    const saved = kept.read('magi.theme')
    return isTheme(saved) ? saved : 'auto'
  })
  const [sendKey, setSendKey] = useKept<SendKey>('magi.send', 'enter', 'mod')
  const [keys, setKeys] = useKept('magi.keys', 'on', 'off')
  const [numbers, setNumbers] = useKept('magi.figures', 'on', 'off')
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
      setLang,
      langFailed,
      setTheme: (next) => {
        kept.write('magi.theme', next === 'auto' ? undefined : next)
        setTheme(next)
      },
      sendKey,
      setSendKey,
      shortcuts: keys === 'on',
      setShortcuts: (on) => setKeys(on ? 'on' : 'off'),
      figures: numbers === 'on',
      setFigures: (on) => setNumbers(on ? 'on' : 'off'),
    }),
    [lang, setLang, langFailed, theme, sendKey, setSendKey, keys, setKeys, numbers, setNumbers],
  )
  return <Context value={settings}>{children}</Context>
}

export function useSettings(): Settings {
  const settings = use(Context)
  if (!settings) throw new Error('useSettings stands outside SettingsProvider')
  return settings
}

export const useWords = (): Words => wordsOf(useSettings().lang)
