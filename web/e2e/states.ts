/** Every state a screen can be in, and how to bring it about: for the tests that look at all of them. */
import type { Page } from 'playwright-core'
import type { Fake } from '../dev/fake.ts'
import type { Draft } from '../dev/log.ts'
import { SCENES } from '../dev/scenes.ts'
import { AWAY } from './browser.ts'
import type { CuttingProxy } from './proxy.ts'

/** A page before a server of scripts, with a proxy between that can be down. */
export interface Stage {
  page: Page
  url: string
  fake: Fake
  proxy: CuttingProxy
  scene: 'billing' | 'ekimae'
  past: Past
}

export interface State {
  name: string
  /** Brings it about. What came before is the state above. */
  open: (stage: Stage) => Promise<unknown>
  /** What must be in sight at every width. */
  marks: readonly string[]
  /** A change of the width ends it, or it ends by itself: it is brought about anew at each width. */
  fleeting?: true
  /** Nobody is let in yet, so there are no ways to other screens. */
  locked?: true
}

/** What lies behind the server before anybody asks. */
export type Past = Readonly<
  Record<
    | 'first'
    | 'second'
    | 'follow'
    | 'stopped'
    | 'failed'
    | 'quarantined'
    | 'degraded'
    | 'overruled'
    | 'dissents',
    string
  >
>

const QUARANTINED: Draft = {
  type: 'error',
  data: {
    code: 'quarantined',
    message:
      'The program ended twice in a row during this deliberation, so it does not go on by itself. The votes so far are kept.',
    missing: [],
  },
}

/** What somebody decided, as the page keeps it. */
const DECIDED = {
  billing: `Leaning before: rather not: the freeze begins on the tenth
Decision: Moved on the 8th, with the old database kept for a month
Why: two people are away in January, and the rehearsal went well
[x] Name a person on call for the first seven nights
[ ] A line of ours that no verdict names`,
  ekimae: `事前の考え: どちらかといえば反対。10日から変更凍結に入るため。
決定: 延長は金曜と土曜だけにして、半年後に見直す
理由: 夜間の職員を二人しか確保できないため
[x] 二十二時までの延長を半年試し、利用を測る
[ ] 評決にはない、自分たちの条件`,
}

/** Writes a past of one of each ending, and lines beneath it. */
export function pastOf(fake: Fake, scene: Stage['scene']): Past {
  const endedWith = (at: string, last: Draft): string => {
    const id = fake.finished(scene, at)
    const log = fake.log(id)
    const cut = log?.entries.findIndex(({ event }) => event.type === 'tally') ?? 0
    log?.entries.splice(cut)
    log?.append(last, Date.parse(at))
    return id
  }
  const first = fake.finished(scene, '2026-11-25T01:12:00Z', {
    cost_usd: 0.0123,
    my_decision: DECIDED[scene],
    outcome: 'good: no letter lost',
  })
  const { parts, judge } = SCENES[scene]!
  const other = judge?.decision === 'APPROVED' ? ('REJECTED' as const) : ('APPROVED' as const)
  const against = { judge: { ...judge!, decision: other } }
  const caspar = { ...parts.caspar!, decision: 'APPROVED' as const, text: 'Go.\n\nDecember it is.' }
  const change = { parts: { ...parts, caspar } }
  const council = { bad_at: { ja: '急ぐ決定', en: 'Haste' }, council: { quorum: 2 } }
  for (const base of ['strict', 'default']) fake.presets.save('night', { ...council, base })
  fake.seed(12)
  return {
    first,
    second: fake.finished(scene, '2026-11-26T01:12:00Z', { fork_of: first }, change),
    follow: fake.finished(scene, '2026-11-26T01:42:00Z', { conversation_id: first }),
    stopped: endedWith('2026-11-26T02:12:00Z', {
      type: 'cancelled',
      data: { by: 'user', reason: '' },
    }),
    failed: fake.finished('broken', '2026-11-26T03:12:00Z'),
    quarantined: endedWith('2026-11-26T04:12:00Z', QUARANTINED),
    degraded: fake.finished('degraded', '2026-11-26T05:12:00Z'),
    overruled: fake.finished(scene, '2026-11-26T06:12:00Z', {}, { ...against, rule: 'judge' }),
    dissents: fake.finished(
      scene,
      '2026-11-26T07:12:00Z',
      { my_decision: DECIDED[scene], outcome: 'mixed: slower than we thought' },
      against,
    ),
  }
}

