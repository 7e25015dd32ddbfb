import { Client, type Preset, type PresetWhole } from '@magi/stream'
import { useCallback, useEffect, useRef, useState } from 'react'
import { Button } from 'react-aria-components'
import { Warn } from './icons.tsx'
import { save } from './library.ts'
import { bodyOf, PresetEditor } from './preset-editor.tsx'
import {
  copyOf,
  draftOf,
  fileOf,
  formOf,
  freeName,
  parseFile,
  type PresetForm,
} from './preset-draft.ts'
import { go, hashOf } from './route.ts'
import { useWords } from './settings.tsx'
import { useTexts } from './texts.ts'
import { ruleText } from './verdict.tsx'
import { useWay } from './way.ts'
import { PRESETS, type PresetWords } from './words-presets.ts'

const why = (error: unknown): string => (error instanceof Error ? error.message : String(error))

type Listed = Preset & { builtin?: boolean; used?: number }

/** A text in the reader's language, or in the other where that is all there is. */
const told = (texts: Partial<Record<string, string>>, code: string): string =>
  texts[code] || texts['en'] || texts['ja'] || ''

/** The councils there are: read, copied, written, taken along. Only a server keeps them. */
export default function PresetsScreen({ preset }: { preset: string | undefined }) {
  const texts = useTexts(PRESETS)
  const { door } = useWay()
  const [list, setList] = useState<readonly Listed[]>()
  const [failed, setFailed] = useState('')
  const [said, setSaid] = useState('')
  const [writing, setWriting] = useState<PresetForm>()
  const client = door instanceof Client ? door : undefined
  const read = useCallback(async (): Promise<void> => {
    if (!client) return
    try {
      setList((await client.presets()) as Listed[])
      setFailed('')
    } catch (error) {
      setFailed(texts.failed(why(error)))
    }
  }, [client, texts])
  useEffect(() => void read(), [client])
  // Another address is another thing to look at.
  useEffect(() => setWriting(undefined), [preset])
  const names = list?.map((one) => one.name) ?? []
  const bases = list?.filter((one) => one.builtin !== false).map((one) => one.name) ?? ['default']
  const kept = (whole: PresetWhole): void => {
    setSaid(texts.saved(whole.name, whole.version))
    setWriting(undefined)
    void read()
    go({ name: 'preset', preset: whole.name })
  }
  if (!client) return <main className="screen" tabIndex={-1} />
  return (
    <main className="screen presets-screen" tabIndex={-1}>
      <p className="saved-note" role="status">
        {said}
      </p>
      {failed !== '' && (
        <div className="alert-box" role="alert">
          <p>{failed}</p>
          <Button className="button" onPress={() => void read()}>
            {texts.retry}
          </Button>
        </div>
      )}
      {writing ? (
        <NewPreset
          client={client}
          form={writing}
          bases={bases}
          onForm={setWriting}
          onSaved={kept}
          onCancel={() => setWriting(undefined)}
        />
      ) : preset !== undefined ? (
        <OnePreset
          key={preset}
          client={client}
          name={preset}
          bases={bases}
          onCopy={(whole) => setWriting(copyOf(whole, names))}
          onSaved={kept}
          onGone={() => {
            void read()
            go({ name: 'presets' })
          }}
        />
      ) : (
        <>
          <ListHead
            onNew={() => setWriting(formOf(freeName('my-council', names), { base: 'default' }))}
            onFile={(form) => setWriting(form)}
            names={names}
          />
          {!list && failed === '' && <p className="muted">{texts.loading}</p>}
          <ul className="preset-list">
            {list?.map((one) => (
              <PresetCard key={one.name} preset={one} texts={texts} />
            ))}
          </ul>
        </>
      )}
    </main>
  )
}

