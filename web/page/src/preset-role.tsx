import type { Agent, RoleWhole } from '@magi/stream'
import type { RoleForm } from './preset-draft.ts'
import { Choose, Field } from './preset-fields.tsx'
import { useWords } from './settings.tsx'
import { Mark } from './shapes.tsx'
import { useTexts } from './texts.ts'
import { PRESETS } from './words-presets.ts'

interface RoleProps {
  agent: Agent
  role: RoleForm
  /** What the member is as the preset stands. */
  now: RoleWhole | undefined
  readOnly: boolean
  fault: (name: string) => string | undefined
  onChange: (change: Partial<RoleForm>) => void
}

/** One member: what it is told, what plays it, how that samples. */
export function RolePart(props: RoleProps) {
  const { agent, role, now, readOnly, fault, onChange } = props
  const words = useWords()
  const texts = useTexts(PRESETS)
  const name = agent === 'solomon' ? words.judge.name : words.sages[agent].name
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
      <div className="field-grid models">
        <Models {...props} />
      </div>
      <div className="field-grid">
        <Samplings {...props} />
        <Membership {...props} />
      </div>
    </fieldset>
  )
}

/** The model, those that follow it, and the judge's panel. */
function Models({ agent, role, now, readOnly, fault, onChange }: RoleProps) {
  const texts = useTexts(PRESETS)
  return (
    <>
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
      {agent === 'solomon' && (
        <Field
          label={texts.panel}
          value={role.panel}
          empty={texts.settings}
          readOnly={readOnly}
          fault={fault('panel')}
          {...(readOnly ? {} : { hint: texts.panelHint })}
          onChange={(panel) => onChange({ panel })}
        />
      )}
    </>
  )
}

function Samplings({ role, now, readOnly, fault, onChange }: RoleProps) {
  const texts = useTexts(PRESETS)
  const fields = [
    ['temperature', texts.temperature],
    ['top_p', texts.topP],
    ['max_tokens', texts.maxTokens],
  ] as const
  return fields.map(([field, label]) => (
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
  ))
}

function Membership({ role, now, readOnly, fault, onChange }: RoleProps) {
  const { member: label, memberWord: word, inherited } = useTexts(PRESETS)
  const member = now === undefined ? '' : now.enabled ? word.yes : word.no
  return (
    <Choose
      label={label}
      value={role.enabled}
      readOnly={readOnly}
      fault={fault('enabled')}
      onChange={(value) => onChange({ enabled: value as RoleForm['enabled'] })}
    >
      <option value="">{readOnly ? member : inherited(member)}</option>
      <option value="yes">{word.yes}</option>
      <option value="no">{word.no}</option>
    </Choose>
  )
}
