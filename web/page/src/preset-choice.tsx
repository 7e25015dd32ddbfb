import type { Preset } from '@magi/stream'
import { Segments } from './segments.tsx'
import { useWords } from './settings.tsx'

/** Which council is asked: what it is good for, and what it is bad at. */
export function PresetChoice({
  presets,
  value,
  onChange,
}: {
  presets: readonly Preset[]
  value: string
  onChange: (name: string) => void
}) {
  const { code, room: words } = useWords()
  const chosen = presets.find((preset) => preset.name === value)
  if (presets.length < 2 || !chosen) return null
  return (
    <div className="preset-choice">
      <Segments
        label={words.preset.label}
        shown
        value={value}
        options={presets.map(({ name, title }) => ({ id: name, label: title[code] ?? name }))}
        onChange={onChange}
      />
      <p className="preset-about" aria-live="off">
        {chosen.good_for[code]}{' '}
        {chosen.bad_at[code] && (
          <span className="preset-bad">
            <strong>{words.preset.badAt}</strong> {chosen.bad_at[code]}
          </span>
        )}
      </p>
    </div>
  )
}
