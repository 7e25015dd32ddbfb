import type { Listed } from '@magi/stream'
import { useEffect, useId, useState, type ReactNode } from 'react'
import {
  Button,
  Checkbox,
  CheckboxGroup,
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
import { OUTCOMES, parseOutcome, writeOutcome, type OutcomeWord } from './outcome.ts'
import { useContentLang } from './prose.tsx'
import { useLoaded, type Keeper } from './remarks.ts'
import { Segments } from './segments.tsx'
import { useWords } from './settings.tsx'

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
  failed: boolean
  saved: boolean
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
  const [failed, setFailed] = useState(false)
  const [saved, setSaved] = useState(false)
  const { value } = loaded
  useEffect(() => {
    if (id === undefined) return
    const kept = parse(value?.my_decision ?? '')
    const held = value?.my_decision === undefined ? heldFor(id) : undefined
    setMine(held === undefined ? kept : { ...kept, leaning: held })
    setOutcome(value?.outcome ?? '')
    setSaved(false)
    setFailed(false)
  }, [id, value])
  const write = async (change: Parameters<Keeper['write']>[1]): Promise<void> => {
    if (!keeper || id === undefined || !loaded.done) return
    setFailed(false)
    try {
      await keeper.write(id, change)
      setSaved(true)
    } catch {
      setSaved(false)
      setFailed(true)
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
      setSaved(false)
    },
    save: async (change = {}) => {
      const next = { ...mine, ...change }
      setMine(next)
      const text = compose(next, conditions, code)
      await write({ my_decision: text === '' ? null : text })
    },
    saveOutcome: async (text) => {
      setOutcome(text ?? '')
      await write({ outcome: text })
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
  const lang = useContentLang()
  const { decision: words } = useWords().room
  if (points.length === 0) return null
  const done = points.filter((point) => remarked.mine.met.includes(point)).length
  return (
    <div className="verdict-list">
      <CheckboxGroup
        className="checklist"
        value={points.filter((point) => remarked.mine.met.includes(point))}
        isReadOnly={remarked.kind === undefined}
        onChange={(met) => void remarked.save({ met })}
      >
        <Label className="list-title">
          {title} <span className="checklist-count">{words.met(done, points.length)}</span>
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
  const ready = mine.choice === 'follow' || (mine.choice === 'other' && mine.instead.trim() !== '')
  return (
    <section className="decision" aria-labelledby={id}>
      <h3 id={id}>{words.title}</h3>
      {mine.leaning !== '' && (
        <p className="decision-leaning">
          <span>{words.leaning}</span> {mine.leaning}
        </p>
      )}
      <Form
        validationBehavior="aria"
        onSubmit={(event) => {
          event.preventDefault()
          if (ready) void remarked.save()
        }}
      >
        {verdict && (
          <RadioGroup
            className="radios"
            aria-labelledby={id}
            value={mine.choice ?? null}
            onChange={(choice) => remarked.set({ choice: choice as 'follow' | 'other' })}
          >
            <Choice value="follow">{words.follow}</Choice>
            <Choice value="other">{words.other}</Choice>
          </RadioGroup>
        )}
        {(mine.choice === 'other' || !verdict) && (
          <Text
            label={words.instead}
            rows={1}
            value={mine.instead}
            onChange={(instead) => remarked.set({ instead, choice: 'other' })}
          />
        )}
        {mine.choice !== undefined && (
          <Text
            label={words.why}
            rows={2}
            value={mine.why}
            onChange={(why) => remarked.set({ why })}
          />
        )}
        <div className="form-row">
          <p className="muted decision-where">{words.where[kind]}</p>
          <p role="status" className="decision-said">
            {remarked.failed ? words.failed : remarked.saved ? words.saved : ''}
          </p>
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

function Choice({ value, children }: { value: string; children: ReactNode }) {
  return (
    <Radio value={value} className="radio">
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
}

function Text({ label, rows, value, onChange }: TextProps) {
  return (
    <TextField className="field" value={value} onChange={onChange}>
      <Label className="field-label">{label}</Label>
      <TextArea className="note-input" rows={rows} />
    </TextField>
  )
}

type Word = OutcomeWord | 'none'

/** How it turned out: asked for once there is a decision, because it is known only later. */
function Turned({ remarked }: { remarked: Remarked }) {
  const { decision: words } = useWords().room
  const kept = parseOutcome(remarked.outcome)
  const [word, setWord] = useState<Word>(kept.word ?? 'none')
  const [note, setNote] = useState(kept.note)
  useEffect(() => {
    const now = parseOutcome(remarked.outcome)
    setWord(now.word ?? 'none')
    setNote(now.note)
  }, [remarked.outcome])
  return (
    <details className="turned" open={remarked.outcome !== '' || undefined}>
      <summary>{words.turned}</summary>
      <Form
        validationBehavior="aria"
        onSubmit={(event) => {
          event.preventDefault()
          const said = { word: word === 'none' ? undefined : word, note }
          void remarked.saveOutcome(writeOutcome(said))
        }}
      >
        <Segments<Word>
          label={words.turned}
          value={word}
          options={(['none', ...OUTCOMES] as const).map((id) => ({ id, label: words.turns[id] }))}
          onChange={setWord}
        />
        <Text label={words.turnedNote} rows={2} value={note} onChange={setNote} />
        <div className="form-row">
          <Button type="submit" className="button">
            {words.saveTurned}
          </Button>
        </div>
      </Form>
    </details>
  )
}
