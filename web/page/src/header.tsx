import { Button, ToggleButton, ToggleButtonGroup } from 'react-aria-components'
import { Halves, Moon, Sun } from './icons.tsx'
import { useSettings, useWords, type Theme } from './settings.tsx'
import { MARK } from './shapes.tsx'
import { Tools } from './tools.tsx'
import type { Lang } from './words.ts'

/** The top of every screen: the way home, the page's language, its appearance. */
export function Header({ onHome }: { onHome: () => void }) {
  const words = useWords()
  const { lang, setLang, theme, setTheme } = useSettings()
  return (
    <header className="top">
      <Button className="brand" aria-label={words.home} onPress={onHome}>
        <svg viewBox="-16 -16 32 32" aria-hidden="true">
          <circle r="14.5" />
          <path d={MARK.solomon} transform="scale(.72)" />
        </svg>
        <span>MAGI</span>
      </Button>
      <p className="tagline">{words.tagline}</p>
      <ToggleButtonGroup
        className="segments"
        aria-label={words.pageLanguage}
        selectionMode="single"
        disallowEmptySelection
        selectedKeys={[lang]}
        onSelectionChange={(keys) => setLang([...keys][0] as Lang)}
      >
        <ToggleButton id="ja">
          <span lang="ja">日本語</span>
        </ToggleButton>
        <ToggleButton id="en">
          <span lang="en">English</span>
        </ToggleButton>
      </ToggleButtonGroup>
      <ToggleButtonGroup
        className="segments"
        aria-label={words.theme.label}
        selectionMode="single"
        disallowEmptySelection
        selectedKeys={[theme]}
        onSelectionChange={(keys) => setTheme([...keys][0] as Theme)}
      >
        <ToggleButton id="auto" aria-label={words.theme.auto}>
          <Halves />
        </ToggleButton>
        <ToggleButton id="light" aria-label={words.theme.light}>
          <Sun />
        </ToggleButton>
        <ToggleButton id="dark" aria-label={words.theme.dark}>
          <Moon />
        </ToggleButton>
      </ToggleButtonGroup>
      <Tools />
    </header>
  )
}
