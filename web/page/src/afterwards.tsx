import { randomHex, sagesOf, type Done, type Sage, type View } from '@magi/stream'
import { useState, type FormEvent, type ReactNode } from 'react'
import { Button, Form, Label, TextArea, TextField } from 'react-aria-components'
import { can } from './able.ts'
import { votesIn } from './format.ts'
import { ModelField } from './model-field.tsx'
import { Sheet } from './sheet.tsx'
import { Refused } from './refusal.tsx'
import type { Room, Shown } from './room.ts'
import { Segments } from './segments.tsx'
import { useWords } from './settings.tsx'
import { Mark } from './shapes.tsx'
import { decisionOf } from './stability.ts'
import { useTexts } from './texts.ts'
import { STABILITY } from './words-stability.ts'

/** What can be begun from a deliberation as a linked one. */
export type Wish =
  | { kind: 'rejudge' }
  /** One of the council again, the others' votes kept. */
  | { kind: 'again'; who: Sage | 'judge' }
  | { kind: 'tell' }

interface Props {
  room: Room
  shown: Shown
  wish: Wish
  onClose: () => void
  onFollow: (id: string) => void
  /** The same votes are judged so often in other orders: that is followed from here. */
  onStability: (ids: readonly string[]) => void
}

/** Asks what is to be other, and begins the linked deliberation. */
export function Afterwards(props: Props) {
  const { room: words } = useWords()
  const { wish, onClose } = props
  return (
    <Sheet title={words.after.title[wish.kind]} onClose={onClose}>
      {wish.kind === 'rejudge' && <Rejudge {...props} />}
      {wish.kind === 'again' && <AskAgain {...props} who={wish.who} />}
      {wish.kind === 'tell' && <Tell {...props} />}
    </Sheet>
  )
}

interface ShellProps {
  props: Props
  about: string
  ready?: boolean
  submit: string
  /** The verb and its body. */
  said: ['rejudge' | 'fork', Record<string, unknown>]
  /** Default: what was begun is followed. */
  onDone?: (done: Done) => void
  children: ReactNode
}

/** The frame of the three forms: what it does, its fields, its refusal, its button. */
function Shell(shell: ShellProps) {
  const { props, about, ready = true, submit, children } = shell
  const [verb, body] = shell.said
  const { room: words } = useWords()
  const { room, shown, onClose, onFollow } = props
  // The same form twice is one wish; another body under one key would be refused.
  const [keys] = useState(() => new Map<string, string>())
  const busy = shown.doing.has(`${verb}:after`)
  const keyOf = (): Record<string, unknown> => {
    if (!can(shown.view, 'idempotency')) return {}
    const same = JSON.stringify(body)
    const key = keys.get(same) ?? randomHex(16)
    keys.set(same, key)
    return { idempotency_key: key }
  }
  const send = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    if (!ready || busy) return
    const done = await room.act('after', verb, { ...body, ...keyOf() })
    if (!done) return
    onClose()
    if (shell.onDone) shell.onDone(done)
    else onFollow(done.id)
  }
  return (
    <Form className="sheet-form" validationBehavior="aria" onSubmit={(event) => void send(event)}>
      <p className="sheet-about">{about}</p>
      {children}
      <Refused refusal={shown.refusals.after} onForgive={() => room.forgive('after')} />
      <div className="form-row">
        <Button className="link-button" onPress={onClose}>
          {words.cancel}
        </Button>
        <Button type="submit" className="button primary" isDisabled={!ready || busy}>
          {submit}
        </Button>
      </div>
    </Form>
  )
}

/** How often the same votes can be judged at once. */
const TIMES = ['1', '3', '5', '9'] as const

type RuleChoice = 'same' | 'majority' | 'unanimous' | 'judge'

