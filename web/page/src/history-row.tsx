import type { ExportFormat, Listed } from '@magi/stream'
import {
  Button,
  Checkbox,
  Header as MenuHeader,
  Menu,
  MenuItem,
  MenuSection,
  MenuTrigger,
  Popover,
  Separator,
} from 'react-aria-components'
import { titleOf } from './carry.ts'
import { sealOfListed, votesText } from './format.ts'
import { Link, More } from './icons.tsx'
import type { Library } from './library.ts'
import { decided, linesOf } from './mine.ts'
import { parseOutcome } from './outcome.ts'
import { hashOf } from './route.ts'
import { Seal } from './seal.tsx'
import { useWords } from './settings.tsx'
import { useTexts } from './texts.ts'
import { HISTORY, type HistoryWords } from './words-history.ts'

/** What can be done with one row. */
export interface RowActions {
  choose: (item: Listed, chosen: boolean) => void
  edit: (item: Listed, field: 'title' | 'decision') => void
  again: (item: Listed) => void
  follow: (item: Listed) => void
  save: (item: Listed, format: ExportFormat) => void
  remove: (item: Listed) => void
}

interface RowProps {
  item: Listed
  library: Library
  chosen: boolean
  actions: RowActions
  /** What a preset is called. */
  presetName: (name: string) => string
  /** The question before it in its conversation, where the list has it. */
  before: Listed | undefined
}

/** The newest of a list, newest first, that was asked before this one in its conversation. */
export const beforeOf = (item: Listed, items: readonly Listed[]): Listed | undefined =>
  item.conversation_id === undefined
    ? undefined
    : items.find(
        ({ id, conversation_id: of }) =>
          id < item.id && (of === item.conversation_id || id === item.conversation_id),
      )

/** One deliberation of the history: how it ended, what was asked, what became of it. */
export function HistoryRow({ item, library, chosen, actions, presetName, before }: RowProps) {
  const words = useWords()
  const texts = useTexts(HISTORY)
  const title = titleOf(item)
  const day = new Date(item.created_at)
  return (
    <article className="past-row" data-chosen={chosen || undefined}>
      <Checkbox
        className="choose"
        aria-label={texts.choose(title)}
        isSelected={chosen}
        onChange={(now) => actions.choose(item, now)}
      >
        <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
          <path d="m3.5 8.5 3 3 6-7" />
        </svg>
      </Checkbox>
      <Seal kind={sealOfListed(item)} small />
      <div className="past-main">
        <a href={hashOf({ name: 'deliberation', id: item.id })} lang={item.lang}>
          {title}
        </a>
        {item.summary && (
          <p className="past-summary" lang={item.lang}>
            {item.summary}
          </p>
        )}
        <Marks item={item} texts={texts} before={before} />
      </div>
      <p className="past-votes">
        {item.agreement && (
          <>
            <span className="visually-hidden">{words.verdict.votes}: </span>
            {votesText(words, item.agreement)}
          </>
        )}
      </p>
      <p className="past-facts">
        <time dateTime={item.created_at}>{words.when(day)}</time>
        <span>
          {presetName(item.preset)}
          {typeof item.cost_usd === 'number' && ` · ${words.cost(item.cost_usd)}`}
        </span>
      </p>
      <RowMenu item={item} library={library} actions={actions} title={title} />
    </article>
  )
}

/** What a person wrote beside it, and where it comes from. */
function Marks({
  item,
  texts,
  before,
}: Pick<RowProps, 'item' | 'before'> & { texts: HistoryWords }) {
  const words = useWords()
  const { word, note } = parseOutcome(item.outcome)
  const outcome = word !== undefined ? texts.outcome[word] : note === '' ? '' : texts.outcomeOther
  const mine = decided(item.my_decision ?? '', words.code)
  const marks = [
    item.mode === 'rehearsal' && (
      <li key="rehearsal" data-mark="rehearsal">
        {words.mode.rehearsal}
      </li>
    ),
    outcome !== '' && (
      <li key="outcome" data-mark="outcome" data-outcome={word} title={note || undefined}>
        {outcome}
      </li>
    ),
    mine !== '' && (
      <li key="mine" data-mark="mine" title={linesOf(item.my_decision ?? '', words).join('\n')}>
        {texts.mine(mine)}
      </li>
    ),
    item.fork_of && (
      <li key="fork" data-mark="linked">
        <a href={hashOf({ name: 'deliberation', id: item.fork_of })}>
          <Link /> {texts.linked}
          <span className="visually-hidden">: {texts.linkedTo(item.fork_of)}</span>
        </a>
      </li>
    ),
    item.conversation_id && !item.fork_of && (
      <li key="conversation" data-mark="linked">
        {before ? (
          <a href={hashOf({ name: 'deliberation', id: before.id })}>
            <Link /> {texts.conversation}
            <span className="visually-hidden">: {texts.linkedTo(titleOf(before))}</span>
          </a>
        ) : (
          <>
            <Link /> {texts.conversation}
          </>
        )}
      </li>
    ),
  ].filter((mark) => mark)
  return marks.length === 0 ? null : <ul className="past-marks">{marks}</ul>
}

function RowMenu({
  item,
  library,
  actions,
  title,
}: Omit<RowProps, 'chosen' | 'presetName' | 'before'> & { title: string }) {
  const texts = useTexts(HISTORY)
  const act = (key: string): void => {
    if (key.startsWith('save ')) return actions.save(item, key.slice(5) as ExportFormat)
    if (key === 'rename') return actions.edit(item, 'title')
    if (key === 'remarks') return actions.edit(item, 'decision')
    if (key === 'again') return actions.again(item)
    if (key === 'follow') return actions.follow(item)
    if (key === 'remove') return actions.remove(item)
    if (key === 'origin' && item.fork_of)
      window.location.hash = hashOf({ name: 'compare', left: item.fork_of, right: item.id })
  }
  return (
    <MenuTrigger>
      <Button className="icon-button row-menu" aria-label={texts.menu(title)}>
        <More />
      </Button>
      <Popover className="popover" placement="bottom end">
        <Menu className="menu" onAction={(key) => act(String(key))}>
          <MenuItem id="again">{texts.again}</MenuItem>
          <MenuItem id="follow">{texts.follow}</MenuItem>
          {item.fork_of && <MenuItem id="origin">{texts.withOrigin}</MenuItem>}
          <Separator />
          <MenuItem id="rename">{texts.rename}</MenuItem>
          <MenuItem id="remarks">{texts.remarks}</MenuItem>
          <Separator />
          <MenuSection>
            <MenuHeader>{useWords().verdict.record}</MenuHeader>
            {library.formats.map((format) => (
              <MenuItem key={format} id={`save ${format}`}>
                {texts.save(texts.formats[format])}
              </MenuItem>
            ))}
          </MenuSection>
          <Separator />
          <MenuItem id="remove" className="menu-danger">
            {texts.remove}
          </MenuItem>
        </Menu>
      </Popover>
    </MenuTrigger>
  )
}
