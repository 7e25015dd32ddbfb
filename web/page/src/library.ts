import type { Client, ExportFormat, Page } from '@magi/stream'
import type { Archive, Promised } from './archive.ts'

/** Where earlier deliberations are. */
export type Library =
  | {
      kind: 'server'
      list: (limit: number, after?: string) => Promise<Page>
      /** The record as a file. */
      record: (id: string, format: ExportFormat) => Promise<Blob>
      /** The address of the record, for a plain link. */
      link: (id: string, format: ExportFormat) => string
    }
  | {
      /** Records are made from what is on the screen. */
      kind: 'own'
      list: (limit: number, after?: string) => Promise<Page>
      remove: (id: string) => Promise<void>
      promised: () => Promise<Promised>
    }

/** The server keeps them. */
export const serverLibrary = (client: Client): Library => ({
  kind: 'server',
  list: (limit, after) => client.list(after === undefined ? { limit } : { limit, cursor: after }),
  record: (id, format) => client.export(id, format),
  link: (id, format) => client.exportUrl(id, format),
})

/** This browser keeps them. */
export const ownLibrary = (archive: Archive): Library => ({
  kind: 'own',
  list: (limit, after) => archive.list(limit, after),
  remove: (id) => archive.remove(id),
  promised: () => archive.promised(),
})

/** Hands a file to the browser to save. */
export function save(blob: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob)
  link.download = name
  link.click()
  URL.revokeObjectURL(link.href)
}
