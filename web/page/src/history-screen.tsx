import { EMPTY, type ExportFormat, type Listed, type Remarks } from '@magi/stream'
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { Button } from 'react-aria-components'
import { againOf, followOf, titleOf, type Carry } from './carry.ts'
import { Chart } from './chart.tsx'
import { Chunks } from './chunks.tsx'
import type { Deletions } from './deletions.ts'
import { HistoryFilters } from './history-filters.tsx'
import { beforeOf, HistoryRow, type RowActions } from './history-row.tsx'
import { save, type Library } from './library.ts'
import { OwnNote } from './own-note.tsx'
import { RemarksDialog } from './remarks-dialog.tsx'
import { usePresetNames } from './preset-names.ts'
import { go, hashOf } from './route.ts'
import { useWords } from './settings.tsx'
import { tab } from './storage.ts'
import { useTexts } from './texts.ts'
import { allOf, isFiltered, NO_FILTERS, useHistory, type Filters } from './use-history.ts'
import { useWay } from './way.ts'
import { HISTORY } from './words-history.ts'

const KEPT = 'magi.history'

/** What was asked for before a deliberation was opened, so that coming back finds the same list. */
function lastFilters(): Filters {
  try {
    return { ...NO_FILTERS, ...(JSON.parse(tab.read(KEPT) ?? '{}') as Partial<Filters>) }
  } catch {
    return NO_FILTERS
  }
}

interface HistoryProps {
  deletions: Deletions
  onCarry: (carry: Carry) => void
}

/** Every deliberation there was: found again, understood later, compared, asked again, taken along. */
export default function HistoryScreen({ deletions, onCarry }: HistoryProps) {
  const texts = useTexts(HISTORY)
  const { library } = useWay()
  const [filters, setFilters] = useState(lastFilters)
  const list = useHistory(library, filters)
  const under = useSyncExternalStore(deletions.subscribe, deletions.list)
  const [chosen, setChosen] = useState<readonly string[]>([])
  const [editing, setEditing] = useState<{ item: Listed; field: 'title' | 'decision' }>()
  const [failed, setFailed] = useState('')
  useEffect(() => tab.write(KEPT, JSON.stringify(filters)), [filters])

  const items = useMemo(() => {
    const going = new Set([...under.filter((one) => one.state !== 'failed').map((one) => one.id)])
    const gone = deletions.gone()
    return list.items.filter((item) => !going.has(item.id) && !gone.has(item.id))
  }, [list.items, under, deletions])

  const actions = useActions(library, deletions, onCarry, setChosen, setEditing, (why) =>
    setFailed(texts.actionFailed(why)),
  )
  const presetName = usePresetNames()
  const row = useCallback(
    (item: Listed) => (
      <HistoryRow
        item={item}
        library={library}
        chosen={chosen.includes(item.id)}
        actions={actions}
        presetName={presetName}
        before={beforeOf(item, list.items)}
      />
    ),
    [library, chosen, actions, presetName, list.items],
  )
  const filtered = isFiltered(filters)
  // What only waits to be deleted is still there.
  const left = list.items.filter((item) => !deletions.gone().has(item.id))
  const none = list.state === 'there' && left.length === 0 && !list.more
  return (
    <main className="screen history-screen" tabIndex={-1}>
      <header className="screen-head">
        <h1>{texts.title}</h1>
        <p className="muted" role="status">
          {list.state === 'there' && !none && texts.shown(items.length, list.more)}
        </p>
        {!none && <CsvButton library={library} filters={filters} onFailed={setFailed} />}
      </header>
      {library.kind === 'own' && <OwnNote ask={library.promised} />}
      {(filtered || !none) && (
        <HistoryFilters
          library={library}
          filters={filters}
          onFilters={setFilters}
          presetName={presetName}
        />
      )}
      <p className="history-failed" role="alert">
        {failed}
      </p>
      {list.state === 'failed' && (
        <div className="alert-box" role="alert">
          <p>{texts.failed(list.why)}</p>
          <Button className="button" onPress={list.again}>
            {texts.retry}
          </Button>
        </div>
      )}
      {none && (filtered ? <Nothing onClear={() => setFilters(NO_FILTERS)} /> : <Empty />)}
      {items.length > 0 && (
        <div aria-busy={list.state === 'asking'}>
          <Chunks items={items} label={texts.list} row={row} />
        </div>
      )}
      {list.more && <Further onNear={list.loadMore} count={list.items.length} label={texts.more} />}
      {chosen.length > 0 && <Choice chosen={chosen} onDrop={() => setChosen([])} />}
      {editing && (
        <RemarksDialog
          item={editing.item}
          field={editing.field}
          conditionsOf={async (id) => {
            const { verdict } = await library.snapshot(id)
            return verdict?.solomon_judgment.conditions ?? []
          }}
          onClose={() => setEditing(undefined)}
          onSave={async (change) => {
            await library.remark(editing.item.id, change)
            list.change(editing.item.id, written(change))
          }}
        />
      )}
    </main>
  )
}