const at =
  (hash: string) =>
  ({ page, url }: Stage) =>
    page.goto(`${url}/#/${hash}`)
const of = (hash: (past: Past) => string) => (stage: Stage) => at(hash(stage.past))(stage)
const press =
  (key: string) =>
  ({ page }: Stage) =>
    page.keyboard.press(key)
/** Presses the one of these that the screen has, by its place among them. */
const click =
  (what: string, nth = 0) =>
  ({ page }: Stage) =>
    page.locator(what).nth(nth).click()
const seen = ({ page }: Stage, what: string): Promise<void> =>
  page.locator(`${what} >> visible=true`).first().waitFor()

/** Acts while the server refuses everything; what must be in sight then ends that. */
async function refused(
  stage: Stage,
  status: number,
  mark: string,
  act: () => Promise<unknown>,
): Promise<void> {
  stage.fake.refuse = status
  await act()
  await seen(stage, mark)
  stage.fake.refuse = undefined
}

/** One word without a place to break it, as people paste it: 145 characters. */
const LONG = `https://wiki.example.test/${'a1b2c3d'.repeat(17)}`

/** Writes it into every box of this kind that is in sight. */
async function fillLong({ page }: Stage, boxes: string): Promise<void> {
  for (const box of await page.locator(`${boxes} >> visible=true`).all()) await box.fill(LONG)
}

/** Before anything was asked. */
export const UNUSED: readonly State[] = [
  {
    name: 'home, nothing asked yet',
    open: at(''),
    marks: ['.question-input', '.scene', '.council'],
  },
  { name: 'history, empty', open: at('history'), marks: ['.empty .convene'] },
]

const HOME: readonly State[] = [
  {
    name: 'home, with a past, context and a leaning',
    open: async (stage) => {
      await at('')(stage)
      await seen(stage, '.past')
      await stage.page.locator('.composer .link-button').first().click()
      await stage.page.locator('.composer .link-button').last().click()
    },
    marks: ['.context-input', '.composer .note-input', '.preset-choice', '.past'],
  },
]

