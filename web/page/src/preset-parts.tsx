import { SAGES, type PresetWhole } from '@magi/stream'
import type { ReactNode } from 'react'
import { AGENTS, DEADLINES, type PresetForm } from './preset-draft.ts'
import { Choose, Field } from './preset-fields.tsx'
import { RolePart } from './preset-role.tsx'
import { useWords } from './settings.tsx'
import { useTexts } from './texts.ts'
import { ruleText } from './verdict.tsx'
import { PRESETS } from './words-presets.ts'

const RULES = ['majority', 'unanimous', 'judge', ...SAGES.map((sage) => `veto:${sage}`)]

/** A form that is being read or written, as each of its parts needs it. */
export interface Editing {
  form: PresetForm
  /** What comes of it now, or of its base: what stands where a field is empty. */
  whole: PresetWhole | undefined
  readOnly: boolean
  set: (change: Partial<PresetForm>) => void
  /** What is wrong with the field of this path. */
  fault: (path: string) => string | undefined
}

/** What stands in a field that is empty: the base's own, where it is known. */
function useInherited(): (value: unknown) => string {
  const texts = useTexts(PRESETS)
  return (value) => texts.inherited(value === undefined || value === null ? '' : String(value))
}

/** What the preset is called, what it is good for, what it is made from. */
export function AboutPart({
  editing,
  bases,
  isNew,
}: {
  editing: Editing
  bases: readonly string[]
  isNew: boolean
}) {
  const texts = useTexts(PRESETS)
  const { form, readOnly, set, fault } = editing
  return (
    <Part title={texts.sections.about}>
      {isNew && (
        <Field
          label={texts.name}
          hint={texts.nameHint}
          value={form.name}
          fault={fault('name')}
          onChange={(name) => set({ name })}
        />
      )}
      <Both editing={editing} name="title" label={texts.fieldTitle} />
      <Both editing={editing} name="good_for" label={texts.goodFor} lines={2} />
      <Both editing={editing} name="bad_at" label={texts.badAt} lines={2} />
      {!readOnly && (
        <Choose
          label={texts.base}
          hint={texts.baseHint}
          value={form.base}
          fault={fault('base')}
          onChange={(base) => set({ base })}
        >
          {bases.map((base) => (
            <option key={base}>{base}</option>
          ))}
        </Choose>
      )}
    </Part>
  )
}

interface BothProps {
  editing: Editing
  name: 'title' | 'good_for' | 'bad_at'
  label: string
  lines?: number
}

/** One text in both languages. */
function Both({ editing: { form, readOnly, set, fault }, name, label, lines }: BothProps) {
  const words = useWords()
  const texts = useTexts(PRESETS)
  return (
    <div className="pair-fields">
      {(['ja', 'en'] as const).map((lang) => (
        <Field
          key={lang}
          label={`${label}${words.aside(texts.lang[lang])}`}
          lang={lang}
          value={form[name][lang]}
          readOnly={readOnly}
          fault={lang === words.code ? fault(name) : fault(`${name}.${lang}`)}
          {...(lines === undefined ? {} : { lines })}
          onChange={(value) => set({ [name]: { ...form[name], [lang]: value } })}
        />
      ))}
    </div>
  )
}

/** How votes become a verdict. */
export function DecidePart({ editing }: { editing: Editing }) {
  const words = useWords()
  const texts = useTexts(PRESETS)
  const inherited = useInherited()
  const { form, whole, readOnly, set, fault } = editing
  const effective = whole?.effective
  return (
    <Part title={texts.sections.decide}>
      <div className="field-grid">
        <Choose
          label={texts.rule}
          value={form.rule}
          readOnly={readOnly}
          fault={fault('council.rule')}
          onChange={(rule) => set({ rule })}
        >
          <option value="">
            {readOnly && effective ? ruleText(words, effective.rule) : texts.inherited('')}
          </option>
          {RULES.map((rule) => (
            <option key={rule} value={rule}>
              {ruleText(words, rule)}
            </option>
          ))}
        </Choose>
        <Field
          label={texts.quorum}
          numeric
          value={form.quorum}
          empty={inherited(effective?.quorum)}
          readOnly={readOnly}
          fault={fault('council.quorum')}
          onChange={(quorum) => set({ quorum })}
        />
        <Choose
          label={texts.late}
          value={form.late}
          readOnly={readOnly}
          fault={fault('council.late')}
          onChange={(late) => set({ late })}
        >
          <option value="">
            {inherited(effective && (texts.lateWord[effective.late] ?? effective.late))}
          </option>
          {['wait', 'exclude'].map((late) => (
            <option key={late} value={late}>
              {texts.lateWord[late]}
            </option>
          ))}
        </Choose>
      </div>
    </Part>
  )
}

