import { useTexts } from './texts.ts'
import { Sheet } from './sheet.tsx'
import { useSettings, useWords } from './settings.tsx'
import { KEYS, type Shortcut } from './shortcuts.ts'
import './styles/help.css'
import { GUIDE } from './words-guide.ts'

/** How a question becomes a verdict, in short, and the keyboard map. It needs no network. */
export function HelpDialog({ onClose }: { onClose: () => void }) {
  const { help } = useWords().room
  const { shortcuts, sendKey } = useSettings()
  return (
    <Sheet title={help.title} onClose={onClose}>
      <div className="help">
        <Guide />
        <h3>{help.keyboard}</h3>
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
      </div>
    </Sheet>
  )
}

function Guide() {
  const texts = useTexts(GUIDE)
  return (
    <section className="guide" aria-labelledby="guide-title">
      <h3 id="guide-title">{texts.title}</h3>
      <dl>
        {texts.steps.map(({ name, text }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <p className="muted">{texts.more}</p>
    </section>
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
