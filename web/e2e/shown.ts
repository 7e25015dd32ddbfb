/** What a page shows of a deliberation, and what the log's fold says it must show: the same shape, to the letter. */
import type { Page } from 'playwright-core'
import { createElement } from 'react'
import { renderToStaticMarkup } from 'react-dom/server'
import { sealOfVote } from '../page/src/format.ts'
import { Prose } from '../page/src/prose.tsx'
import { firstSentence, groundsOf } from '../page/src/why.ts'
import { SAGES, sagesOf, type AgentComplete, type View } from '../stream/src/index.ts'

/** One sage's lane: the attempts that were given up, the text of the newest, the vote's seal, its confidence in percent, its conditions and what would change it. */
export interface ShownLane {
  past: number
  text: string
  vote: string | null
  confidence: number | null
  points: string[][]
}

export interface ShownAll {
  lanes: Record<string, ShownLane>
  judge: string
  verdict: {
    kind: string | null
    votes: number[]
    seals: (string | null)[]
    lead: string | null
    recommendation: string | null
    dissent: string | null
    conditions: string[]
    wouldChange: string[]
    scores: number[]
  } | null
}

/** What stands on the page now. */
export function shownOf(page: Page): Promise<ShownAll> {
  return page.evaluate(
    (sages) => {
      const all = (root: ParentNode, what: string): Element[] => [...root.querySelectorAll(what)]
      const text = (root: ParentNode, what: string): string | null =>
        root.querySelector(what)?.textContent ?? null
      const kind = (root: ParentNode, what: string): string | null =>
        root.querySelector<HTMLElement>(what)?.dataset['kind'] ?? null
      const texts = (root: ParentNode, what: string): string[] =>
        all(root, what).map((one) => one.textContent ?? '')
      const lanes = sages.flatMap((sage) => {
        const lane = document.querySelector(`.lane[data-agent="${sage}"]`)
        if (!lane) return []
        const percent = /(\d+) %/.exec(text(lane, '.vote-confidence') ?? '')?.[1]
        return [
          [
            sage,
            {
              past: all(lane, '.fold[data-tone=past]').length,
              text: text(lane, '.lane-scroll > .prose') ?? '',
              vote: kind(lane, '.vote'),
              confidence: percent === undefined ? null : Number(percent),
              points: all(lane, '.grounds .points').map((list) => texts(list, 'li')),
            },
          ] as const,
        ]
      })
      const card = document.querySelector('.verdict')
      const list = card?.querySelector('.verdict-lists')
      return {
        lanes: Object.fromEntries(lanes),
        judge: text(document, '.judge .lane-scroll > .prose') ?? '',
        verdict: card && {
          kind: kind(document, '.verdict'),
          votes: texts(card, '.count-number').map((one) => Number.parseInt(one, 10)),
          seals: all(card, '.count-votes li').map((one) => kind(one, '.seal')),
          lead: text(card, '.verdict-lead'),
          recommendation: text(card, '.verdict-recommendation p'),
          dissent: text(card, '.dissent blockquote'),
          conditions: list ? texts(list, '.check > [lang]') : [],
          wouldChange: list ? texts(list, 'ul > li') : [],
          scores: texts(card, '.score-number').map(Number),
        },
      }
    },
    [...SAGES],
  )
}

const sealOf = (vote: AgentComplete | undefined): string | null => (vote ? sealOfVote(vote) : null)

/** What must stand there once the deliberation is complete. */
export function toldOf(view: View): ShownAll {
  const { end } = view
  if (end?.kind !== 'complete') throw new Error(`it ended with ${end?.kind ?? 'nothing'}`)
  const { data } = end
  const judgment = data.solomon_judgment
  const grounds = groundsOf(judgment)
  const { approved, rejected, abstained } = data.voting_result
  const sages = sagesOf(view)
  const lanes = sages.map((sage) => {
    const { past, text, vote } = view.sages[sage]
    const lane: ShownLane = {
      past: past.length,
      text: drawn(text),
      vote: sealOf(vote),
      confidence: typeof vote?.confidence === 'number' ? Math.round(vote.confidence * 100) : null,
      points: [vote?.conditions ?? [], vote?.would_change ?? []].filter((list) => list.length > 0),
    }
    return [sage, lane] as const
  })
  const scores = sages.map((sage) => judgment.sage_scores[sage])
  return {
    lanes: Object.fromEntries(lanes),
    judge: drawn(view.judge.text),
    verdict: {
      kind: data.final_decision,
      votes: [approved, rejected, abstained],
      seals: sages.map((sage) => sealOf(view.sages[sage].vote)),
      lead: grounds === undefined ? data.summary || null : firstSentence(grounds),
      recommendation: ['', data.summary].includes(data.recommendation) ? null : data.recommendation,
      dissent: judgment.dissent?.text ?? null,
      conditions: judgment.conditions ?? [],
      wouldChange: judgment.would_change ?? [],
      scores: scores.filter((score) => typeof score === 'number').map(Math.round),
    },
  }
}

const ENTITIES: Record<string, string> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#x27;': "'",
}

/** A text as it reads once it is drawn whole, from nothing: no matter in which pieces a page got it. */
const drawn = (text: string): string =>
  text === ''
    ? ''
    : renderToStaticMarkup(createElement(Prose, { text }))
        .replace(/<[^>]*>/g, '')
        .replace(/&(?:amp|lt|gt|quot|#x27);/g, (entity) => ENTITIES[entity] ?? entity)
