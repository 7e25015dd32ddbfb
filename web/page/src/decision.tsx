import type { Listed } from '@magi/stream'
import { useEffect, useId, useState, type ReactNode } from 'react'
import {
  Button,
  Checkbox,
  CheckboxGroup,
  FieldError,
  Form,
  Label,
  Radio,
  RadioGroup,
  TextArea,
  TextField,
} from 'react-aria-components'
import { Tick } from './icons.tsx'
import { heldFor } from './leaning.ts'
import { compose, NOTHING, parse, type Mine } from './mine.ts'
import { OUTCOMES, parseOutcome, writeOutcome, type Outcome, type OutcomeWord } from './outcome.ts'
import { useContentLang } from './prose.tsx'
import { useLoaded, type Keeper } from './remarks.ts'
import { Segments } from './segments.tsx'
import { useWords } from './settings.tsx'

type Part = 'decision' | 'outcome'

/** What a person writes beside a verdict, as it is kept and as it stands on the screen. */
export interface Remarked {
  mine: Mine
  outcome: string
  /**
   * Where it is kept; undefined where nothing keeps it, and until what is kept has been read: whoever
   * wrote before that would write over it.
   */
  kind: 'server' | 'own' | undefined
  /** What is kept could not be read; asks again. */
  unread: (() => void) | undefined
  /** What was last tried to be kept, and how that went. */
  failed: Part | undefined
  saved: Part | undefined
  set: (change: Partial<Mine>) => void
  save: (change?: Partial<Mine>) => Promise<void>
  saveOutcome: (outcome: string | null) => Promise<void>
}

/** Reads and writes what is kept beside one deliberation. */
export function useRemarked(
  keeper: Keeper | undefined,
  id: string | undefined,
  conditions: readonly string[],
): Remarked {
  const { code } = useWords()
  const loaded = useLoaded<Listed | undefined>(
    keeper && id !== undefined ? () => keeper.item(id) : undefined,
    id ?? '',
  )
  const [mine, setMine] = useState(NOTHING)
  const [outcome, setOutcome] = useState('')
  const [failed, setFailed] = useState<Part>()
  const [saved, setSaved] = useState<Part>()
  const { value } = loaded
  useEffect(() => {
    if (id === undefined) return
    const kept = parse(value?.my_decision ?? '')
    const held = value?.my_decision === undefined ? heldFor(id) : undefined
    setMine(held === undefined ? kept : { ...kept, leaning: held })
    setOutcome(value?.outcome ?? '')
    setSaved(undefined)
    setFailed(undefined)
  }, [id, value])
  const write = async (part: Part, change: Parameters<Keeper['write']>[1]): Promise<void> => {
    if (!keeper || id === undefined || !loaded.done) return
    setFailed(undefined)
    setSaved(undefined)
    try {
      await keeper.write(id, change)
      setSaved(part)
    } catch {
      setFailed(part)
    }
  }
  return {
    mine,
    outcome,
    kind: loaded.done ? keeper?.kind : undefined,
    unread: loaded.failed ? loaded.again : undefined,
    failed,
    saved,
    set: (change) => {
      setMine((old) => ({ ...old, ...change }))
      setSaved(undefined)
    },
    save: async (change = {}) => {
      const next = { ...mine, ...change }
      setMine(next)
      const text = compose(next, conditions, code)
      await write('decision', { my_decision: text === '' ? null : text })
    },
    saveOutcome: async (text) => {
      setOutcome(text ?? '')
      await write('outcome', { outcome: text })
    },
  }
}

/** The conditions of the verdict, to be ticked as they are met. */
export function Conditions({
  title,
  points,
  remarked,
}: {
  title: string
  points: readonly string[]
  remarked: Remarked
}) {
  const { met } = remarked.mine
  return (
    <Checklist
      title={title}
      points={points}
      met={met}
      isReadOnly={remarked.kind === undefined}
      // What was ticked before the verdict's conditions were others stays ticked.
      onChange={(now) =>
        void remarked.save({ met: [...now, ...met.filter((one) => !points.includes(one))] })
      }
    />
  )
}

