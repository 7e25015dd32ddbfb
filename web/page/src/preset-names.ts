import { useMemo } from 'react'
import { useAsked } from './use-asked.ts'
import { presetTitle } from './preset-title.ts'
import { useTexts } from './texts.ts'
import { useWay } from './way.ts'
import { useSettings } from './settings.tsx'
import { HISTORY } from './words-history.ts'

/** What a preset is called where one is chosen; its own name until that is known, or where it has no title. */
export function usePresetNames(): (name: string) => string {
  const { door } = useWay()
  const { lang } = useSettings()
  const { custom } = useTexts(HISTORY)
  const asked = useAsked(() => door.presets())
  return useMemo(() => {
    const presets = asked.state === 'there' ? asked.value : []
    return (name) => (name === 'custom' ? custom : presetTitle(presets, name, lang))
  }, [asked, lang, custom])
}
