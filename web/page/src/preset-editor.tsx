import { Problem, SAGES, type Agent, type PresetWhole } from '@magi/stream'
import { useState, type FormEvent, type ReactNode } from 'react'
import { Button } from 'react-aria-components'
import {
  AGENTS,
  DEADLINES,
  draftOf,
  faultsOf,
  type PresetForm,
  type RoleForm,
} from './preset-draft.ts'
import { Choose, Field } from './preset-fields.tsx'
import { useWords } from './settings.tsx'
import { Mark } from './shapes.tsx'
import { useTexts } from './texts.ts'
import { ruleText } from './verdict.tsx'
import { PRESETS } from './words-presets.ts'

const RULES = ['majority', 'unanimous', 'judge', ...SAGES.map((sage) => `veto:${sage}`)]

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
  const { form, whole, bases, isNew, readOnly, onForm, onSave, onCancel } = props
  const texts = useTexts(PRESETS)
  const words = useWords()
  const [problem, setProblem] = useState<Problem>()
  const [tried, setTried] = useState(false)
  const [saving, setSaving] = useState(false)
  const faults = tried ? faultsOf(form) : {}
  const set = (change: Partial<PresetForm>): void => onForm({ ...form, ...change })
  /** What is wrong with a field: what was seen here, or what the server said of it. */
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
  const effective = whole?.effective
  const inherited = (value: unknown): string =>
    texts.inherited(value === undefined || value === null ? '' : String(value))
  const pair = (
    label: string,
    name: 'title' | 'good_for' | 'bad_at',
    lines?: number,
  ): ReactNode => (
    <div className="pair-fields">
      {(['ja', 'en'] as const).map((lang) => (
        <Field
          key={lang}
          label={`${label} (${texts.lang[lang]})`}
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
  return (
    <form className="preset-form" noValidate onSubmit={(event) => void save(event)}>
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
        {pair(texts.fieldTitle, 'title')}
        {pair(texts.goodFor, 'good_for', 2)}
        {pair(texts.badAt, 'bad_at', 2)}
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
      <Part title={texts.sections.roles}>
        {AGENTS.map((agent) => (
          <RolePart
            key={agent}
            agent={agent}
            role={form.roles[agent]}
            whole={whole}
            readOnly={readOnly}
            fault={(name) => fault(`council.roles.${agent}.${name}`)}
            onChange={(change) =>
              set({
                roles: { ...form.roles, [agent]: { ...form.roles[agent], ...change } },
              })
            }
          />
        ))}
      </Part>
      <Part title={texts.sections.time} closed>
        <div className="field-grid">
          {DEADLINES.map((name) => (
            <Field
              key={name}
              label={`${texts.deadlines[name]} (${texts.seconds})`}
              numeric
              value={form.deadlines[name]}
              empty={inherited(effective?.deadlines[name])}
              readOnly={readOnly}
              fault={fault(`council.deadlines.${name}`)}
              onChange={(value) => set({ deadlines: { ...form.deadlines, [name]: value } })}
            />
          ))}
        </div>
      </Part>
      <Part title={texts.sections.spend}>
        <div className="field-grid">
          <Field
            label={texts.usd}
            numeric
            value={form.usd}
            empty={
              effective?.budget.usd === undefined ? texts.noLimit : inherited(effective.budget.usd)
            }
            readOnly={readOnly}
            fault={fault('council.budget.usd')}
            onChange={(usd) => set({ usd })}
          />
          <Field
            label={texts.tokens}
            numeric
            value={form.tokens}
            empty={
              effective?.budget.tokens === undefined
                ? texts.noLimit
                : inherited(effective.budget.tokens)
            }
            readOnly={readOnly}
            fault={fault('council.budget.tokens')}
            onChange={(tokens) => set({ tokens })}
          />
        </div>
      </Part>
      {whole && (
        <Part title={texts.sections.format} closed>
          <p className="muted">{texts.formatNote}</p>
          <Format label={texts.voteFormat} text={whole.vote_format[words.code] ?? ''} />
          <Format label={texts.verdictFormat} text={whole.verdict_format[words.code] ?? ''} />
        </Part>
      )}
      {!readOnly && (
        <div className="preset-save">
          <p role="alert" className="field-error">
            {problem &&
              texts.refused(
                problem.field === undefined
                  ? `${problem.message}${problem.fix ? ` (${problem.fix})` : ''}`
                  : `${problem.field}: ${problem.message}`,
              )}
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
      )}
    </form>
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

interface RolePartProps {
  agent: Agent
  role: RoleForm
  whole: PresetWhole | undefined
  readOnly: boolean
  fault: (name: string) => string | undefined
  onChange: (change: Partial<RoleForm>) => void
}

/** One member: what it is told, what plays it, how that samples. */
function RolePart({ agent, role, whole, readOnly, fault, onChange }: RolePartProps) {
  const words = useWords()
  const texts = useTexts(PRESETS)
  const now = whole?.effective.roles[agent]
  const name = agent === 'solomon' ? words.judge.name : words.sages[agent].name
  const member = now === undefined ? '' : now.enabled ? texts.memberWord.yes : texts.memberWord.no
  return (
    <fieldset className="role-part" data-agent={agent}>
      <legend>
        <Mark of={agent} size={18} /> {name}
      </legend>
      <Field
        label={texts.prompt}
        lines={4}
        value={role.prompt}
        empty={now?.prompt[words.code] ?? now?.prompt.ja ?? ''}
        readOnly={readOnly}
        fault={fault('prompt')}
        {...(readOnly ? {} : { hint: texts.promptHint })}
        onChange={(prompt) => onChange({ prompt })}
      />
      <div className="field-grid">
        <Field
          label={texts.model}
          value={role.model}
          empty={now?.model ?? texts.settings}
          readOnly={readOnly}
          fault={fault('model')}
          {...(readOnly ? {} : { hint: texts.modelHint })}
          onChange={(model) => onChange({ model })}
        />
        <Field
          label={texts.fallbacks}
          value={role.fallbacks}
          empty={now?.fallbacks?.join(', ') ?? texts.settings}
          readOnly={readOnly}
          fault={fault('fallbacks')}
          {...(readOnly ? {} : { hint: texts.fallbacksHint })}
          onChange={(fallbacks) => onChange({ fallbacks })}
        />
        {(
          [
            ['temperature', texts.temperature],
            ['top_p', texts.topP],
            ['max_tokens', texts.maxTokens],
          ] as const
        ).map(([field, label]) => (
          <Field
            key={field}
            label={label}
            numeric
            value={role[field]}
            empty={now?.[field] === undefined ? texts.vendorDefault : String(now[field])}
            readOnly={readOnly}
            fault={fault(field)}
            onChange={(value) => onChange({ [field]: value })}
          />
        ))}
        <Choose
          label={texts.member}
          value={role.enabled}
          readOnly={readOnly}
          fault={fault('enabled')}
          onChange={(value) => onChange({ enabled: value as RoleForm['enabled'] })}
        >
          <option value="">{readOnly ? member : texts.inherited(member)}</option>
          <option value="yes">{texts.memberWord.yes}</option>
          <option value="no">{texts.memberWord.no}</option>
        </Choose>
      </div>
    </fieldset>
  )
}

/** What is saved of a form. */
export const bodyOf = (form: PresetForm, version: number) => ({
  ...draftOf(form),
  if_version: version,
})