function ListHead({
  onNew,
  onFile,
  names,
}: {
  onNew: () => void
  onFile: (form: PresetForm) => void
  names: readonly string[]
}) {
  const texts = useTexts(PRESETS)
  const input = useRef<HTMLInputElement>(null)
  const [wrong, setWrong] = useState('')
  const take = async (file: File | undefined): Promise<void> => {
    if (!file) return
    try {
      setWrong('')
      onFile(parseFile(await file.text(), names))
    } catch (error) {
      const known = texts.importFailed as Record<string, string>
      setWrong(known[why(error)] ?? why(error))
    }
  }
  return (
    <>
      <header className="screen-head">
        <h1>{texts.title}</h1>
        <div className="screen-actions">
          <Button className="button" onPress={() => input.current?.click()}>
            {texts.import}
          </Button>
          <Button className="button" onPress={onNew}>
            {texts.create}
          </Button>
          <input
            ref={input}
            type="file"
            accept="application/json,.json"
            hidden
            aria-label={texts.import}
            onChange={(event) => {
              void take(event.target.files?.[0])
              event.target.value = ''
            }}
          />
        </div>
      </header>
      <p className="muted presets-intro">{texts.intro}</p>
      <p className="field-error" role="alert">
        {wrong}
      </p>
    </>
  )
}

function PresetCard({ preset, texts }: { preset: Listed; texts: PresetWords }) {
  const words = useWords()
  const title = told(preset.title, words.code) || preset.name
  return (
    <li className="preset-card">
      <h2>
        <a href={hashOf({ name: 'preset', preset: preset.name })}>{title}</a>
      </h2>
      <p className="preset-facts">
        <code>{preset.name}</code> · {texts.version(preset.version)} ·{' '}
        {preset.builtin === false ? texts.own : texts.builtin}
        {preset.used ? ` · ${texts.used(preset.used)}` : ''}
      </p>
      <p>{told(preset.good_for, words.code)}</p>
      <p className="bad-at">
        <Warn /> <strong>{texts.badAt}:</strong> {told(preset.bad_at, words.code)}
      </p>
      <p className="preset-facts">
        {ruleText(words, preset.rule)} · {texts.quorum} {preset.quorum}
      </p>
    </li>
  )
}

/** Reads a preset whole; `undefined` while it is on its way. */
function useWhole(client: Client, name: string, version?: number, round = 0) {
  const [state, setState] = useState<{ whole?: PresetWhole; failed?: string }>({})
  useEffect(() => {
    let here = true
    setState({})
    client.preset(name, version).then(
      (whole) => here && setState({ whole }),
      (error: unknown) => here && setState({ failed: why(error) }),
    )
    return () => {
      here = false
    }
  }, [client, name, version, round])
  return state
}

interface NewProps {
  client: Client
  form: PresetForm
  bases: readonly string[]
  onForm: (form: PresetForm) => void
  onSaved: (whole: PresetWhole) => void
  onCancel: () => void
}

function NewPreset({ client, form, bases, onForm, onSaved, onCancel }: NewProps) {
  const texts = useTexts(PRESETS)
  const { whole } = useWhole(client, form.base)
  return (
    <>
      <header className="screen-head">
        <h1>{texts.newTitle}</h1>
      </header>
      <PresetEditor
        form={form}
        whole={whole}
        bases={bases}
        isNew
        readOnly={false}
        onForm={onForm}
        onCancel={onCancel}
        onSave={async () => onSaved(await client.savePreset(form.name, bodyOf(form, 0)))}
      />
    </>
  )
}

interface OneProps {
  client: Client
  name: string
  bases: readonly string[]
  onCopy: (whole: PresetWhole) => void
  onSaved: (whole: PresetWhole) => void
  onGone: () => void
}