interface ChecklistProps {
  title: string
  points: readonly string[]
  met: readonly string[]
  isReadOnly?: boolean
  onChange: (met: readonly string[]) => void
}

/** Conditions with a box each, and how many are ticked. */
export function Checklist({ title, points, met, isReadOnly = false, onChange }: ChecklistProps) {
  const lang = useContentLang()
  const { decision: words } = useWords().room
  if (points.length === 0) return null
  const done = points.filter((point) => met.includes(point))
  return (
    <div className="verdict-list">
      <CheckboxGroup className="checklist" value={done} isReadOnly={isReadOnly} onChange={onChange}>
        <Label className="list-title">
          {title} <span className="checklist-count">{words.met(done.length, points.length)}</span>
        </Label>
        {points.map((point, index) => (
          <Checkbox key={index} value={point} className="check">
            <span className="check-box" aria-hidden="true">
              <Tick />
            </span>
            <span lang={lang}>{point}</span>
          </Checkbox>
        ))}
      </CheckboxGroup>
    </div>
  )
}

/** What the person decides, apart from the council's verdict, and later how it turned out. */
export function Decision({
  remarked,
  verdict,
}: {
  remarked: Remarked
  /** There is one that can be followed. */
  verdict: boolean
}) {
  const all = useWords()
  const { decision: words } = all.room
  const again = all.connection.retry
  const { mine, kind } = remarked
  const id = useId()
  if (remarked.unread)
    return (
      <p className="notice">
        {words.unread}{' '}
        <Button className="link-button" onPress={remarked.unread}>
          {again}
        </Button>
      </p>
    )
  if (kind === undefined) return null
  const ready = isReady(mine)
  return (
    <section className="decision" aria-labelledby={id}>
      <h3 id={id}>{words.title}</h3>
      <Leaning mine={mine} />
      <Form
        validationBehavior="aria"
        onSubmit={(event) => {
          event.preventDefault()
          if (ready) void remarked.save()
        }}
      >
        <DecisionFields mine={mine} verdict={verdict} labelledBy={id} onChange={remarked.set} />
        <div className="form-row">
          <p className="muted decision-where">{words.where[kind]}</p>
          <Said remarked={remarked} of="decision" />
          {mine.choice !== undefined && (
            <Button type="submit" className="button primary" isDisabled={!ready}>
              {words.save}
            </Button>
          )}
        </div>
      </Form>
      <Turned remarked={remarked} />
    </section>
  )
}

/** There is a decision, and not only the wish for another one. */
export const isReady = ({ choice, instead }: Mine): boolean =>
  choice === 'follow' || (choice === 'other' && instead.trim() !== '')

/** What they leaned to before the council spoke; it is not changed afterwards. */
export function Leaning({ mine: { leaning } }: { mine: Mine }) {
  const { decision: words } = useWords().room
  if (leaning === '') return null
  return (
    <p className="decision-leaning">
      <span>{words.leaning}</span> {leaning}
    </p>
  )
}

interface FieldsProps {
  mine: Mine
  /** There is one that can be followed. */
  verdict: boolean
  labelledBy: string
  onChange: (change: Partial<Mine>) => void
  /** Taking the decision back, where that can be chosen. */
  none?: string
  /** What is wrong with the two texts; it stands at the longer one. */
  error?: string | undefined
  autoFocus?: boolean
}

