import type { Preset } from '@magi/stream'
import type { Lang } from './words.ts'

/** What a preset is called where one is chosen; its own name where it is not known, or has no title. */
export const presetTitle = (presets: readonly Preset[], name: string, lang: Lang): string =>
  presets.find((preset) => preset.name === name)?.title[lang] || name
