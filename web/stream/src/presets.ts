/** A preset as a server tells it, and as a person writes it. */
import type { Agent } from './contract.ts'

/** A text in one or both languages. */
export interface BothTexts {
  ja?: string
  en?: string
}

/** One member's part, as far as it is other than in the base. */
export interface RoleDraft {
  prompt?: string
  model?: string
  /** In this order; empty for none. */
  fallbacks?: string[]
  /** The judge's alone: the models that judge together where all of its own have failed; empty for none. */
  panel?: string[]
  temperature?: number
  top_p?: number
  max_tokens?: number
  enabled?: boolean
  [more: string]: unknown
}

/** What is other than in the base, in the form of a question's `council`. */
export interface CouncilDraft {
  rule?: string
  quorum?: number
  late?: string
  roles?: Partial<Record<Agent, RoleDraft>>
  /** Seconds, by name. */
  deadlines?: Record<string, number>
  budget?: { usd?: number; tokens?: number }
  [more: string]: unknown
}

/** A preset as a person writes it. */
export interface PresetDraft {
  title?: BothTexts
  good_for?: BothTexts
  bad_at?: BothTexts
  /** The built-in preset that everything comes from which is not said here. */
  base?: string
  council?: CouncilDraft
  if_version?: number
}

/** One member's part as a preset gives it. */
export interface RoleWhole {
  prompt: BothTexts
  is_inherited: boolean
  model?: string
  fallbacks?: string[]
  temperature?: number
  top_p?: number
  max_tokens?: number
  enabled: boolean
}

/** A preset as a whole, in one version. */
export interface PresetWhole {
  name: string
  version: number
  builtin: boolean
  deleted: boolean
  saved_at?: string
  title: BothTexts
  good_for: BothTexts
  bad_at: BothTexts
  base: string
  rule: string
  quorum: number
  /** How many deliberations that are kept used it. */
  used: number
  council: CouncilDraft
  /** What comes of it before the settings' own changes. */
  effective: {
    rule: string
    quorum: number
    late: string
    roles: Partial<Record<Agent, RoleWhole>>
    deadlines: Record<string, number>
    budget: { usd?: number; tokens?: number }
  }
  /** How a sage and the judge must answer; it cannot be changed. */
  vote_format: BothTexts
  verdict_format: BothTexts
  versions: { version: number; saved_at?: string }[]
}
