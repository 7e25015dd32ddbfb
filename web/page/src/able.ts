import type { Lane, View } from '@magi/stream'

/** What the door of this deliberation cannot do is not offered. Before its first event nothing is known. */
export const can = (view: Pick<View, 'id' | 'capabilities'>, what: string): boolean =>
  view.id === undefined || view.capabilities.includes(what)

/** From here on a note is too late: the judge speaks, or it is over. */
export const hasSpoken = (view: View): boolean => {
  const { judge, end } = view
  if (end) return true
  const speaks = judge.text !== '' || judge.thinking !== '' || judge.judgment !== undefined
  // One who failed, or begins anew, has not been heard.
  return speaks && judge.state !== 'retrying' && judge.state !== 'failed'
}

/** Whether a role is at work, so that there is something to stop. */
export const isAtWork = (lane: Lane, over: boolean): boolean =>
  !over && lane.state !== 'done' && lane.state !== 'failed'
