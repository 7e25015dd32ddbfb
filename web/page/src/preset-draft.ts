/** A preset while it is being written: every field as the text that stands in it, empty for "the base's". */
import type {
  Agent,
  BothTexts,
  CouncilDraft,
  PresetDraft,
  PresetWhole,
  RoleDraft,
} from '@magi/stream'

export const AGENTS: readonly Agent[] = ['caspar', 'balthasar', 'melchior', 'solomon']

export const DEADLINES = [
  'connect',
  'first_token',
  'idle',
  'sage_total',
  'judge_total',
  'late',
  'whole',
  'throttle_cap',
  'unwatched',
  'paused',
] as const

export type Deadline = (typeof DEADLINES)[number]

export interface RoleForm {
  prompt: string
  model: string
  /** Names, separated by commas; `none` where there are to be none. */
  fallbacks: string
  /** The same for the models that judge together in the judge's place; empty for a sage. */
  panel: string
  temperature: string
  top_p: string
  max_tokens: string
  /** Empty: as in the base. */
  enabled: '' | 'yes' | 'no'
  /** What this form has no field for, kept as it came. */
  more: Record<string, unknown>
}

export interface PresetForm {
  name: string
  title: Required<BothTexts>
  good_for: Required<BothTexts>
  bad_at: Required<BothTexts>
  base: string
  rule: string
  quorum: string
  late: string
  roles: Record<Agent, RoleForm>
  deadlines: Record<Deadline, string>
  usd: string
  tokens: string
  /** What this form has no field for, kept as it came. */
  more: CouncilDraft
}

const text = (value: unknown): string =>
  value === undefined || value === null ? '' : String(value)

const both = (texts: BothTexts | undefined): Required<BothTexts> => ({
  ja: texts?.ja ?? '',
  en: texts?.en ?? '',
})

/** The word for a list that is empty on purpose, as the settings have it. */
export const NONE = 'none'

/** A list of models in one field: what is absent is the base's, what is empty is none. */
const listed = (models: readonly string[] | undefined): string =>
  models?.length === 0 ? NONE : (models ?? []).join(', ')

function roleForm(role: RoleDraft = {}): RoleForm {
  const { prompt, model, fallbacks, panel, temperature, top_p, max_tokens, enabled, ...more } = role
  return {
    prompt: text(prompt),
    model: text(model),
    fallbacks: listed(fallbacks),
    panel: listed(panel),
    temperature: text(temperature),
    top_p: text(top_p),
    max_tokens: text(max_tokens),
    enabled: enabled === undefined ? '' : enabled ? 'yes' : 'no',
    more,
  }
}

/** Opens a draft for writing. */
export function formOf(name: string, draft: PresetDraft): PresetForm {
  const council = draft.council ?? {}
  const { rule, quorum, late, roles = {}, deadlines = {}, budget = {}, ...more } = council
  const each = <K extends string, V>(keys: readonly K[], of: (key: K) => V) =>
    Object.fromEntries(keys.map((key) => [key, of(key)])) as Record<K, V>
  return {
    name,
    title: both(draft.title),
    good_for: both(draft.good_for),
    bad_at: both(draft.bad_at),
    base: draft.base ?? 'default',
    rule: text(rule),
    quorum: text(quorum),
    late: text(late),
    roles: each(AGENTS, (agent) => roleForm(roles[agent])),
    deadlines: each(DEADLINES, (deadline) => text(deadlines[deadline])),
    usd: text(budget.usd),
    tokens: text(budget.tokens),
    more,
  }
}

/** A field that is not a number, by its path. */
export type Faults = Readonly<Record<string, 'number' | 'name' | 'needed'>>

const said = (texts: Required<BothTexts>): BothTexts | undefined => {
  const kept = Object.entries(texts).filter(([, value]) => value.trim() !== '')
  return kept.length > 0
    ? Object.fromEntries(kept.map(([key, value]) => [key, value.trim()]))
    : undefined
}

/** What is wrong before a server is asked. */
export function faultsOf(form: PresetForm): Faults {
  const faults: Record<string, Faults[string]> = {}
  if (!/^[a-z0-9-]{1,64}$/.test(form.name)) faults['name'] = 'name'
  if (!said(form.bad_at)) faults['bad_at'] = 'needed'
  for (const [path, value] of numbers(form))
    if (value.trim() !== '' && !(Number(value) >= 0)) faults[path] = 'number'
  return faults
}

