import { Problem, type PresetWhole } from '@magi/stream'
import { useState, type FormEvent } from 'react'
import { Button } from 'react-aria-components'
import { draftOf, faultsOf, type PresetForm } from './preset-draft.ts'
import {
  AboutPart,
  DecidePart,
  FormatPart,
  RolesPart,
  SpendPart,
  TimePart,
  type Editing,
} from './preset-parts.tsx'
import { useTexts } from './texts.ts'
import { PRESETS } from './words-presets.ts'

interface EditorProps {
  form: PresetForm
  /** What comes of it now, or of its base: what stands where a field is empty. */
  whole: PresetWhole | undefined
  bases: readonly string[]
  isNew: boolean
  readOnly: boolean
  onForm: (form: PresetForm) => void
  /** Rejects with a problem that names the field. */
  onSave: () => Promise<void>
  onCancel: (() => void) | undefined
}

/** A preset field by field: to be read, or to be written. */
export function PresetEditor(props: EditorProps) {
  const { form, whole, bases, isNew, readOnly, onForm, onCancel } = props
  const { fault, problem, saving, save } = useSaving(props)
  const editing: Editing = {
    form,
    whole,
    readOnly,
    fault,
    set: (change) => onForm({ ...form, ...change }),
  }
  return (
    <form className="preset-form" noValidate onSubmit={(event) => void save(event)}>
      <AboutPart editing={editing} bases={bases} isNew={isNew} />
      <DecidePart editing={editing} />
      <RolesPart editing={editing} />
      <TimePart editing={editing} />
      <SpendPart editing={editing} />
      {whole && <FormatPart whole={whole} />}
      {!readOnly && <SaveRow problem={problem} saving={saving} onCancel={onCancel} />}
    </form>
  )
}

/** Saves the form, and knows what is wrong with its fields: what was seen here, or what the server said. */
function useSaving({ form, onSave }: EditorProps) {
  const texts = useTexts(PRESETS)
  const [problem, setProblem] = useState<Problem>()
  const [tried, setTried] = useState(false)
  const [saving, setSaving] = useState(false)
  const faults = tried ? faultsOf(form) : {}
  const fault = (path: string): string | undefined => {
    const mine = faults[path]
    if (mine) return texts.faults[mine]
    return problem?.field === path ? problem.message : undefined
  }
  const save = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    setTried(true)
    setProblem(undefined)
    if (Object.keys(faultsOf(form)).length > 0 || saving) return
    setSaving(true)
    try {
      await onSave()
    } catch (error) {
      setProblem(
        error instanceof Problem ? error : new Problem({ status: 0, message: String(error) }),
      )
    } finally {
      setSaving(false)
    }
  }
  return { fault, problem, saving, save }
}

interface SaveRowProps {
  problem: Problem | undefined
  saving: boolean
  onCancel: (() => void) | undefined
}

function SaveRow({ problem, saving, onCancel }: SaveRowProps) {
  const texts = useTexts(PRESETS)
  return (
    <div className="preset-save">
      <p role="alert" className="field-error">
        {problem && texts.refused(whyOf(problem))}
      </p>
      {onCancel && (
        <Button className="button" onPress={onCancel}>
          {texts.cancel}
        </Button>
      )}
      <Button type="submit" className="convene" isDisabled={saving}>
        {texts.save}
      </Button>
    </div>
  )
}

/** What was refused: the field, or what can be done. */
function whyOf({ field, message, fix }: Problem): string {
  if (field !== undefined) return `${field}: ${message}`
  return fix ? `${message} (${fix})` : message
}

/** What is saved of a form. */
export const bodyOf = (form: PresetForm, version: number) => ({
  ...draftOf(form),
  if_version: version,
})