const LIVE: readonly State[] = [
  {
    name: 'streaming',
    open: async (stage) => {
      stage.fake.hold('agent_complete')
      await click('.scene')(stage)
      await seen(stage, '.lane-scroll > .prose')
    },
    marks: ['.lane-scroll > .prose', '.stop', '.band[data-mode=rehearsal]'],
  },
  {
    name: 'paused, with the note open',
    open: async (stage) => {
      await press('p')(stage)
      await seen(stage, '[data-notice=paused]')
      await press('n')(stage)
    },
    marks: ['[data-notice=paused]', '.note .note-input'],
  },
  {
    name: 'a note of one long word',
    open: (stage) => fillLong(stage, '.note .note-input'),
    marks: ['.note .note-input'],
  },
  {
    name: 'a note of one long word, told',
    open: async (stage) => {
      await press('Enter')(stage)
      await seen(stage, '.notes')
    },
    marks: ['.notes'],
  },
  {
    name: 'a note refused',
    open: (stage) =>
      refused(stage, 409, '.note .refused', async () => {
        await press('n')(stage)
        await stage.page.locator('.note .note-input').fill('x')
        await press('Enter')(stage)
      }),
    marks: ['.note .refused'],
  },
  {
    name: 'a pause refused',
    open: async (stage) => {
      await press('Escape')(stage)
      await refused(stage, 409, '.refused', () => press('p')(stage))
    },
    marks: ['.refused .icon-button'],
  },
  { name: 'help', open: press('?'), marks: ['dialog[open] .keymap'] },
  {
    name: 'settings',
    open: async (stage) => {
      await press('Escape')(stage)
      await press(',')(stage)
    },
    marks: ['dialog[open] .switch'],
  },
  {
    name: 'reconnecting',
    open: async (stage) => {
      await press('Escape')(stage)
      await press('p')(stage)
      await stage.page.locator('[data-notice=paused]').waitFor({ state: 'detached' })
      stage.proxy.down = true
      stage.proxy.cutNow()
    },
    marks: ['.connection[data-state=waiting] .link-button', '.lane-scroll > .prose'],
  },
  {
    name: 'the judge speaks',
    open: async (stage) => {
      stage.proxy.down = false
      stage.fake.hold('judge_complete')
      await seen(stage, '.judge .lane-scroll > .prose')
    },
    marks: ['.judge .lane-scroll > .prose', '.judge .order'],
  },
  {
    name: 'verdict, with a decision and an outcome',
    open: async (stage) => {
      stage.fake.hold(undefined)
      await seen(stage, '.verdict')
      await click('.decision .radio', 1)(stage)
      await click('.turned summary')(stage)
    },
    marks: ['.verdict .dissent', '.verdict .checklist', '.decision .note-input', '.scores'],
  },
  {
    name: 'a decision and an outcome of one long word',
    open: (stage) => fillLong(stage, '.decision .note-input'),
    marks: ['.decision .note-input', '.turned .note-input'],
  },
  {
    name: 'a decision and an outcome of one long word, kept',
    open: async (stage) => {
      await click('.decision .form-row .primary')(stage)
      await seen(stage, '.decision-said:not(:empty)')
      await click('.turned .radio, .turned [role=radio]', 1)(stage)
      await click('.turned .form-row .button')(stage)
      await stage.page.reload()
      await seen(stage, '.turned .note-input')
    },
    marks: ['.decision .note-input', '.turned .note-input'],
  },
  {
    name: 'judging again',
    open: click('.verdict-actions .button'),
    marks: ['dialog[open] .sheet-form'],
  },
  {
    name: 'asking one again',
    open: async (stage) => {
      await press('Escape')(stage)
      await stage.page.locator('.lane-verbs .icon-button >> visible=true').first().click()
    },
    marks: ['dialog[open] .sheet-form'],
  },
  {
    name: 'telling it more, in one long word',
    open: async (stage) => {
      await press('Escape')(stage)
      await click('.verdict-actions .button', 2)(stage)
      await fillLong(stage, 'dialog[open] .note-input')
    },
    marks: ['dialog[open] .note-input'],
  },
  {
    name: 'playing it again',
    open: async (stage) => {
      await press('Escape')(stage)
      await stage.page.locator('.verdict-actions .button').last().click()
      await stage.page.locator('.playback .play-button').click()
    },
    marks: ['.band[data-mode=replay]', '.playback input'],
  },
]

/** The same server by a name that is not this machine's own, so that the page needs a network for it. */
const away = (url: string): string => url.replace(/127\.0\.0\.1|localhost/, AWAY)

/** The network goes, and with it what streams. */
async function unplug({ page, proxy }: Stage): Promise<void> {
  await page.context().setOffline(true)
  proxy.cutNow()
  await page.locator('.connection[data-state=offline]').waitFor()
}

const NETWORK: readonly State[] = [
  {
    name: 'offline',
    open: async (stage) => {
      stage.fake.hold('agent_complete')
      await stage.page.goto(`${away(stage.url)}/`)
      await click('.scene')(stage)
      await seen(stage, '.lane-scroll > .prose')
      await unplug(stage)
    },
    marks: ['.connection[data-state=offline] .link-button', '.lane-scroll > .prose'],
  },
  {
    name: 'resumed',
    open: async (stage) => {
      await unplug(stage)
      await stage.page.context().setOffline(false)
    },
    marks: ['.connection[data-state=live][data-resumed]'],
    fleeting: true,
  },
]

