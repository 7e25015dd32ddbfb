/** The presets behind the fake server: the built-in ones, and what was saved, in versions. */
import type { Agent, CouncilDraft, PresetDraft, PresetWhole } from '../stream/src/index.ts'

const AGENTS: readonly Agent[] = ['caspar', 'balthasar', 'melchior', 'solomon']
const both = (ja: string, en: string) => ({ ja, en })

const FACTS: Record<
  string,
  { rule: string; quorum: number; ja: string; en: string; bad: [string, string] }
> = {
  default: {
    rule: 'majority',
    quorum: 2,
    ja: '標準',
    en: 'Default',
    bad: [
      '事実の調べもの、計算、アイデア出し。',
      'Looking up facts, arithmetic, and collecting ideas.',
    ],
  },
  strict: {
    rule: 'unanimous',
    quorum: 3,
    ja: '厳格',
    en: 'Strict',
    bad: [
      '急ぐ決定。意見が割れると不成立になります。',
      'Hurried decisions: where opinions differ it decides nothing.',
    ],
  },
  brainstorm: {
    rule: 'judge',
    quorum: 1,
    ja: '発想',
    en: 'Brainstorm',
    bad: ['可否を決めること。', 'Deciding for or against.'],
  },
  classic: {
    rule: 'judge',
    quorum: 2,
    ja: 'クラシック',
    en: 'Classic',
    bad: ['票の重みを守ること。', 'Keeping the weight of the votes.'],
  },
}

const DEADLINES = {
  connect: 10,
  first_token: 20,
  idle: 15,
  sage_total: 90,
  judge_total: 60,
  late: 10,
  whole: 180,
  throttle_cap: 30,
  unwatched: 3600,
  paused: 86_400,
}

interface Kept {
  version: number
  saved_at: string
  draft: PresetDraft
}

/** What a server would say against a draft. */
export interface Refusal {
  status: number
  code: string
  detail: string
  field: string
}

export class PresetStore {
  readonly #kept = new Map<string, Kept[]>()

  list(): PresetWhole[] {
    return [...Object.keys(FACTS), ...this.#kept.keys()].flatMap((name) => this.get(name) ?? [])
  }

  get(name: string, version?: number): PresetWhole | undefined {
    if (FACTS[name]) return whole(name, 1, undefined, undefined, [{ version: 1 }])
    const versions = this.#kept.get(name)
    const found =
      version === undefined ? versions?.at(-1) : versions?.find((one) => one.version === version)
    if (!found) return undefined
    const told = versions?.map((one) => ({ version: one.version, saved_at: one.saved_at })) ?? []
    return whole(name, found.version, found.saved_at, found.draft, told)
  }

  save(name: string, body: PresetDraft): Refusal | undefined {
    const refuse = (status: number, field: string, detail: string): Refusal => ({
      status,
      code: status === 409 ? 'conflict' : 'bad_request',
      detail,
      field,
    })
    if (FACTS[name]) return refuse(400, 'name', `\`${name}\` is built in and cannot be changed`)
    if (!body.bad_at) return refuse(400, 'bad_at', 'is missing')
    const quorum = body.council?.quorum
    if (quorum !== undefined && (quorum < 1 || quorum > 3))
      return refuse(400, 'council.quorum', '`council.quorum` must be 1 to 3')
    const versions = this.#kept.get(name) ?? []
    const newest = versions.at(-1)?.version ?? 0
    if (body.if_version !== undefined && body.if_version !== newest)
      return refuse(409, 'if_version', `version ${newest} was saved meanwhile`)
    const saved_at = new Date().toISOString()
    this.#kept.set(name, [...versions, { version: newest + 1, saved_at, draft: body }])
    return undefined
  }

  delete(name: string): boolean {
    return this.#kept.delete(name)
  }
}

function whole(
  name: string,
  version: number,
  saved_at: string | undefined,
  draft: PresetDraft | undefined,
  versions: PresetWhole['versions'],
): PresetWhole {
  const base = draft?.base ?? name
  const facts = FACTS[base] ?? FACTS['default']!
  const council: CouncilDraft = draft?.council ?? {}
  const rule = council.rule ?? facts.rule
  const quorum = council.quorum ?? facts.quorum
  return {
    name,
    version,
    builtin: draft === undefined,
    deleted: false,
    ...(saved_at === undefined ? {} : { saved_at }),
    title: draft ? (draft.title ?? {}) : both(facts.ja, facts.en),
    good_for: draft
      ? (draft.good_for ?? {})
      : both('賛否を決めたい意思決定。', 'Decisions for or against.'),
    bad_at: draft ? (draft.bad_at ?? {}) : both(...facts.bad),
    base,
    rule,
    quorum,
    used: draft ? 0 : 14,
    council,
    effective: {
      rule,
      quorum,
      late: council.late ?? 'wait',
      roles: Object.fromEntries(
        AGENTS.map((agent) => [
          agent,
          {
            prompt: both(
              `あなたは ${agent} です。`,
              `You are ${agent}. Weigh the question by your own light.`,
            ),
            is_inherited: true,
            enabled: true,
            ...council.roles?.[agent],
          },
        ]),
      ) as PresetWhole['effective']['roles'],
      deadlines: { ...DEADLINES, ...council.deadlines },
      budget: council.budget ?? {},
    },
    vote_format: both('{"decision": "APPROVED"}', '{"decision": "APPROVED", "confidence": 0.8}'),
    verdict_format: both('{"final_decision": "APPROVED"}', '{"final_decision": "APPROVED"}'),
    versions,
  }
}
