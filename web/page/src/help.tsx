import { Sheet } from './sheet.tsx'
import { useSettings, useWords } from './settings.tsx'
import { KEYS, type Shortcut } from './shortcuts.ts'

/** The keyboard map. */
export function HelpDialog({ onClose }: { onClose: () => void }) {
  const { help } = useWords().room
  const { shortcuts, sendKey } = useSettings()
  return (
    <Sheet title={help.title} onClose={onClose}>
      {!shortcuts && <p className="notice">{help.off}</p>}
      <dl className="keymap">
        <div>
          <dt>
            <Cap of={sendKey === 'enter' ? 'Enter' : 'Ctrl / ⌘ + Enter'} />
          </dt>
          <dd>{help.send}</dd>
        </div>
        {KEYS.map((key) => (
          <div key={key}>
            <dt>
              <Keys of={key} />
            </dt>
            <dd>{help.keys[key]}</dd>
          </div>
        ))}
      </dl>
      <p className="muted">{help.note}</p>
    </Sheet>
  )
}

const Cap = ({ of }: { of: string }) => <kbd>{of}</kbd>

function Keys({ of }: { of: Shortcut }) {
  const { help } = useWords().room
  const [first = '', second] = of.split(' ')
  return (
    <>
      <Cap of={first === 'Escape' ? 'Esc' : first} />
      {second !== undefined && (
        <>
          {' '}
          {help.then} <Cap of={second} />
        </>
      )}
    </>
  )
}
