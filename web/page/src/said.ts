/** The words by which a deliberation that this browser keeps is found, as the server's index has them. */
import type { Agent, Event } from '@magi/stream'

/** What everyone said and voted, by who said it. */
export type Said = Partial<Record<Agent, string>>

/** The most of one speech that is searched, in UTF-16 units. */
const MOST = 32 * 1024

/** Takes one more event in: what is being said in `speech`, and in `said` what was said to its end. */
export function hear(speech: Said, said: Said, event: Event): Said {
  switch (event.type) {
    case 'judge_start':
      delete speech.solomon
      return said
    case 'judge_chunk':
      add(speech, 'solomon', event.data.text)
      return said
    case 'judge_complete': {
      const { reasoning, conditions, would_change, dissent } = event.data
      const points = [reasoning, ...conditions, ...would_change, dissent?.text ?? '']
      return closed(speech, said, 'solomon', points)
    }
    case 'cancelled':
    case 'error':
      return { ...said, ...speech }
    default:
      return hearSage(speech, said, event)
  }
}

function hearSage(speech: Said, said: Said, event: Event): Said {
  switch (event.type) {
    case 'agent_start':
      delete speech[event.agentId]
      return said
    case 'agent_chunk':
      add(speech, event.agentId, event.data.text)
      return said
    case 'agent_complete': {
      const { reasoning, conditions, would_change } = event.data
      return closed(speech, said, event.agentId, [reasoning, ...conditions, ...would_change])
    }
    default:
      return said
  }
}

function add(speech: Said, agent: Agent, text: string): void {
  const before = speech[agent] ?? ''
  if (before.length < MOST) speech[agent] = before + text
}

function closed(speech: Said, said: Said, agent: Agent, points: readonly string[]): Said {
  const whole = [...points, speech[agent] ?? ''].filter((part) => part !== '').join('\n')
  delete speech[agent]
  return { ...said, [agent]: whole.slice(0, MOST) }
}