/** Every field that holds a number, by its path in the body. */
function numbers(form: PresetForm): [path: string, value: string][] {
  return [
    ['council.quorum', form.quorum],
    ['council.budget.usd', form.usd],
    ['council.budget.tokens', form.tokens],
    ...DEADLINES.map((name): [string, string] => [
      `council.deadlines.${name}`,
      form.deadlines[name],
    ]),
    ...AGENTS.flatMap((agent) =>
      (['temperature', 'top_p', 'max_tokens'] as const).map((name): [string, string] => [
        `council.roles.${agent}.${name}`,
        form.roles[agent][name],
      ]),
    ),
  ]
}

/** The fields that hold something. */
const given = <T extends object>(fields: T): T =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T

const number = (value: string): number | undefined =>
  value.trim() === '' ? undefined : Number(value)

const words = (value: string): string | undefined =>
  value.trim() === '' ? undefined : value.trim()

/** The models that a field names; undefined where it says nothing. */
function modelsIn(field: string): string[] | undefined {
  const said = field
    .split(/[,、\n]/)
    .map((name) => name.trim())
    .filter((name) => name !== '')
  if (said.length === 0) return undefined
  return said.length === 1 && said[0]?.toLowerCase() === NONE ? [] : said
}

function roleDraft(role: RoleForm): RoleDraft | undefined {
  const draft = given({
    ...role.more,
    prompt: words(role.prompt),
    model: words(role.model),
    fallbacks: modelsIn(role.fallbacks),
    panel: modelsIn(role.panel),
    temperature: number(role.temperature),
    top_p: number(role.top_p),
    max_tokens: number(role.max_tokens),
    enabled: role.enabled === '' ? undefined : role.enabled === 'yes',
  }) as RoleDraft
  return Object.keys(draft).length > 0 ? draft : undefined
}

const filled = <T extends object>(fields: T): T | undefined =>
  Object.keys(fields).length > 0 ? fields : undefined

/** What is sent: only what is other than in the base. */
export function draftOf(form: PresetForm): PresetDraft {
  const roles = given(
    Object.fromEntries(AGENTS.map((agent) => [agent, roleDraft(form.roles[agent])])),
  )
  const deadlines = given(
    Object.fromEntries(DEADLINES.map((name) => [name, number(form.deadlines[name])])),
  ) as Record<string, number>
  const council = given({
    ...form.more,
    rule: words(form.rule),
    quorum: number(form.quorum),
    late: words(form.late),
    roles: filled(roles),
    deadlines: filled(deadlines),
    budget: filled(given({ usd: number(form.usd), tokens: number(form.tokens) })),
  }) as CouncilDraft
  return given({
    title: said(form.title),
    good_for: said(form.good_for),
    bad_at: said(form.bad_at),
    base: form.base,
    council,
  }) as PresetDraft
}

/** A copy of a preset, to be written on: what it is stays, only its own changes are sent. */
export function copyOf(preset: PresetWhole, names: readonly string[]): PresetForm {
  const { title, good_for, bad_at, base, council, builtin, name } = preset
  const draft = { title, good_for, bad_at, council, base: builtin ? name : base }
  return formOf(freeName(name, names), draft)
}

/** A name that no preset has yet. */
export function freeName(wish: string, names: readonly string[]): string {
  const base =
    wish
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 56) || 'preset'
  const free = (name: string): boolean => !names.includes(name) && name !== 'custom'
  if (free(base)) return base
  for (let at = 2; ; at++) if (free(`${base}-${at}`)) return `${base}-${at}`
}

/** The largest file that is read, in bytes. */
const MAX_FILE = 512 * 1024

/** Writes a preset as a file that can be read again, here or by the command line. */
export const fileOf = (name: string, draft: PresetDraft): Blob =>
  new Blob([`${JSON.stringify({ name, ...draft }, null, 2)}\n`], { type: 'application/json' })

/** Reads such a file; throws with what is wrong with it. */
export function parseFile(content: string, names: readonly string[]): PresetForm {
  if (content.length > MAX_FILE) throw new Error('too_large')
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch {
    throw new Error('not_json')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error('not_a_preset')
  const { name, council, ...rest } = value as Record<string, unknown>
  if (council !== undefined && (typeof council !== 'object' || council === null))
    throw new Error('not_a_preset')
  if (!('bad_at' in rest) && council === undefined) throw new Error('not_a_preset')
  const draft = { ...rest, council: council ?? {} } as PresetDraft
  return formOf(freeName(typeof name === 'string' ? name : 'imported', names), draft)
}
