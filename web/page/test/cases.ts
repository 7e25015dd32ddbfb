/** The tables that the server's tests and the page's are both held to. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A table of the record, from the server's tests. */
export const table = (name: 'cases.json' | 'told.ndjson'): string =>
  readFileSync(join(import.meta.dirname, '../../../crates/magi-server/tests/records', name), 'utf8')
