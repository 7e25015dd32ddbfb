import { useId, type ReactNode } from 'react'

interface FieldProps {
  label: string
  value: string
  onChange: (value: string) => void
  /** What stands there when nothing is written. */
  empty?: string
  hint?: string
  fault?: string | undefined
  readOnly?: boolean
  /** More than one line. */
  lines?: number
  numeric?: boolean
  lang?: string
}

/** One field of the form: label, input, what it means, and what is wrong with it. */
export function Field(props: FieldProps) {
  const { label, value, onChange, empty = '', hint, fault, readOnly, lines, numeric, lang } = props
  const id = useId()
  const said = [hint ? `${id}-hint` : '', fault ? `${id}-fault` : ''].filter(Boolean).join(' ')
  const common = {
    id,
    value,
    placeholder: empty,
    readOnly,
    ...(lang ? { lang } : {}),
    ...(fault ? { 'aria-invalid': true } : {}),
    ...(said ? { 'aria-describedby': said } : {}),
  }
  return (
    <div className="input" data-invalid={fault ? true : undefined}>
      <label htmlFor={id}>{label}</label>
      {lines === undefined ? (
        <input
          {...common}
          {...(numeric ? { inputMode: 'decimal' as const } : {})}
          autoComplete="off"
          onChange={(event) => onChange(event.target.value)}
        />
      ) : (
        <textarea {...common} rows={lines} onChange={(event) => onChange(event.target.value)} />
      )}
      {hint && (
        <small id={`${id}-hint`} className="hint">
          {hint}
        </small>
      )}
      {fault && (
        <small id={`${id}-fault`} className="field-error" role="alert">
          {fault}
        </small>
      )}
    </div>
  )
}

interface ChooseProps {
  label: string
  value: string
  onChange: (value: string) => void
  readOnly?: boolean
  hint?: string
  fault?: string | undefined
  children: ReactNode
}

export function Choose({ label, value, onChange, readOnly, hint, fault, children }: ChooseProps) {
  const id = useId()
  return (
    <div className="input" data-invalid={fault ? true : undefined}>
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        value={value}
        disabled={readOnly}
        aria-describedby={hint ? `${id}-hint` : undefined}
        onChange={(event) => onChange(event.target.value)}
      >
        {children}
      </select>
      {hint && (
        <small id={`${id}-hint`} className="hint">
          {hint}
        </small>
      )}
      {fault && (
        <small className="field-error" role="alert">
          {fault}
        </small>
      )}
    </div>
  )
}
