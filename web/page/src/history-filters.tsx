import { useEffect, useId, useState, type ReactNode } from 'react'
import { Button, Input, Label, SearchField } from 'react-aria-components'
import { Close, Search } from './icons.tsx'
import type { Library } from './library.ts'
import { useWords } from './settings.tsx'
import { useTexts } from './texts.ts'
import { isFiltered, NO_FILTERS, type Filters } from './use-history.ts'
import { HISTORY } from './words-history.ts'
import { SEAL_WORDS } from './words.ts'

interface FiltersProps {
  library: Library
  filters: Filters
  onFilters: (filters: Filters) => void
  /** What a preset is called. */
  presetName: (name: string) => string
}

/** What is looked for: words, a verdict, a preset, days. */
export function HistoryFilters({ library, filters, onFilters, presetName }: FiltersProps) {
  const texts = useTexts(HISTORY)
  const { code } = useWords()
  const [presets, setPresets] = useState<readonly string[]>([])
  useEffect(() => {
    let here = true
    library.presets().then(
      (names) => here && setPresets(names),
      // Without their names the filter has those that are chosen; the list itself says what is wrong.
      () => {},
    )
    return () => {
      here = false
    }
  }, [library])
  const set = (change: Partial<Filters>): void => onFilters({ ...filters, ...change })
  const names = [...new Set([...presets, filters.preset].filter((name) => name !== ''))]
  return (
    <search className="filters">
      <SearchField className="search" value={filters.q} onChange={(q) => set({ q })}>
        <Label className="visually-hidden">{texts.search}</Label>
        <Search />
        <Input placeholder={texts.searchHint} enterKeyHint="search" />
        {filters.q !== '' && (
          <Button className="icon-button" aria-label={texts.clearSearch}>
            <Close />
          </Button>
        )}
      </SearchField>
      <Choose
        label={texts.verdict}
        value={filters.verdict}
        onChange={(verdict) => set({ verdict })}
      >
        <option value="">{texts.anyVerdict}</option>
        {(['APPROVED', 'REJECTED', 'UNDECIDED'] as const).map((one) => (
          <option key={one} value={one}>
            {code === 'ja' ? SEAL_WORDS[one].ja : SEAL_WORDS[one].en}
          </option>
        ))}
      </Choose>
      <Choose label={texts.preset} value={filters.preset} onChange={(preset) => set({ preset })}>
        <option value="">{texts.anyPreset}</option>
        {names.map((name) => (
          <option key={name} value={name}>
            {presetName(name)}
          </option>
        ))}
      </Choose>
      <Day label={texts.from} value={filters.from} onChange={(from) => set({ from })} />
      <Day label={texts.to} value={filters.to} onChange={(to) => set({ to })} />
      {isFiltered(filters) && (
        <Button className="link-button" onPress={() => onFilters(NO_FILTERS)}>
          {texts.clear}
        </Button>
      )}
    </search>
  )
}

/** The system's own list: it fits every device and every input method. */
function Choose({
  label,
  value,
  onChange,
  children,
}: {
  label: string
  value: string
  onChange: (value: string) => void
  children: ReactNode
}) {
  const id = useId()
  return (
    <span className="filter">
      <label className="visually-hidden" htmlFor={id}>
        {label}
      </label>
      <select
        id={id}
        value={value}
        data-set={value !== '' || undefined}
        onChange={(event) => onChange(event.target.value)}
      >
        {children}
      </select>
    </span>
  )
}

function Day({
  label,
  value,
  onChange,
}: {
  label: string
  value: string
  onChange: (value: string) => void
}) {
  const id = useId()
  return (
    <span className="filter filter-day">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type="date"
        value={value}
        data-set={value !== '' || undefined}
        onChange={(event) => onChange(event.target.value)}
      />
    </span>
  )
}