function Rejudge(props: Props) {
  const words = useWords()
  const { after } = words.room
  const stability = useTexts(STABILITY)
  const [times, setTimes] = useState<(typeof TIMES)[number]>('1')
  const [rule, setRule] = useState<RuleChoice>('same')
  const [model, setModel] = useState('')
  const body: Record<string, unknown> = {}
  if (rule !== 'same') body['council'] = { rule }
  if (model.trim() !== '') body['model'] = model.trim()
  const often = times !== '1'
  if (often) body['stability'] = Number(times)
  return (
    <Shell
      props={props}
      about={often ? stability.about(Number(times)) : after.rejudge}
      submit={after.judge}
      said={['rejudge', body]}
      {...(often ? { onDone: (done) => props.onStability(done.ids) } : {})}
    >
      {/* Without a judgment there is nothing that others could differ from. */}
      {decisionOf(props.shown.view) !== undefined && (
        <>
          <Segments
            label={stability.label}
            shown
            value={times}
            options={TIMES.map((id) => ({ id, label: stability.times(Number(id)) }))}
            onChange={setTimes}
          />
          {!often && <p className="muted">{stability.why}</p>}
        </>
      )}
      <Segments
        label={words.verdict.rule}
        shown
        value={rule}
        options={(['same', 'majority', 'unanimous', 'judge'] as const).map((id) => ({
          id,
          label: after.rules[id],
        }))}
        onChange={setRule}
      />
      <ModelField value={model} onChange={setModel} />
    </Shell>
  )
}

function AskAgain({ who: first, ...props }: Props & { who: Sage | 'judge' }) {
  const words = useWords()
  const { after } = words.room
  const { view } = props.shown
  const [who, setWho] = useState(first)
  const [model, setModel] = useState('')
  const named = model.trim() !== ''
  const body = { agent: who, ...(named ? { model: model.trim() } : {}) }
  return (
    <Shell
      props={props}
      about={view.end ? after.again : after.againNow}
      // A judge of the same model in the same order has nothing else to say: that is a re-judgement.
      ready={who !== 'judge' || named}
      submit={after.ask}
      said={['fork', body]}
    >
      <Segments<Sage | 'judge'>
        label={after.who}
        shown
        value={who}
        options={[...sagesOf(view), 'judge' as const].map((one) => ({
          id: one,
          label: (
            <>
              <Mark of={one === 'judge' ? 'solomon' : one} />{' '}
              {one === 'judge' ? words.judge.name : words.sages[one].name}
            </>
          ),
        }))}
        onChange={setWho}
      />
      <ModelField value={model} onChange={setModel} />
    </Shell>
  )
}

function Tell(props: Props) {
  const { after, note } = useWords().room
  const [text, setText] = useState('')
  return (
    <Shell
      props={props}
      about={after.tell}
      ready={text.trim() !== ''}
      submit={after.fork}
      said={['fork', { note: text.trim() }]}
    >
      <TextField className="field" value={text} onChange={setText}>
        <Label className="field-label">{note.title}</Label>
        <TextArea className="note-input" rows={4} placeholder={note.hint.fact} />
      </TextField>
    </Shell>
  )
}

/** The buttons that begin a linked deliberation from one that is over. */
export function AfterButtons({ view, onWish }: { view: View; onWish: (wish: Wish) => void }) {
  const { after } = useWords().room
  const { end } = view
  if (!end) return null
  const sages = sagesOf(view)
  const voted = votesIn(view) > 0
  const first = sages[0] ?? 'caspar'
  return (
    <>
      {voted && can(view, 'rejudge') && (
        <Button className="button" onPress={() => onWish({ kind: 'rejudge' })}>
          {after.open.rejudge}
        </Button>
      )}
      {can(view, 'fork') && (
        <Button className="button" onPress={() => onWish({ kind: 'again', who: first })}>
          {after.open.again}
        </Button>
      )}
      {can(view, 'fork') && (
        <Button className="button" onPress={() => onWish({ kind: 'tell' })}>
          {after.open.tell}
        </Button>
      )}
    </>
  )
}
