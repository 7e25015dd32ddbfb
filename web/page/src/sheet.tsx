import { useEffect, useId, useRef, type ReactNode } from 'react'
import { Button } from 'react-aria-components'
import { Close } from './icons.tsx'
import { useWords } from './settings.tsx'

interface SheetProps {
  title: string
  onClose: () => void
  children: ReactNode
}

/**
 * A dialog over the page: the browser's own, which keeps the focus inside, gives it back afterwards, and
 * closes with Esc. It is on the screen while it is rendered.
 */
export function Sheet({ title, onClose, children }: SheetProps) {
  const { room: words } = useWords()
  const ref = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const dialog = ref.current
    if (!dialog) return undefined
    const before = document.activeElement
    if (!dialog.open) dialog.showModal()
    return () => {
      dialog.close()
      if (before instanceof HTMLElement && before.isConnected) before.focus()
    }
  }, [])
  return (
    <dialog
      ref={ref}
      className="sheet"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      onClick={(event) => {
        // The dialog itself is only ever hit beside its content, on what is behind it.
        if (event.target === event.currentTarget) onClose()
      }}
    >
      <div className="sheet-body">
        <div className="sheet-head">
          <h2 id={id}>{title}</h2>
          <Button className="icon-button" aria-label={words.close} onPress={onClose}>
            <Close />
          </Button>
        </div>
        {children}
      </div>
    </dialog>
  )
}
