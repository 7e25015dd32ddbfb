import { Button, Switch } from 'react-aria-components'
import { hashOf } from './route.ts'
import { Sheet } from './sheet.tsx'
import { Segments } from './segments.tsx'
import { useSettings, useWords, type SendKey, type Theme } from './settings.tsx'
import { token } from './token.ts'
import { hostOf, useWayIfAny } from './way.ts'
import type { Lang } from './words.ts'

/** The choices of the person; each holds at once and is remembered in this browser. */
export function SettingsDialog({ onClose }: { onClose: () => void }) {
  const words = useWords()
  const { settings: texts } = words.room
  const all = useSettings()
  return (
    <Sheet title={texts.title} onClose={onClose}>
      <div className="sheet-form settings">
        <Segments<Theme>
          label={words.theme.label}
          shown
          value={all.theme}
          options={(['auto', 'light', 'dark'] as const).map((id) => ({
            id,
            label: words.theme[id],
          }))}
          onChange={all.setTheme}
        />
        <Segments<Lang>
          label={words.pageLanguage}
          shown
          value={all.lang}
          options={[
            { id: 'ja', label: <span lang="ja">日本語</span> },
            { id: 'en', label: <span lang="en">English</span> },
          ]}
          onChange={all.setLang}
        />
        <Segments<SendKey>
          label={texts.send}
          shown
          value={all.sendKey}
          options={(['enter', 'mod'] as const).map((id) => ({ id, label: texts.sends[id] }))}
          onChange={all.setSendKey}
        />
        <OnOff label={texts.keys} note={texts.keysNote} on={all.shortcuts} set={all.setShortcuts} />
        <OnOff
          label={texts.figures}
          note={texts.figuresNote}
          on={all.figures}
          set={all.setFigures}
        />
        <p className="muted settings-note">{texts.kept}</p>
        <Endpoint onLeave={onClose} />
      </div>
    </Sheet>
  )
}

/** Where the page asks and how it is let in: the deployer's choice, so it is shown; a token can be taken back. */
function Endpoint({ onLeave }: { onLeave: () => void }) {
  const words = useWords()
  const { settings: texts } = words.room
  const config = useWayIfAny()?.config
  if (!config) return null
  const forget = (): void => {
    token.forget()
    // Every reader in this tab was let in by it.
    window.location.reload()
  }
  return (
    <section className="settings-way" aria-label={words.door.label}>
      <p>
        {words.door.label}: <strong>{words.door.name(config, hostOf(config))}</strong>
      </p>
      <p className="muted">{config.base === '' ? texts.ownServer : texts.byConfig}</p>
      <div className="settings-way-row">
        <a href={hashOf({ name: 'connection' })} onClick={onLeave}>
          {texts.check}
        </a>
        {token.read() !== undefined && (
          <Button className="button" onPress={forget}>
            {texts.forget}
          </Button>
        )}
      </div>
    </section>
  )
}

interface OnOffProps {
  label: string
  note: string
  on: boolean
  set: (on: boolean) => void
}

function OnOff({ label, note, on, set }: OnOffProps) {
  return (
    <div className="onoff">
      <Switch className="switch" isSelected={on} onChange={set}>
        <span className="switch-track" aria-hidden="true" />
        {label}
      </Switch>
      <p className="muted">{note}</p>
    </div>
  )
}
