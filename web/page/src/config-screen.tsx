import { Button } from 'react-aria-components'
import type { ConfigFault } from './config.ts'
import { Header } from './header.tsx'
import { useWords } from './settings.tsx'

/** A way that cannot be understood is not guessed: the page says which field is wrong, and stops. */
export function ConfigScreen({ fault }: { fault: ConfigFault }) {
  const { config: words, problem } = useWords()
  const reload = (): void => window.location.reload()
  return (
    <>
      <Header onHome={reload} />
      <main className="home token">
        <h1>{words.title}</h1>
        <div className="alert-box" role="alert">
          <div className="why">
            <p>{words.fault(fault)}</p>
            <p className="why-fix">{words.fix}</p>
          </div>
          <Button className="button" onPress={reload}>
            {problem.reload}
          </Button>
        </div>
      </main>
    </>
  )
}