const OVER: readonly State[] = [
  {
    name: 'a question, its context and a leaning of one long word',
    open: async (stage) => {
      stage.fake.hold(undefined)
      await at('')(stage)
      await click('.composer .link-button')(stage)
      await stage.page.locator('.composer .link-button').last().click()
      await fillLong(stage, '.composer textarea')
    },
    marks: ['.context-input', '.composer .note-input'],
  },
  {
    name: 'a question, its context and a leaning of one long word, asked',
    open: async (stage) => {
      await click('.composer .convene')(stage)
      await seen(stage, '.verdict')
    },
    marks: ['.verdict', '.decision-leaning'],
  },
  {
    name: 'verdict of a linked one',
    open: of((past) => `d/${past.second}`),
    marks: ['.verdict[data-kind]', '[data-link=from] a'],
  },
  {
    name: 'verdict of a follow-up',
    open: of((past) => `d/${past.follow}`),
    marks: ['.verdict[data-kind]', '[data-link=before] a'],
  },
  {
    name: 'stopped',
    open: of((past) => `d/${past.stopped}`),
    marks: ['.verdict[data-kind=STOPPED]'],
  },
  {
    name: 'failed',
    open: of((past) => `d/${past.failed}`),
    marks: ['.verdict[data-kind=FAILED] .missing'],
  },
  {
    name: 'quarantined',
    open: of((past) => `d/${past.quarantined}`),
    marks: ['.verdict[data-kind=FAILED]', '.vote'],
  },
  {
    name: 'degraded',
    open: of((past) => `d/${past.degraded}`),
    marks: ['.verdict .degraded'],
  },
  {
    name: 'the judge overruled the votes',
    open: of((past) => `d/${past.overruled}`),
    marks: ['.verdict [data-judge=overruled]'],
  },
  {
    name: 'the judge dissents from the votes',
    open: of((past) => `d/${past.dissents}`),
    marks: ['.verdict [data-judge=dissents]'],
  },
  {
    name: 'gone',
    open: at('d/01JD3ZK8M00000000000000000'),
    marks: ['.alert-box .button'],
  },
  {
    name: 'a question refused',
    open: async (stage) => {
      await at('')(stage)
      await stage.page.locator('.question-input').fill('Should the crane be replaced?')
      await refused(stage, 400, '.alert-box', () => press('Enter')(stage))
    },
    marks: ['.deliberation .alert-box .button'],
  },
]

async function openMenu(stage: Stage, row = '.past-row'): Promise<void> {
  await press('Escape')(stage)
  await stage.page.locator('.popover').waitFor({ state: 'detached' })
  await click(`${row} .row-menu`)(stage)
}

const HISTORY: readonly State[] = [
  {
    name: 'history',
    open: at('history'),
    marks: ['.past-row .seal', '.filters', '.past-marks [data-outcome]'],
  },
  {
    name: 'history, a row’s menu',
    open: (stage) => openMenu(stage),
    marks: ['.popover [role=menuitem]'],
    fleeting: true,
  },
  {
    name: 'history, writing beside one',
    open: async (stage) => {
      // One beside which everything is written.
      await openMenu(stage, '.past-row:has([data-outcome=mixed])')
      await stage.page.getByRole('menuitem').nth(3).click()
    },
    marks: ['.dialog .radios', '.dialog .checklist', '.dialog .segments', '.dialog .convene'],
  },
  {
    name: 'history, one long word beside one',
    open: (stage) => fillLong(stage, '.dialog :is(input[type=text], textarea)'),
    marks: ['.dialog .note-input'],
  },
  {
    name: 'history, one chosen and one being deleted',
    open: async ({ page }) => {
      // Whatever was chosen or is being deleted at another width is taken back.
      await page.reload()
      await page.locator('.past-row .choose').first().click()
      await page.locator('.past-row').nth(8).locator('.row-menu').click()
      await page.getByRole('menuitem').last().click()
    },
    marks: ['.choice .link-button', '.pending-one .button'],
    fleeting: true,
  },
  {
    name: 'history, nothing matches',
    open: async (stage) => {
      await stage.page.reload()
      await stage.page.getByRole('searchbox').fill('zzz')
    },
    marks: ['.empty-search .button'],
  },
  {
    name: 'history, unreadable',
    open: (stage) =>
      refused(stage, 503, '.alert-box', () => stage.page.getByRole('searchbox').fill('zzzz')),
    marks: ['.history-screen .alert-box .button'],
  },
]

