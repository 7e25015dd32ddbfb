import { useState } from 'react'
import { Gear, Help } from './icons.tsx'
import { onDemand, soon } from './on-demand.tsx'
import { useSettings, useWords } from './settings.tsx'
import { useShortcut } from './shortcuts.ts'
import { Sign } from './sign.tsx'

const DIALOGS = {
  help: onDemand(async () => (await import('./help.tsx')).HelpDialog),
  settings: onDemand(async () => (await import('./settings-dialog.tsx')).SettingsDialog),
}

/** Help and settings, at the end of the header. Their dialogs come when a hand is near. */
export function Tools() {
  const { room: words, problem } = useWords()
  const [open, setOpen] = useState<keyof typeof DIALOGS>()
  const { langFailed } = useSettings()
  const [failed, setFailed] = useState(false)
  const show = (name: keyof typeof DIALOGS): void => {
    setFailed(false)
    // First the code, then the dialog: until then the focus stays where it is, to come back there.
    DIALOGS[name].load().then(
      () => setOpen(name),
      () => setFailed(true),
    )
  }
  const button = (name: keyof typeof DIALOGS) => ({
    className: 'icon-button',
    'aria-label': words[name].title,
    'aria-haspopup': 'dialog' as const,
    onHoverStart: () => soon(DIALOGS[name]),
    onFocus: () => soon(DIALOGS[name]),
    onPress: () => show(name),
  })
  const Dialog = open && DIALOGS[open].Part
  useShortcut('?', () => show('help'))
  useShortcut(',', () => show('settings'))
  return (
    <div className="tools">
      <Sign {...button('help')}>
        <Help />
      </Sign>
      <Sign {...button('settings')}>
        <Gear />
      </Sign>
      {Dialog && <Dialog onClose={() => setOpen(undefined)} />}
      <span role="alert" className="tools-failed">
        {(failed || langFailed) && problem.unloaded}
      </span>
    </div>
  )
}
