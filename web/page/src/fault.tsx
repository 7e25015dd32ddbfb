import { Component, type ReactNode } from 'react'
import { Button } from 'react-aria-components'
import { useWords } from './settings.tsx'

/** Shows a fault of the page itself instead of an empty screen. The deliberation is not touched by it. */
export class Fault extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: undefined }

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error }
  }

  override render(): ReactNode {
    const { error } = this.state
    return error === undefined ? this.props.children : <Broken error={error} />
  }
}

function Broken({ error }: { error: unknown }) {
  const { problem: words } = useWords()
  return (
    <main className="deliberation">
      <div className="alert-box" role="alert">
        <p>{words.page(error instanceof Error ? error.message : String(error))}</p>
        <Button className="button" onPress={() => window.location.reload()}>
          {words.reload}
        </Button>
      </div>
    </main>
  )
}
