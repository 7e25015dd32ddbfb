import type { Preset, Question } from '@magi/stream'
import { useEffect, useRef, useState, type DragEvent, type KeyboardEvent } from 'react'
import {
  Button,
  FieldError,
  FileTrigger,
  Form,
  Label,
  TextArea,
  TextField,
} from 'react-aria-components'
import { questionWanted } from './focus.ts'
import { byteLength } from './format.ts'
import { Clip, Enter, Plus } from './icons.tsx'
import { isSend } from './keys.ts'
import { MAX_CONTEXT, withFiles, type Unread } from './material.ts'
import { PresetChoice } from './preset-choice.tsx'
import { Segments } from './segments.tsx'
import { useSettings, useWords } from './settings.tsx'
import { useShortcut } from './shortcuts.ts'

/** The longest question every door takes, in bytes. */
const MAX_QUESTION = 16_384

type AnswerLang = 'auto' | 'ja' | 'en'

interface ComposerProps {
  draft: string
  /** The name of the preset that is chosen first. */
  first?: string | undefined
  onDraft: (text: string) => void
  /** `leaning` is the person's own, which the council never sees. */
  onAsk: (question: Question, leaning: string) => void
  presets: readonly Preset[]
  /** Whether what a person leans to can be kept beside the deliberation. */
  keeps: boolean
}

/** Where a question is put. Enter convenes, except while an input method is composing. */
export function Composer({
  draft,
  first = 'default',
  onDraft,
  onAsk,
  presets,
  keeps,
}: ComposerProps) {
  const words = useWords()
  const [context, setContext] = useState<string>()
  const [leaning, setLeaning] = useState<string>()
  const [lang, setLang] = useState<AnswerLang>('auto')
  const [wanted, setPreset] = useState(first)
  const [unread, setUnread] = useState<Unread[]>([])
  const [over, setOver] = useState(false)
  // One that was deleted since cannot be asked again.
  const preset = presets.some(({ name }) => name === wanted) ? wanted : 'default'
  const bytes = byteLength(draft)
  const tooLong = bytes > MAX_QUESTION
  const contextBytes = byteLength(context ?? '')
  const ready = draft.trim() !== '' && !tooLong && contextBytes <= MAX_CONTEXT
  const box = useRef<HTMLTextAreaElement>(null)
  useShortcut('/', () => box.current?.focus())
  useEffect(() => {
    if (questionWanted()) box.current?.focus()
  }, [])

  const convene = (): void => {
    if (!ready) return
    const question: Question = { question: draft.trim(), lang }
    if (context !== undefined && context.trim() !== '') question.context = context
    if (presets.some((one) => one.name === preset)) question.preset = preset
    onAsk(question, leaning ?? '')
  }
  const take = async (files: Iterable<File>): Promise<void> => {
    const read = await withFiles(context ?? '', [...files])
    setContext(read.text)
    setUnread(read.unread)
  }
  const drop = {
    onDragOver: (event: DragEvent) => {
      if (!event.dataTransfer.types.includes('Files')) return
      event.preventDefault()
      setOver(true)
    },
    onDragLeave: () => setOver(false),
    onDrop: (event: DragEvent) => {
      setOver(false)
      if (event.dataTransfer.files.length === 0) return
      event.preventDefault()
      void take(event.dataTransfer.files)
    },
  }

  return (
    <Form
      className="composer"
      data-dropping={over || undefined}
      validationBehavior="aria"
      {...drop}
      onSubmit={(event) => {
        event.preventDefault()
        convene()
      }}
    >
      <TextField className="field" value={draft} onChange={onDraft} isInvalid={tooLong}>
        <Label className="visually-hidden">{words.question}</Label>
        <QuestionBox box={box} onSend={convene} />
        <FieldError className="field-error">
          {tooLong && words.tooLong(bytes, MAX_QUESTION)}
        </FieldError>
      </TextField>
      {context !== undefined && (
        <Context text={context} bytes={contextBytes} unread={unread} onChange={setContext} />
      )}
      {leaning !== undefined && (
        <TextField className="field" value={leaning} onChange={setLeaning}>
          <Label className="field-label">{words.room.leaning.label}</Label>
          <TextArea className="note-input" rows={2} placeholder={words.room.leaning.hint} />
        </TextField>
      )}
      <PresetChoice presets={presets} value={preset} onChange={setPreset} />
      <div className="composer-row">
        {context === undefined && (
          <Button className="link-button" onPress={() => setContext('')}>
            <Plus /> {words.addContext}
          </Button>
        )}
        <FileTrigger allowsMultiple onSelect={(files) => files && void take(files)}>
          <Button className="link-button">
            <Clip /> {words.room.context.attach}
          </Button>
        </FileTrigger>
        {keeps && leaning === undefined && (
          <Button className="link-button" onPress={() => setLeaning('')}>
            <Plus /> {words.room.leaning.add}
          </Button>
        )}
        <div className="composer-lang">
          <Segments<AnswerLang>
            label={words.answerIn}
            shown
            value={lang}
            options={[
              { id: 'auto', label: words.auto },
              { id: 'ja', label: <span lang="ja">日本語</span> },
              { id: 'en', label: <span lang="en">English</span> },
            ]}
            onChange={setLang}
          />
        </div>
        <Button type="submit" className="convene" isDisabled={!ready}>
          {words.convene} <Enter />
        </Button>
      </div>
      <SendHint />
      {over && <p className="drop-here">{words.room.context.drop}</p>}
    </Form>
  )
}

function SendHint() {
  const words = useWords()
  const { sendKey } = useSettings()
  return (
    <p className="composer-hint">
      {sendKey === 'enter' ? words.enterHint : words.room.settings.modHint}
    </p>
  )
}

interface BoxProps {
  box: React.RefObject<HTMLTextAreaElement | null>
  onSend: () => void
}

/** The question's own box: what sends is the person's choice, and never the end of a conversion. */
function QuestionBox({ box, onSend }: BoxProps) {
  const words = useWords()
  const { sendKey } = useSettings()
  const composing = useRef(false)
  const keyDown = (event: KeyboardEvent): void => {
    const { key, keyCode, shiftKey, altKey, ctrlKey, metaKey } = event
    const isComposing = event.nativeEvent.isComposing || composing.current
    const pressed = { key, keyCode, shiftKey, altKey, ctrlKey, metaKey, isComposing }
    if (!isSend(pressed, sendKey)) return
    event.preventDefault()
    onSend()
  }
  return (
    <TextArea
      ref={box}
      className="question-input"
      rows={3}
      placeholder={words.questionHint}
      onKeyDown={keyDown}
      onCompositionStart={() => (composing.current = true)}
      onCompositionEnd={() => (composing.current = false)}
    />
  )
}

interface ContextProps {
  text: string
  bytes: number
  unread: readonly Unread[]
  onChange: (text: string) => void
}

function Context({ text, bytes, unread, onChange }: ContextProps) {
  const words = useWords()
  const { context } = words.room
  return (
    <TextField className="field" value={text} onChange={onChange} isInvalid={bytes > MAX_CONTEXT}>
      <Label className="field-label">
        {words.context} <span className="context-size">{context.size(bytes, MAX_CONTEXT)}</span>
      </Label>
      <TextArea className="context-input" rows={5} placeholder={words.contextHint} />
      <FieldError className="field-error">{context.tooLong(bytes, MAX_CONTEXT)}</FieldError>
      <div role="status">
        {unread.map((one, index) => (
          <p key={index} className="field-error">
            {context.unread(one)}
          </p>
        ))}
      </div>
    </TextField>
  )
}
