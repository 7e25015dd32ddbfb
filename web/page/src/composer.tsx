import type { Question } from '@magi/stream'
import { useRef, useState, type KeyboardEvent } from 'react'
import {
  Button,
  FieldError,
  Form,
  Label,
  TextArea,
  TextField,
  ToggleButton,
  ToggleButtonGroup,
} from 'react-aria-components'
import { byteLength } from './format.ts'
import { Enter, Plus } from './icons.tsx'
import { isSend } from './keys.ts'
import { useWords } from './settings.tsx'

/** The longest question every door takes, in bytes. */
const MAX_QUESTION = 16_384

type AnswerLang = 'auto' | 'ja' | 'en'

interface ComposerProps {
  draft: string
  onDraft: (text: string) => void
  onAsk: (question: Question) => void
}

/** Where a question is put. Enter convenes, except while an input method is composing. */
export function Composer({ draft, onDraft, onAsk }: ComposerProps) {
  const words = useWords()
  const [context, setContext] = useState<string>()
  const [lang, setLang] = useState<AnswerLang>('auto')
  const composing = useRef(false)
  const bytes = byteLength(draft)
  const tooLong = bytes > MAX_QUESTION
  const ready = draft.trim() !== '' && !tooLong

  const convene = (): void => {
    if (!ready) return
    const question: Question = { question: draft.trim(), lang }
    if (context !== undefined && context.trim() !== '') question.context = context
    onAsk(question)
  }
  const keyDown = (event: KeyboardEvent): void => {
    const { key, keyCode, shiftKey, altKey } = event
    const isComposing = event.nativeEvent.isComposing || composing.current
    if (!isSend({ key, keyCode, shiftKey, altKey, isComposing })) return
    event.preventDefault()
    convene()
  }

  return (
    <Form
      className="composer"
      validationBehavior="aria"
      onSubmit={(event) => {
        event.preventDefault()
        convene()
      }}
    >
      <TextField className="field" value={draft} onChange={onDraft} isInvalid={tooLong}>
        <Label className="visually-hidden">{words.question}</Label>
        <TextArea
          className="question-input"
          rows={3}
          placeholder={words.questionHint}
          onKeyDown={keyDown}
          onCompositionStart={() => (composing.current = true)}
          onCompositionEnd={() => (composing.current = false)}
        />
        <FieldError className="field-error">
          {tooLong && words.tooLong(bytes, MAX_QUESTION)}
        </FieldError>
      </TextField>
      {context !== undefined && (
        <TextField className="field" value={context} onChange={setContext}>
          <Label className="field-label">{words.context}</Label>
          <TextArea className="context-input" rows={5} placeholder={words.contextHint} />
        </TextField>
      )}
      <div className="composer-row">
        {context === undefined && (
          <Button className="link-button" onPress={() => setContext('')}>
            <Plus /> {words.addContext}
          </Button>
        )}
        <div className="composer-lang">
          <span id="answer-lang">{words.answerIn}</span>
          <ToggleButtonGroup
            className="segments"
            aria-labelledby="answer-lang"
            selectionMode="single"
            disallowEmptySelection
            selectedKeys={[lang]}
            onSelectionChange={(keys) => setLang([...keys][0] as AnswerLang)}
          >
            <ToggleButton id="auto">{words.auto}</ToggleButton>
            <ToggleButton id="ja">
              <span lang="ja">日本語</span>
            </ToggleButton>
            <ToggleButton id="en">
              <span lang="en">English</span>
            </ToggleButton>
          </ToggleButtonGroup>
        </div>
        <Button type="submit" className="convene" isDisabled={!ready}>
          {words.convene} <Enter />
        </Button>
      </div>
      <p className="composer-hint">{words.enterHint}</p>
    </Form>
  )
}
