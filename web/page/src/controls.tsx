import { randomHex, SAGES, sagesOf, type Sage, type View } from '@magi/stream'
import { useEffect, useRef, useState, type FormEvent, type KeyboardEvent } from 'react'
import { Button, Form, Label, TextArea, TextField } from 'react-aria-components'
import { can, hasSpoken } from './able.ts'
import { byteLength } from './format.ts'
import { Note as NoteIcon, Pause, Play } from './icons.tsx'
import { isSend } from './keys.ts'
import { Refused } from './refusal.tsx'
import type { Room, Shown } from './room.ts'
import { Segments } from './segments.tsx'
import { useSettings, useWords } from './settings.tsx'
import { Mark } from './shapes.tsx'
import { useShortcut } from './shortcuts.ts'
import { Stop } from './stop.tsx'

/** What can be done to the whole while it goes on: pause, tell it something, stop. */
export function Controls({
  room,
  shown,
  noting,
  onNote,
}: {
  room: Room
  shown: Shown
  noting: boolean
  onNote: () => void
}) {
  const { room: more } = useWords()
  const { view, doing } = shown
  const known = room.id !== undefined
  const paused = view.paused !== undefined
  const verb = paused ? 'resume' : 'pause'
  const pausable = known && can(view, verb)
  const toggle = (): void => void room.act('all', verb)
  useShortcut('p', pausable ? toggle : undefined)
  return (
    <div className="controls">
      {pausable && (
        <Button className="button" isDisabled={doing.has(`${verb}:all`)} onPress={toggle}>
          {paused ? <Play /> : <Pause />} {paused ? more.resume : more.pause}
        </Button>
      )}
      {known && can(view, 'note') && (
        <Button className="button" aria-expanded={noting} aria-controls="note" onPress={onNote}>
          <NoteIcon /> {more.note.open}
        </Button>
      )}
      <Stop room={room} shown={shown} />
    </div>
  )
}

const KINDS = ['fact', 'question', 'correction'] as const
type Kind = (typeof KINDS)[number]
type To = 'all' | Sage | 'judge'
/** The longest note that is taken, in bytes. */
const MAX_NOTE = 16_384

interface NoteProps {
  room: Room
  shown: Shown
  onClose: () => void
  onFollow: (id: string) => void
}

/** Tells the council something while it deliberates; once that is too late, offers to fork with it. */
export function NoteForm({ room, shown, onClose, onFollow }: NoteProps) {
  const words = useWords()
  const { note } = words.room
  const { sendKey } = useSettings()
  const { view, doing, refusals } = shown
  const [kind, setKind] = useState<Kind>('fact')
  const [to, setTo] = useState<To>('all')
  const [text, setText] = useState('')
  // The same words again are the same note, however often they are sent.
  const [key, setKey] = useState(() => randomHex(16))
  const composing = useRef(false)
  const box = useRef<HTMLTextAreaElement>(null)
  useEffect(() => box.current?.focus(), [])
  const late = hasSpoken(view)
  const whole = `${note.prefix[kind]}: ${text.trim()}`
  const tooLong = byteLength(whole) > MAX_NOTE
  const busy = doing.has('note:note') || doing.has('fork:note')
  const ready = text.trim() !== '' && !busy && !tooLong
  const refused = refusals.note !== undefined
  const forks = can(view, 'fork')

  const tell = async (): Promise<void> => {
    const agent = to === 'all' ? {} : { agent: to }
    const done = await room.act('note', 'note', { text: whole, ...agent, idempotency_key: key })
    if (!done) return
    setText('')
    setKey(randomHex(16))
    onClose()
  }
  const fork = async (): Promise<void> => {
    const keyed = can(view, 'idempotency') ? { idempotency_key: key } : {}
    const done = await room.act('note', 'fork', { note: whole, ...keyed })
    if (done) onFollow(done.id)
  }
  const submit = (event?: FormEvent): void => {
    event?.preventDefault()
    if (!ready) return
    if (!late) void tell()
    else if (forks) void fork()
  }
  const keyDown = (event: KeyboardEvent): void => {
    const { key: name, keyCode, shiftKey, altKey, ctrlKey, metaKey } = event
    const isComposing = event.nativeEvent.isComposing || composing.current
    if (name === 'Escape' && !isComposing) {
      // Esc in here leaves the note; the deliberation is stopped from outside of it.
      event.preventDefault()
      onClose()
    } else if (
      isSend({ key: name, keyCode, shiftKey, altKey, ctrlKey, metaKey, isComposing }, sendKey)
    ) {
      event.preventDefault()
      submit()
    }
  }
  const sages = view.council ? sagesOf(view) : SAGES
  return (
    <section className="note" id="note" aria-label={note.title}>
      <Form validationBehavior="aria" onSubmit={submit}>
        <div className="note-head">
          <Segments
            label={note.kind}
            value={kind}
            options={KINDS.map((id) => ({ id, label: note.kinds[id] }))}
            onChange={setKind}
          />
          {!late && (
            <Segments
              label={note.to}
              shown
              value={to}
              options={[
                { id: 'all' as To, label: note.all },
                ...sages.map((sage) => ({
                  id: sage as To,
                  label: <Mark of={sage} />,
                  name: words.sages[sage].name,
                })),
                { id: 'judge' as To, label: <Mark of="solomon" />, name: words.judge.name },
              ]}
              onChange={setTo}
            />
          )}
        </div>
        <TextField className="field" value={text} onChange={setText} onKeyDown={keyDown}>
          <Label className="visually-hidden">{note.title}</Label>
          <TextArea
            ref={box}
            className="note-input"
            rows={2}
            placeholder={note.hint[kind]}
            onCompositionStart={() => (composing.current = true)}
            onCompositionEnd={() => (composing.current = false)}
          />
        </TextField>
        <p className="note-about">{tooLong ? note.tooLong : late ? note.late : note.about}</p>
        {view.mode === 'rehearsal' && <p className="note-about">{note.rehearsal}</p>}
        <Refused refusal={refusals.note} onForgive={() => room.forgive('note')} />
        <div className="form-row">
          <Button className="link-button" onPress={onClose}>
            {words.room.cancel}
          </Button>
          {(late || refused) && forks && (
            <Button
              className={late ? 'button primary' : 'button'}
              isDisabled={!ready}
              onPress={() => void fork()}
            >
              {note.fork}
            </Button>
          )}
          {!late && (
            <Button type="submit" className="button primary" isDisabled={!ready}>
              {note.send}
            </Button>
          )}
        </div>
      </Form>
    </section>
  )
}

/** What the council was told beside the question, oldest first. */
export function Notes({ view }: { view: View }) {
  const words = useWords()
  const { note } = words.room
  if (view.notes.length === 0) return null
  const name = (to: string): string => {
    if (to === 'all') return note.all
    const sage = SAGES.find((one) => one === to)
    return sage ? words.sages[sage].name : words.judge.name
  }
  return (
    <ul className="notes" aria-label={note.told}>
      {view.notes.map((one, index) => (
        <li key={index}>
          <span className="notes-to">
            <NoteIcon /> {note.toWhom(name(one.to))}
          </span>
          <p>{one.text}</p>
        </li>
      ))}
    </ul>
  )
}
