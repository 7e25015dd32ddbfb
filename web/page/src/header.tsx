import { Button, ToggleButton, ToggleButtonGroup } from 'react-aria-components'
import { Halves, Moon, Sun } from './icons.tsx'
import { hashOf, type Route } from './route.ts'
import { useSettings, useWords, type Theme } from './settings.tsx'
import { MARK } from './shapes.tsx'
import { Tools } from './tools.tsx'
import { useWay } from './way.ts'
import type { Lang } from './words.ts'

/** Where the header leads, and the screens that lie under each. */
const PLACES: readonly { name: 'history' | 'presets' | 'connection'; holds: readonly string[] }[] =
  [
    { name: 'history', holds: ['history', 'compare', 'deliberation', 'trace'] },
    { name: 'presets', holds: ['presets', 'preset'] },
    { name: 'connection', holds: ['connection'] },
  ]

/** The ways to the other screens; the one we are in is marked. */
function Places({ at, onHome }: { at: Route['name']; onHome: () => void }) {
  const { nav: words } = useWords()
  const { door } = useWay()
  // A door of one address keeps no presets.
  const places = PLACES.filter(({ name }) => name !== 'presets' || door.kind === 'server')
  const current = (there: boolean) => (there ? ('page' as const) : undefined)
  return (
    <nav className="places" aria-label={words.label}>
      <a
        href="#/"
        aria-current={current(at === 'home')}
        onClick={(event) => {
          event.preventDefault()
          onHome()
        }}
      >
        {words.ask}
      </a>
      {places.map(({ name, holds }) => (
        <a key={name} href={hashOf({ name })} aria-current={current(holds.includes(at))}>
          {words[name]}
        </a>
      ))}
    </nav>
  )
}

/** The top of every screen: the way home, the other screens, the page's language, its appearance. */
export function Header({ onHome, at }: { onHome: () => void; at?: Route['name'] }) {
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
      {at === undefined ? (
        <p className="tagline">{words.tagline}</p>
      ) : (
        <Places at={at} onHome={onHome} />
      )}
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
