import { bearer, Client, contentSha256, IdentityPool, Invocations, open } from '@magi/stream'
import type { Authoriser, Door } from '@magi/stream'
import { createContext, use } from 'react'
import type { Archive } from './archive.ts'
import type { Config } from './config.ts'
import { ownLibrary, serverLibrary, type Library } from './library.ts'
import { tab } from './storage.ts'
import { token } from './token.ts'

/** The way from this page to a council, and where what was deliberated is kept. */
export interface Way {
  config: Config
  door: Door
  library: Library
  /** The page's own copies, where the door keeps nothing. */
  archive: Archive | undefined
}

/** Opens the way that `config.json` names. */
export async function wayOf(config: Config): Promise<Way> {
  const authoriser = authoriserOf(config)
  if (config.door === 'server') {
    const client = new Client({ base: config.base, authoriser })
    return { config, door: client, library: serverLibrary(client), archive: undefined }
  }
  const { Archive } = await import('./archive.ts')
  const archive = new Archive()
  const door = new Invocations({
    url: config.base,
    authoriser,
    onDeliberation: (id, session) => archive.bind(id, session),
  })
  return { config, door, library: ownLibrary(archive), archive }
}

/** The guest of a pool, for as long as the tab: the gateway binds conversations to who asked. */
const guest = (pool: string) => {
  const key = `magi.guest.${pool}`
  return {
    read: () => tab.read(key),
    write: (identity: string | undefined) => tab.write(key, identity),
  }
}

function authoriserOf(config: Config): Authoriser {
  const { sign, region, service, identityPool: pool, identityEndpoint: endpoint } = config
  switch (sign) {
    case 'sigv4':
      return new IdentityPool({
        pool,
        region,
        service,
        remember: guest(pool),
        ...(endpoint ? { endpoint } : {}),
      })
    case 'content-sha256':
      return contentSha256()
    case 'bearer':
      return bearer(token.read)
    case 'none':
      // A server that asks for a token gets one where it is the page's own door.
      return config.door === 'server' ? bearer(token.read) : open
  }
}

/** The host that the page calls. */
export const hostOf = ({ base }: Config): string => new URL(base, window.location.href).host

const Context = createContext<Way | undefined>(undefined)

export const WayProvider = Context

/** The way, or nothing where `config.json` names none that can be understood. */
export const useWayIfAny = (): Way | undefined => use(Context)

export function useWay(): Way {
  const way = use(Context)
  if (!way) throw new Error('useWay stands outside WayProvider')
  return way
}
