import type { Client, ExportFormat, ListQuery, Page, Remarks, Snapshot } from '@magi/stream'
import type { Archive, Promised } from './archive.ts'

/** What can be done with earlier deliberations, wherever they are. */
interface Shelf {
  /** One page, newest first. */
  list: (query: ListQuery) => Promise<Page>
  /** Changes what a person wrote beside the verdict; null clears it. */
  remark: (id: string, change: Remarks) => Promise<void>
  /** Deletes it: it is gone. */
  remove: (id: string) => Promise<void>
  /** All that is known of one. */
  snapshot: (id: string) => Promise<Snapshot>
  /** The record as a file. */
  record: (id: string, format: ExportFormat) => Promise<Blob>
  /** The names of the presets that were used, or may be. */
  presets: () => Promise<readonly string[]>
  formats: readonly ExportFormat[]
  /** True where a new deliberation may be linked to an earlier one, and belong to its conversation. */
  links: boolean
}

/** Where earlier deliberations are. */
export type Library = Shelf &
  (
    | {
        kind: 'server'
        /** The address of the record, for a plain link. */
        link: (id: string, format: ExportFormat) => string
      }
    | { kind: 'own'; promised: () => Promise<Promised> }
  )

/** The server keeps them. */
export const serverLibrary = (client: Client): Library => ({
  kind: 'server',
  list: (query) => client.list(query),
  remark: async (id, change) => void (await client.patch(id, change)),
  remove: (id) => client.remove(id),
  snapshot: (id) => client.get(id),
  record: (id, format) => client.export(id, format),
  presets: async () => (await client.presets()).map((preset) => preset.name),
  formats: ['md', 'json', 'ndjson', 'html'],
  links: true,
  link: (id, format) => client.exportUrl(id, format),
})

/** This browser keeps them. */
export const ownLibrary = (archive: Archive): Library => ({
  kind: 'own',
  list: (query) => archive.list(query),
  remark: (id, change) => archive.patch(id, change),
  remove: (id) => archive.remove(id),
  snapshot: async (id) => {
    const { snapshotOf } = await import('./record.ts')
    return snapshotOf((await told(archive, id)).at(-1) ?? missing(id))
  },
  record: async (id, format) => {
    const { recordOf } = await import('./record.ts')
    return recordOf(await told(archive, id), format, await archive.item(id))
  },
  presets: () => archive.presets(),
  formats: ['md', 'json', 'ndjson', 'html'],
  links: false,
  promised: () => archive.promised(),
})

const told = async (archive: Archive, id: string) =>
  (await archive.story(id)).map(({ row, lines }) => ({ id: row.id, lines }))

function missing(id: string): never {
  throw new Error(`this browser keeps no copy of ${id}`)
}

/** Hands a file to the browser to save. */
export function save(blob: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob)
  link.download = name
  link.click()
  URL.revokeObjectURL(link.href)
}
