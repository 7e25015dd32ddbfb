import type { Listed, Remarks } from '@magi/stream'
import { beforeEach, expect, test } from 'vitest'
import { belongsTo, heldFor, hold, keepLeaning } from '../src/leaning.ts'
import type { Keeper } from '../src/remarks.ts'

const ID = '01JD3ZK8M00000000000000000'

function keeper(before?: string) {
  const written: Remarks[] = []
  const keeper: Pick<Keeper, 'item' | 'write'> = {
    item: () => Promise.resolve({ my_decision: before } as Listed),
    write: async (_, change) => void written.push(change),
  }
  return { written, keeper: keeper as Keeper }
}

beforeEach(() => window.sessionStorage.clear())

test('a leaning is kept once, and is still at hand for whoever read the record before that', async () => {
  hold('Yes, if nobody notices.')
  belongsTo(ID)
  const { written, keeper: at } = keeper()
  await keepLeaning(at, ID, 'en')
  await keepLeaning(at, ID, 'en')
  expect(written).toEqual([{ my_decision: 'Leaning before: Yes, if nobody notices.' }])
  expect(heldFor(ID)).toBe('Yes, if nobody notices.')
  hold('')
  expect(heldFor(ID)).toBeUndefined()
})

test('it is added to what is there, and takes nothing from it', async () => {
  hold('No.')
  belongsTo(ID)
  const { written, keeper: at } = keeper('Decision: as the verdict')
  await keepLeaning(at, ID, 'en')
  expect(written).toEqual([{ my_decision: 'Leaning before: No.\nDecision: as the verdict' }])
})