/** The change as a row has it: what was cleared is not there. */
const written = (change: Remarks): Partial<Listed> =>
  Object.fromEntries(
    Object.entries(change).map(([name, value]) => [name, value ?? undefined]),
  ) as Partial<Listed>

function useActions(
  library: Library,
  deletions: Deletions,
  onCarry: (carry: Carry) => void,
  setChosen: (change: (old: readonly string[]) => readonly string[]) => void,
  setEditing: (editing: { item: Listed; field: 'title' | 'decision' }) => void,
  onFailed: (why: string) => void,
): RowActions {
  const latest = useRef({ onCarry, onFailed })
  latest.current = { onCarry, onFailed }
  return useMemo(() => {
    const attempt = (work: Promise<void>): void =>
      void work.catch((error: unknown) =>
        latest.current.onFailed(error instanceof Error ? error.message : String(error)),
      )
    return {
      // The third choice takes the place of the second.
      choose: (item, now) =>
        setChosen((old) =>
          now ? [...old.slice(0, 1), item.id] : old.filter((id) => id !== item.id),
        ),
      edit: (item, field) => setEditing({ item, field }),
      again: (item) => attempt(againOf(library, item).then((next) => latest.current.onCarry(next))),
      follow: (item) =>
        attempt(followOf(library, item).then((next) => latest.current.onCarry(next))),
      save: (item, format: ExportFormat) =>
        attempt(
          library.record(item.id, format).then((blob) => save(blob, `magi-${item.id}.${format}`)),
        ),
      remove: (item) => {
        setChosen((old) => old.filter((id) => id !== item.id))
        deletions.ask(item.id, titleOf(item))
      },
    }
  }, [library, deletions])
}

function CsvButton({
  library,
  filters,
  onFailed,
}: {
  library: Library
  filters: Filters
  onFailed: (why: string) => void
}) {
  const texts = useTexts(HISTORY)
  const { code } = useWords()
  const [busy, setBusy] = useState(false)
  const write = async (): Promise<void> => {
    setBusy(true)
    try {
      const [{ csvOf }, all] = await Promise.all([import('./csv.ts'), allOf(library, filters)])
      save(new Blob([csvOf(all, code)], { type: 'text/csv;charset=utf-8' }), 'magi-history.csv')
    } catch (error) {
      onFailed(texts.csvFailed(error instanceof Error ? error.message : String(error)))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Button className="button" isDisabled={busy} onPress={() => void write()}>
      {texts.csv}
    </Button>
  )
}

/** Asks for more when the end of the list comes near; the button is for whoever gets there first. */
function Further({ onNear, count, label }: { onNear: () => void; count: number; label: string }) {
  const ref = useRef<HTMLDivElement>(null)
  const near = useRef(onNear)
  near.current = onNear
  useEffect(() => {
    const box = ref.current
    if (!box || typeof IntersectionObserver === 'undefined') return undefined
    const watch = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && near.current(),
      { rootMargin: '1200px 0px' },
    )
    watch.observe(box)
    return () => watch.disconnect()
    // Looked at anew after each page: the end may still be near.
  }, [count])
  return (
    <div ref={ref} className="further">
      <Button className="link-button" onPress={onNear}>
        {label}
      </Button>
    </div>
  )
}

/** The two that are to be compared. */
function Choice({ chosen, onDrop }: { chosen: readonly string[]; onDrop: () => void }) {
  const texts = useTexts(HISTORY)
  const [left, right] = chosen
  return (
    <div className="choice" role="group" aria-label={texts.compare}>
      {left !== undefined && right !== undefined ? (
        <Button className="convene" onPress={() => go({ name: 'compare', left, right })}>
          {texts.compare}
        </Button>
      ) : (
        <p role="status">{texts.chosenOne}</p>
      )}
      <Button className="link-button" onPress={onDrop}>
        {texts.dropChoice}
      </Button>
    </div>
  )
}

function Empty() {
  const { empty } = useTexts(HISTORY)
  return (
    <section className="empty">
      <Chart view={EMPTY} faint />
      <h2>{empty.title}</h2>
      <p>{empty.text}</p>
      <a className="convene" href={hashOf({ name: 'home' })}>
        {empty.ask}
      </a>
    </section>
  )
}

function Nothing({ onClear }: { onClear: () => void }) {
  const { nothing, clear } = useTexts(HISTORY)
  return (
    <section className="empty empty-search">
      <h2>{nothing.title}</h2>
      <p>{nothing.text}</p>
      <Button className="button" onPress={onClear}>
        {clear}
      </Button>
    </section>
  )
}
