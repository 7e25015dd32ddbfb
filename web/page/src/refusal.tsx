import { Button } from 'react-aria-components'
import { Close } from './icons.tsx'
import type { Refusal } from './room.ts'
import { useWords } from './settings.tsx'
import { problemText } from './trouble.tsx'
import { useWay } from './way.ts'

/** A verb that was refused, beside what it was meant for. The space is there before, so it is spoken. */
export function Refused({
  refusal,
  onForgive,
}: {
  refusal: Refusal | undefined
  onForgive: () => void
}) {
  const words = useWords()
  const { config } = useWay()
  const said = refusal && problemText(words, refusal.problem, config, false)
  return (
    <div className="refused-place" role="alert">
      {refusal && said && (
        <div className="refused">
          <p>
            {words.room.refused(words.room.verbs[refusal.verb])} {said.what}
            {said.fix !== undefined && <span className="why-fix"> {said.fix}</span>}
          </p>
          <Button className="icon-button" aria-label={words.room.dismiss} onPress={onForgive}>
            <Close />
          </Button>
        </div>
      )}
    </div>
  )
}