const TRACE: readonly State[] = [
  {
    name: 'trace',
    open: of((past) => `d/${past.first}/trace`),
    marks: ['.timeline-plot svg', '.trace-controls input', '.moment article'],
  },
  {
    name: 'trace, a moment',
    open: async (stage) => {
      await stage.page.getByRole('slider').focus()
      for (const key of ['Home', 'PageUp', 'PageUp']) await press(key)(stage)
    },
    marks: ['.timeline-plot svg', '.trace-controls .link-button'],
  },
  {
    name: 'trace, as a table',
    open: click('.trace-screen .screen-head [role=radio]', 1),
    marks: ['table'],
  },
  {
    name: 'trace, its cost',
    open: click('.trace-screen .screen-head [role=radio]', 2),
    marks: ['table .share'],
  },
]

const OTHERS: readonly State[] = [
  {
    name: 'compare',
    open: of((past) => `compare/${past.first}/${past.second}`),
    marks: ['.pairs', '.compare-heads', '.said-by', '.said-list', '[data-long] td'],
  },
  {
    name: 'compare, one of them gone',
    open: of((past) => `compare/${past.first}/01JD3ZK8M00000000000000000`),
    marks: ['.alert-box'],
  },
  { name: 'presets', open: at('presets'), marks: ['.preset-card a', '.screen-actions .button'] },
  {
    name: 'a preset that comes with the program',
    open: at('presets/strict'),
    marks: ['.preset-form', '.bad-at'],
  },
  {
    name: 'a preset of one’s own, as it was',
    open: async (stage) => {
      await at('presets/night')(stage)
      await stage.page.locator('.versions .link-button').last().click()
    },
    marks: ['.notice .link-button', '.versions li'],
  },
  {
    name: 'a preset that is refused',
    open: async (stage) => {
      await at('presets/strict')(stage)
      await click('.screen-actions .button')(stage)
      await stage.page.locator('.preset-save').waitFor()
      await stage.page.locator('.preset-form input').first().fill('No!')
      await click('.preset-save .convene')(stage)
    },
    marks: ['.preset-form .field-error', '.preset-save .convene'],
  },
  {
    name: 'the check of the way',
    open: async (stage) => {
      await at('connection')(stage)
      await seen(stage, '.check-sum:not(:empty)')
    },
    marks: ['.checks [data-outcome=ok]', '.check-sum'],
  },
  {
    name: 'the check, with a problem',
    open: async (stage) => {
      stage.fake.holds = true
      await click('.check-screen .screen-head .button')(stage)
      await seen(stage, '.checks [data-outcome=fail]')
      await seen(stage, '.check-sum:not(:empty)')
      stage.fake.holds = false
    },
    marks: ['.checks [data-outcome=fail] .why-fix'],
  },
  {
    name: 'signing in',
    open: async (stage) => {
      stage.fake.refuse = 401
      await stage.page.reload()
    },
    marks: ['.token-input'],
    locked: true,
  },
  {
    name: 'signing in, refused',
    open: async (stage) => {
      await stage.page.locator('.token-input').fill('wrong')
      await press('Enter')(stage)
      await seen(stage, '.token .field-error:not(:empty)')
      stage.fake.refuse = undefined
    },
    marks: ['.token .field-error'],
    locked: true,
  },
]

/** With a past behind the server. */
export const USED: readonly State[] = [
  ...HOME,
  ...LIVE,
  ...NETWORK,
  ...OVER,
  ...HISTORY,
  ...TRACE,
  ...OTHERS,
]
