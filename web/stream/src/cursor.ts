/** A place in a log: `<deliberation>.<generation>.<seq>`. */
export interface Place {
  deliberation: string
  generation: number
  seq: number
}

const SHAPE = /^([0-9A-Za-z]{1,64})\.(\d{1,15})\.(\d{1,15})$/

/** Reads a cursor; undefined when the text is not one. */
export function parseCursor(id: string): Place | undefined {
  const found = SHAPE.exec(id)
  if (!found) return undefined
  return {
    deliberation: found[1] as string,
    generation: Number(found[2]),
    seq: Number(found[3]),
  }
}

const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** When a deliberation was asked, in milliseconds since the epoch: the first 48 bits of its id (a ULID). */
export const bornAt = (id: string): number =>
  [...id.slice(0, 10).toUpperCase()].reduce(
    (time, digit) => time * 32 + Math.max(0, DIGITS.indexOf(digit)),
    0,
  )