/** To follow the verdict or to decide otherwise, in one's own words, and why. */
export function DecisionFields(props: FieldsProps) {
  const { mine, verdict, labelledBy, onChange, none, error, autoFocus = false } = props
  const { decision: words } = useWords().room
  const own = mine.choice === 'other' || !verdict
  const atOwn = own && mine.instead.length >= mine.why.length
  const chosen = mine.choice ?? (none === undefined ? null : 'none')
  const choice = (value: 'none' | 'follow' | 'other', label: string) => (
    <Choice value={value} autoFocus={autoFocus && value === chosen}>
      {label}
    </Choice>
  )
  return (
    <>
      {verdict && (
        <RadioGroup
          className="radios"
          aria-labelledby={labelledBy}
          value={chosen}
          onChange={(now) =>
            onChange({ choice: now === 'none' ? undefined : (now as 'follow' | 'other') })
          }
        >
          {none !== undefined && choice('none', none)}
          {choice('follow', words.follow)}
          {choice('other', words.other)}
        </RadioGroup>
      )}
      {own && (
        <Text
          label={words.instead}
          rows={1}
          value={mine.instead}
          onChange={(instead) => onChange({ instead, choice: 'other' })}
          error={atOwn ? error : undefined}
          autoFocus={autoFocus && !verdict}
        />
      )}
      {(mine.choice !== undefined || (none !== undefined && mine.why !== '')) && (
        <Text
          label={words.why}
          rows={2}
          value={mine.why}
          onChange={(why) => onChange({ why })}
          error={atOwn ? undefined : error}
        />
      )}
    </>
  )
}

interface ChoiceProps {
  value: string
  autoFocus: boolean
  children: ReactNode
}

function Choice({ value, autoFocus, children }: ChoiceProps) {
  return (
    <Radio value={value} className="radio" autoFocus={autoFocus}>
      <span className="radio-dot" aria-hidden="true" />
      {children}
    </Radio>
  )
}

interface TextProps {
  label: string
  rows: number
  value: string
  onChange: (value: string) => void
  error?: string | undefined
  autoFocus?: boolean
}

function Text({ label, rows, value, onChange, error, autoFocus = false }: TextProps) {
  return (
    <TextField
      className="field"
      value={value}
      onChange={onChange}
      isInvalid={error !== undefined}
      autoFocus={autoFocus}
    >
      <Label className="field-label">{label}</Label>
      <TextArea className="note-input" rows={rows} />
      <FieldError className="field-error">{error}</FieldError>
    </TextField>
  )
}

interface OutcomeProps {
  outcome: Outcome
  onChange: (outcome: Outcome) => void
  error?: string | undefined
}

/** How it turned out, as a word and in their own words. */
export function OutcomeFields({ outcome, onChange, error }: OutcomeProps) {
  const { decision: words } = useWords().room
  return (
    <>
      <Segments<OutcomeWord | 'none'>
        label={words.turned}
        value={outcome.word ?? 'none'}
        options={(['none', ...OUTCOMES] as const).map((id) => ({ id, label: words.turns[id] }))}
        onChange={(word) => onChange({ ...outcome, word: word === 'none' ? undefined : word })}
      />
      <Text
        label={words.turnedNote}
        rows={2}
        value={outcome.note}
        onChange={(note) => onChange({ ...outcome, note })}
        error={error}
      />
    </>
  )
}

/** How the last saving went, beside the button that was pressed for it. */
function Said({ remarked, of }: { remarked: Remarked; of: Part }) {
  const { decision: words } = useWords().room
  return (
    <p role="status" className="decision-said">
      {remarked.failed === of ? words.failed : remarked.saved === of ? words.saved : ''}
    </p>
  )
}

/** How it turned out: asked for once there is a decision, because it is known only later. */
function Turned({ remarked }: { remarked: Remarked }) {
  const { decision: words } = useWords().room
  const [outcome, setOutcome] = useState(() => parseOutcome(remarked.outcome))
  useEffect(() => setOutcome(parseOutcome(remarked.outcome)), [remarked.outcome])
  return (
    <details className="turned" open={remarked.outcome !== '' || undefined}>
      <summary>{words.turned}</summary>
      <Form
        validationBehavior="aria"
        onSubmit={(event) => {
          event.preventDefault()
          void remarked.saveOutcome(writeOutcome(outcome))
        }}
      >
        <OutcomeFields outcome={outcome} onChange={setOutcome} />
        <div className="form-row">
          {/* What was changed since is not saved. */}
          {(writeOutcome(outcome) ?? '') === remarked.outcome && (
            <Said remarked={remarked} of="outcome" />
          )}
          <Button type="submit" className="button">
            {words.saveTurned}
          </Button>
        </div>
      </Form>
    </details>
  )
}
