/** What a deployer says about where the page is and what it calls. */
export interface Config {
  /** The server's address; empty where the page and the server are one. */
  api: string
}

/** Reads `config.json` beside the page. Without one, or with a broken one, the page's own server is asked. */
export async function readConfig(): Promise<Config> {
  try {
    const response = await fetch('./config.json', { cache: 'no-cache' })
    const read: unknown = await response.json()
    if (typeof read === 'object' && read !== null && 'api' in read && typeof read.api === 'string')
      return { api: read.api }
  } catch {
    // The page itself is the answer to a missing file.
  }
  return { api: '' }
}
