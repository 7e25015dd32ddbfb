import { useId, type ReactNode } from 'react'
import { ToggleButton, ToggleButtonGroup } from 'react-aria-components'

interface SegmentsProps<T extends string> {
  label: string
  /** The label stands before it in sight; else it is for screen readers alone. */
  shown?: boolean
  value: T
  options: readonly { id: T; label: ReactNode; name?: string }[]
  onChange: (value: T) => void
}

/** One choice of a few, all in sight. */
export function Segments<T extends string>(props: SegmentsProps<T>) {
  const { label, shown = false, value, options, onChange } = props
  const id = useId()
  return (
    <div className="segments-row">
      <span id={id} className={shown ? 'field-label' : 'visually-hidden'}>
        {label}
      </span>
      <ToggleButtonGroup
        className="segments"
        aria-labelledby={id}
        selectionMode="single"
        disallowEmptySelection
        selectedKeys={[value]}
        onSelectionChange={(keys) => onChange([...keys][0] as T)}
      >
        {options.map((option) => (
          <ToggleButton
            key={option.id}
            id={option.id}
            {...(option.name === undefined ? {} : { 'aria-label': option.name })}
          >
            {option.label}
          </ToggleButton>
        ))}
      </ToggleButtonGroup>
    </div>
  )
}
