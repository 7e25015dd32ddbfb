// Writes the TypeScript types of the wire from the JSON Schema that `magi-event` generates.
// `--check` writes nothing and fails when the committed types are not the schema's.
import { readFile, writeFile } from 'node:fs/promises'
import { compile } from 'json-schema-to-typescript'

const schema = new URL('../../crates/magi-event/schema/events.schema.json', import.meta.url)
const target = new URL('../stream/src/events.d.ts', import.meta.url)

/** What the generator reads: `definitions`, and no word beside a `$ref`, which it would take for a new type. */
function plain(node) {
  if (Array.isArray(node)) return node.map(plain)
  if (typeof node !== 'object' || node === null) return node
  if (typeof node.$ref === 'string')
    return { $ref: node.$ref.replace('#/$defs/', '#/definitions/') }
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => [
      key === '$defs' ? 'definitions' : key,
      plain(value),
    ]),
  )
}

const { definitions, oneOf, description } = plain(JSON.parse(await readFile(schema, 'utf8')))
const root = {
  title: 'Wire',
  description: 'The three shapes a reader meets: an event, a door frame, a snapshot.',
  type: 'object',
  properties: Object.fromEntries(
    ['Event', 'DoorFrame', 'Snapshot'].map((name) => [name, { $ref: `#/definitions/${name}` }]),
  ),
  definitions: { ...definitions, Event: { title: 'Event', description, oneOf } },
}
const types = await compile(root, 'Wire', {
  additionalProperties: false,
  bannerComment:
    '/* Generated from crates/magi-event/schema/events.schema.json by `npm run types:write`. Do not edit. */',
  style: { semi: false, singleQuote: true, printWidth: 100 },
})

if (process.argv.includes('--check')) {
  const committed = await readFile(target, 'utf8').catch(() => '')
  if (committed !== types) {
    console.error('stream/src/events.d.ts is not what the schema says: run `npm run types:write`')
    process.exit(1)
  }
} else {
  await writeFile(target, types)
}