function OnePreset({ client, name, bases, onCopy, onSaved, onGone }: OneProps) {
  const texts = useTexts(PRESETS)
  const [version, setVersion] = useState<number>()
  // What was saved here is read again.
  const [round, setRound] = useState(0)
  const { whole, failed } = useWhole(client, name, version, round)
  const saved = (next: PresetWhole): void => {
    setVersion(undefined)
    setRound((old) => old + 1)
    onSaved(next)
  }
  const [form, setForm] = useState<PresetForm>()
  const [refused, setRefused] = useState('')
  useEffect(() => setForm(undefined), [whole])
  if (failed !== undefined)
    return (
      <div className="alert-box" role="alert">
        <p>{texts.failed(failed)}</p>
        <a className="button" href={hashOf({ name: 'presets' })}>
          {texts.back}
        </a>
      </div>
    )
  if (!whole) return <p className="muted">{texts.loading}</p>
  const newest = whole.versions.at(-1)?.version ?? whole.version
  const old = whole.version !== newest
  const readOnly = whole.builtin || old
  const remove = async (): Promise<void> => {
    try {
      await client.deletePreset(name)
      onGone()
    } catch (error) {
      setRefused(why(error))
    }
  }
  return (
    <>
      <OneHead whole={whole} refused={refused} onCopy={onCopy} onRemove={() => void remove()} />
      {whole.builtin && <p className="notice">{texts.readOnly}</p>}
      {old && (
        <p className="notice">
          {texts.oldVersion(whole.version)}{' '}
          <Button className="link-button" onPress={() => setVersion(undefined)}>
            {texts.newest}
          </Button>
          {!whole.builtin && (
            <Button
              className="link-button"
              onPress={() => {
                const from = formOf(name, whole)
                void client
                  .savePreset(name, bodyOf(from, newest))
                  .then(saved, (error: unknown) => setRefused(why(error)))
              }}
            >
              {texts.restore}
            </Button>
          )}
        </p>
      )}
      <PresetEditor
        form={form ?? formOf(name, whole)}
        whole={whole}
        bases={bases}
        isNew={false}
        readOnly={readOnly}
        onForm={setForm}
        onCancel={form ? () => setForm(undefined) : undefined}
        onSave={async () =>
          saved(await client.savePreset(name, bodyOf(form ?? formOf(name, whole), newest)))
        }
      />
      <Versions whole={whole} onVersion={setVersion} />
    </>
  )
}

interface HeadProps {
  whole: PresetWhole
  refused: string
  onCopy: (whole: PresetWhole) => void
  onRemove: () => void
}

function OneHead({ whole, refused, onCopy, onRemove }: HeadProps) {
  const texts = useTexts(PRESETS)
  const words = useWords()
  const { name } = whole
  // Nothing brings it back by itself, so one press is not enough.
  const [sure, setSure] = useState(false)
  return (
    <header className="screen-head">
      <div>
        <p>
          <a className="back-link" href={hashOf({ name: 'presets' })}>
            {texts.back}
          </a>
        </p>
        <h1>{told({ ...whole.title }, words.code) || name}</h1>
        <p className="preset-facts">
          <code>{name}</code> · {texts.version(whole.version)} ·{' '}
          {whole.builtin ? texts.builtin : texts.own} · {texts.used(whole.used)}
        </p>
        <p className="bad-at">
          <Warn /> <strong>{texts.badAt}:</strong> {told({ ...whole.bad_at }, words.code)}
        </p>
        <p role="alert" className="field-error">
          {refused}
        </p>
      </div>
      <div className="screen-actions">
        <Button className="button" onPress={() => onCopy(whole)}>
          {texts.copy}
        </Button>
        <Button
          className="button"
          onPress={() =>
            save(fileOf(name, draftOf(formOf(name, whole))), `magi-preset-${name}.json`)
          }
        >
          {texts.export}
        </Button>
        {!whole.builtin && (
          <Button className="button" onPress={() => (sure ? onRemove() : setSure(true))}>
            {sure ? texts.removeSure : texts.remove}
          </Button>
        )}
      </div>
    </header>
  )
}

function Versions({
  whole,
  onVersion,
}: {
  whole: PresetWhole
  onVersion: (version: number) => void
}) {
  const texts = useTexts(PRESETS)
  const words = useWords()
  if (whole.versions.length < 2) return null
  return (
    <section className="versions" aria-labelledby="versions-title">
      <h2 id="versions-title">{texts.sections.versions}</h2>
      <ol reversed>
        {whole.versions.toReversed().map(({ version, saved_at }) => (
          <li key={version}>
            <Button
              className="link-button"
              isDisabled={version === whole.version}
              onPress={() => onVersion(version)}
            >
              {texts.versionOf(version, saved_at ? words.when(new Date(saved_at)) : '')}
            </Button>
          </li>
        ))}
      </ol>
    </section>
  )
}
