import type { Listed, Remarks } from '@magi/stream'
import { useState } from 'react'
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
  Radio,
  RadioGroup,
  TextArea,
  TextField,
} from 'react-aria-components'
import { titleOf } from './carry.ts'
import { byteLength } from './format.ts'
import { OUTCOMES, parseOutcome, writeOutcome, type OutcomeWord } from './outcome.ts'
import { useTexts } from './texts.ts'
import { HISTORY } from './words-history.ts'

/** The longest title and the longest remark a server takes, in bytes. */
const MAX_TITLE = 512
const MAX_REMARK = 16_384

interface DialogProps {
  item: Listed
  /** Which field is wanted first. */
  field: 'title' | 'decision'
  onSave: (change: Remarks) => Promise<void>
  onClose: () => void
}

/** What a person writes beside a verdict: a title, their own decision, and how it turned out. */
export function RemarksDialog({ item, field, onSave, onClose }: DialogProps) {
  const { dialog: words, outcome: outcomes } = useTexts(HISTORY)
  const before = parseOutcome(item.outcome)
  const [title, setTitle] = useState(titleOf(item))
  const [decision, setDecision] = useState(item.my_decision ?? '')
  const [word, setWord] = useState<OutcomeWord | ''>(before.word ?? '')
  const [note, setNote] = useState(before.note)
  const [failed, setFailed] = useState('')
  const [saving, setSaving] = useState(false)
  const outcome = writeOutcome({ word: word === '' ? undefined : word, note })
  const longTitle = byteLength(title.trim()) > MAX_TITLE
  // A title that was never given is the question, and may stay as long as it is.
  const titleChanged = title.trim() !== titleOf(item).trim()
  const noTitle = title.trim() === ''
  const longDecision = byteLength(decision) > MAX_REMARK
  const longNote = byteLength(outcome ?? '') > MAX_REMARK
  const wrong = noTitle || (titleChanged && longTitle) || longDecision || longNote

  const save = async (): Promise<void> => {
    if (wrong || saving) return
    const change: Remarks = {}
    if (titleChanged) change.title = title.trim()
    const mine = decision.trim() === '' ? null : decision.trim()
    if (mine !== (item.my_decision ?? null)) change.my_decision = mine
    if (outcome !== (item.outcome ?? null)) change.outcome = outcome
    setSaving(true)
    try {
      if (Object.keys(change).length > 0) await onSave(change)
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
              value={title}
              onChange={setTitle}
              isInvalid={noTitle || (titleChanged && longTitle)}
              autoFocus={field === 'title'}
            >
              <Label>{words.name}</Label>
              <Input />
              <FieldError className="field-error">
                {noTitle ? words.nameEmpty : words.tooLong(MAX_TITLE)}
              </FieldError>
            </TextField>
            <TextField
              className="input"
              value={decision}
              onChange={setDecision}
              isInvalid={longDecision}
              autoFocus={field === 'decision'}
            >
              <Label>{words.decision}</Label>
              <TextArea rows={3} placeholder={words.decisionHint} />
              <FieldError className="field-error">{words.tooLong(MAX_REMARK)}</FieldError>
            </TextField>
            <RadioGroup
              className="input"
              value={word}
              onChange={(value) => setWord(value as OutcomeWord | '')}
              orientation="horizontal"
            >
              <Label>{words.outcome}</Label>
              <div className="radios">
                <Radio value="">{words.unknown}</Radio>
                {OUTCOMES.map((one) => (
                  <Radio key={one} value={one}>
                    {outcomes[one]}
                  </Radio>
                ))}
              </div>
            </RadioGroup>
            <TextField className="input" value={note} onChange={setNote} isInvalid={longNote}>
              <Label>{words.note}</Label>
              <TextArea rows={2} placeholder={words.noteHint} />
              <FieldError className="field-error">{words.tooLong(MAX_REMARK)}</FieldError>
            </TextField>
            <p role="alert" className="field-error">
              {failed}
            </p>
            <div className="dialog-actions">
              <Button className="button" onPress={onClose}>
                {words.cancel}
              </Button>
              <Button type="submit" className="convene" isDisabled={wrong || saving}>
                {words.save}
              </Button>
            </div>
          </Form>
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}
