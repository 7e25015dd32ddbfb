import { useState } from 'react'
import { Button } from 'react-aria-components'
import { HelpDialog } from './help.tsx'
import { Gear, Help } from './icons.tsx'
import { SettingsDialog } from './settings-dialog.tsx'
import { useWords } from './settings.tsx'
import { useShortcut } from './shortcuts.ts'

/** Help and settings, at the end of the header. */
export function Tools() {
  const { room: words } = useWords()
  const [open, setOpen] = useState<'help' | 'settings'>()
  const close = (): void => setOpen(undefined)
  useShortcut('?', () => setOpen('help'))
  useShortcut(',', () => setOpen('settings'))
  return (
    <div className="tools">
      <Button
        className="icon-button"
        aria-label={words.help.title}
        aria-haspopup="dialog"
        onPress={() => setOpen('help')}
      >
        <Help />
      </Button>
      <Button
        className="icon-button"
        aria-label={words.settings.title}
        aria-haspopup="dialog"
        onPress={() => setOpen('settings')}
      >
        <Gear />
      </Button>
      {open === 'help' && <HelpDialog onClose={close} />}
      {open === 'settings' && <SettingsDialog onClose={close} />}
    </div>
  )
}