/** The members, one after the other. */
export function RolesPart({ editing }: { editing: Editing }) {
  const texts = useTexts(PRESETS)
  const { form, whole, readOnly, set, fault } = editing
  return (
    <Part title={texts.sections.roles}>
      {AGENTS.map((agent) => (
        <RolePart
          key={agent}
          agent={agent}
          role={form.roles[agent]}
          now={whole?.effective.roles[agent]}
          readOnly={readOnly}
          fault={(name) => fault(`council.roles.${agent}.${name}`)}
          onChange={(change) =>
            set({ roles: { ...form.roles, [agent]: { ...form.roles[agent], ...change } } })
          }
        />
      ))}
    </Part>
  )
}

/** The deadlines. */
export function TimePart({ editing }: { editing: Editing }) {
  const words = useWords()
  const texts = useTexts(PRESETS)
  const inherited = useInherited()
  const { form, whole, readOnly, set, fault } = editing
  return (
    <Part title={texts.sections.time} closed>
      <div className="field-grid">
        {DEADLINES.map((name) => (
          <Field
            key={name}
            label={`${texts.deadlines[name]}${words.aside(texts.seconds)}`}
            numeric
            value={form.deadlines[name]}
            empty={inherited(whole?.effective.deadlines[name])}
            readOnly={readOnly}
            fault={fault(`council.deadlines.${name}`)}
            onChange={(value) => set({ deadlines: { ...form.deadlines, [name]: value } })}
          />
        ))}
      </div>
    </Part>
  )
}

/** The budget. */
export function SpendPart({ editing }: { editing: Editing }) {
  const texts = useTexts(PRESETS)
  const inherited = useInherited()
  const { form, whole, readOnly, set, fault } = editing
  const budget = whole?.effective.budget
  return (
    <Part title={texts.sections.spend}>
      <div className="field-grid">
        {(['usd', 'tokens'] as const).map((name) => (
          <Field
            key={name}
            label={texts[name]}
            numeric
            value={form[name]}
            empty={budget?.[name] === undefined ? texts.noLimit : inherited(budget[name])}
            readOnly={readOnly}
            fault={fault(`council.budget.${name}`)}
            onChange={(value) => set({ [name]: value })}
          />
        ))}
      </div>
    </Part>
  )
}

/** The formats that every role text ends with, to be read alone. */
export function FormatPart({ whole }: { whole: PresetWhole }) {
  const { code } = useWords()
  const texts = useTexts(PRESETS)
  return (
    <Part title={texts.sections.format} closed>
      <p className="muted">{texts.formatNote}</p>
      <Format label={texts.voteFormat} text={whole.vote_format[code] ?? ''} />
      <Format label={texts.verdictFormat} text={whole.verdict_format[code] ?? ''} />
    </Part>
  )
}

function Format({ label, text }: { label: string; text: string }) {
  return (
    <figure className="format">
      <figcaption>{label}</figcaption>
      <pre tabIndex={0} aria-label={label}>
        {text}
      </pre>
    </figure>
  )
}

function Part({
  title,
  closed = false,
  children,
}: {
  title: string
  closed?: boolean
  children: ReactNode
}) {
  return (
    <details className="preset-part" open={!closed}>
      <summary>
        <h2>{title}</h2>
      </summary>
      {children}
    </details>
  )
}
