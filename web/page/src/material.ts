/** Texts that are given with a question: files are read here and become part of the context. */
import { byteLength } from './format.ts'

/** The longest context every door takes, in bytes. */
export const MAX_CONTEXT = 256 * 1024

/** Why a file was not taken. */
export type Unread = { name: string; why: 'binary' | 'large' | 'unreadable' }

export interface Read {
  text: string
  unread: Unread[]
}

/** Reads bytes as UTF-8 text; undefined for what is none. */
export function decode(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return text.includes('\0') ? undefined : text.replaceAll('\r\n', '\n')
  } catch {
    return undefined
  }
}

/** A file as a part of the context: its name, then what is in it. */
const part = (name: string, text: string): string => `--- ${name} ---\n${text.trimEnd()}\n`

/**
 * Puts files behind a context, in their order. What is no text, cannot be read, or would make it too
 * long is left out whole and named: half a file would mislead.
 */
export async function withFiles(context: string, files: readonly File[]): Promise<Read> {
  let text = context.trimEnd()
  const unread: Unread[] = []
  for (const file of files) {
    const { name } = file
    if (file.size > MAX_CONTEXT) {
      unread.push({ name, why: 'large' })
      continue
    }
    let bytes: Uint8Array
    try {
      bytes = new Uint8Array(await file.arrayBuffer())
    } catch {
      unread.push({ name, why: 'unreadable' })
      continue
    }
    const read = decode(bytes)
    const next = read === undefined ? '' : `${text}${text === '' ? '' : '\n\n'}${part(name, read)}`
    if (read === undefined) unread.push({ name, why: 'binary' })
    else if (byteLength(next) > MAX_CONTEXT) unread.push({ name, why: 'large' })
    else text = next
  }
  return { text, unread }
}
