import { useId } from 'react'
import { Input, Label, TextField } from 'react-aria-components'
import { useAbout } from './about.ts'
import { useWords } from './settings.tsx'

/** A model by its full name, with those that answer here to choose from. */
export function ModelField({
  value,
  onChange,
}: {
  value: string
  onChange: (model: string) => void
}) {
  const { room: words } = useWords()
  const { choices } = useAbout()
  const list = useId()
  return (
    <TextField className="field" value={value} onChange={onChange}>
      <Label className="field-label">{words.model}</Label>
      <Input
        className="line-input"
        list={list}
        placeholder={words.modelHint}
        autoComplete="off"
        spellCheck="false"
      />
      <datalist id={list}>
        {choices.map((choice) => (
          <option key={choice} value={choice} />
        ))}
      </datalist>
    </TextField>
  )
}
