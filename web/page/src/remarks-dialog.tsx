import type { Listed, Remarks } from '@magi/stream'
import { useId, useState } from 'react'
import {
  Button,
  Dialog,
  FieldError,
  Form,
  Heading,
  Input,
  Label,
  Modal,
  ModalOverlay,
  TextField,
} from 'react-aria-components'
import { titleOf } from './carry.ts'
import { Checklist, DecisionFields, isReady, Leaning, OutcomeFields } from './decision.tsx'
import { byteLength } from './format.ts'
import { allConditions, compose, parse, type Mine } from './mine.ts'
import { parseOutcome, writeOutcome } from './outcome.ts'
import { ContentLang } from './prose.tsx'
import { useLoaded } from './remarks.ts'
import { useWords } from './settings.tsx'
import { useTexts } from './texts.ts'
import { HISTORY } from './words-history.ts'

/** The longest title and the longest remark a server takes, in bytes. */
const MAX_TITLE = 512
const MAX_REMARK = 16_384

interface DialogProps {
  item: Listed
  /** Which field is wanted first. */
  field: 'title' | 'decision'
  /** Reads the conditions of the verdict. */
  conditionsOf: (id: string) => Promise<readonly string[]>
  onSave: (change: Remarks) => Promise<void>
  onClose: () => void
}

/** What a person writes beside a verdict: a title, their own decision, and how it turned out. */
export function RemarksDialog({ item, field, conditionsOf, onSave, onClose }: DialogProps) {
  const { dialog: words } = useTexts(HISTORY)
  const draft = useDraft(item, conditionsOf)
  const [failed, setFailed] = useState('')
  const [saving, setSaving] = useState(false)
  const save = async (): Promise<void> => {
    if (draft.wrong || saving) return
    setSaving(true)
    try {
      if (Object.keys(draft.change).length > 0) await onSave(draft.change)
      onClose()
    } catch (error) {
      setFailed(words.failed(error instanceof Error ? error.message : String(error)))
      setSaving(false)
    }
  }
  return (
    <ModalOverlay
      className="overlay"
      isOpen
      isDismissable
      onOpenChange={(open) => open || onClose()}
    >
      <Modal className="modal">
        <Dialog className="dialog">
          <Heading slot="title">{words.title}</Heading>
          <p className="dialog-about" lang={item.lang}>
            {item.question}
          </p>
          <Form
            validationBehavior="aria"
            onSubmit={(event) => {
              event.preventDefault()
              void save()
            }}
          >
            <TextField
              className="input"
              value={draft.title}
              onChange={draft.setTitle}
              isInvalid={draft.titleError !== undefined}
              autoFocus={field === 'title'}
            >
              <Label>{words.name}</Label>
              <Input />
              <FieldError className="field-error">{draft.titleError}</FieldError>
            </TextField>
            <ContentLang value={item.lang}>
              <MyDecision item={item} draft={draft} first={field === 'decision'} />
            </ContentLang>
            <TurnedOut draft={draft} />
            <p role="alert" className="field-error">
              {failed}
            </p>
            <div className="dialog-actions">
              <Button className="button" onPress={onClose}>
                {words.cancel}
              </Button>
              <Button type="submit" className="convene" isDisabled={draft.wrong || saving}>
                {words.save}
              </Button>
            </div>
          </Form>
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}

/** There is a verdict that can be followed. */
const isFollowable = ({ final_decision: decision }: Listed): boolean =>
  decision !== undefined && decision !== 'UNDECIDED'

/** What stands in the fields, what is wrong with it, and what of it is other than what is kept. */
function useDraft(item: Listed, conditionsOf: DialogProps['conditionsOf']) {
  const { code } = useWords()
  const { dialog: words } = useTexts(HISTORY)
  const [title, setTitle] = useState(titleOf(item))
  const [kept] = useState(() => parse(item.my_decision ?? ''))
  const [mine, setMine] = useState(kept)
  const [outcome, setOutcome] = useState(() => parseOutcome(item.outcome))
  const read = useLoaded(
    item.final_decision === undefined ? undefined : () => conditionsOf(item.id),
    item.id,
  )
  const conditions = read.value ?? []
  // A title that was never given is the question, and may stay as long as it is.
  const titleChanged = title.trim() !== titleOf(item).trim()
  const textOf = (one: Mine): string => compose(one, conditions, code)
  const decision = textOf(mine)
  const turned = writeOutcome(outcome)
  const change: Remarks = {}
  if (titleChanged) change.title = title.trim()
  // What nobody touched stays as it was written, in whatever form.
  if (decision !== textOf(kept)) change.my_decision = decision === '' ? null : decision
  if (turned !== writeOutcome(parseOutcome(item.outcome))) change.outcome = turned
  const tooLong = (text: string, limit: number): string | undefined =>
    byteLength(text) > limit ? words.tooLong(limit) : undefined
  const longTitle = titleChanged ? tooLong(title.trim(), MAX_TITLE) : undefined
  const titleError = title.trim() === '' ? words.nameEmpty : longTitle
  const decisionError = change.my_decision === undefined ? undefined : tooLong(decision, MAX_REMARK)
  const outcomeError = tooLong(turned ?? '', MAX_REMARK)
  const unready = isFollowable(item) && mine.choice === 'other' && !isReady(mine)
  return {
    title,
    setTitle,
    titleError,
    mine,
    set: (more: Partial<Mine>) => setMine((old) => ({ ...old, ...more })),
    decisionError,
    conditions: allConditions(kept, conditions),
    unread: read.failed,
    outcome,
    setOutcome,
    outcomeError,
    change,
    wrong: unready || [titleError, decisionError, outcomeError].some((one) => one !== undefined),
  }
}

type Draft = ReturnType<typeof useDraft>

interface MyDecisionProps {
  item: Listed
  draft: Draft
  /** It is what the person came for. */
  first: boolean
}

/** The fields of the verdict card. */
function MyDecision({ item, draft, first }: MyDecisionProps) {
  const { verdict, room } = useWords()
  const { dialog: words } = useTexts(HISTORY)
  const id = useId()
  const { mine, conditions } = draft
  return (
    <section className="dialog-part" aria-labelledby={id}>
      <h3 id={id}>{room.decision.title}</h3>
      <Leaning mine={mine} />
      <DecisionFields
        mine={mine}
        verdict={isFollowable(item)}
        labelledBy={id}
        onChange={draft.set}
        none={words.undecided}
        error={draft.decisionError}
        autoFocus={first}
      />
      <Checklist
        title={verdict.conditions}
        points={conditions}
        met={mine.met}
        onChange={(met) => draft.set({ met, open: conditions.filter((one) => !met.includes(one)) })}
      />
      {draft.unread && (
        <p role="status" className="muted">
          {words.unread}
        </p>
      )}
    </section>
  )
}

function TurnedOut({ draft }: { draft: Draft }) {
  const { decision: words } = useWords().room
  const id = useId()
  return (
    <section className="dialog-part" aria-labelledby={id}>
      <h3 id={id}>{words.turned}</h3>
      <OutcomeFields
        outcome={draft.outcome}
        onChange={draft.setOutcome}
        error={draft.outcomeError}
      />
    </section>
  )
}
