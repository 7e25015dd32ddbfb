import { readFile } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, normalize } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Fake, type FakeOptions } from './fake.ts'

/** The built page: MAGI_PAGE, by default the one that is committed. */
const PAGE =
  process.env['MAGI_PAGE'] === undefined
    ? new URL('../../crates/magi-server/page/', import.meta.url)
    : pathToFileURL(`${process.env['MAGI_PAGE']}/`)
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
}
/** As strict as the real server's, so that the tests see what a browser would refuse. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** Serves the built page as static hosting does, with a `config.json` of its own, on a free port. */
export async function host(
  config: unknown,
  connect = '',
): Promise<{ url: string; close: () => void }> {
  // What a deployer sends with the page: the strict policy, and the origins it calls.
  const policy = POLICY.replace("connect-src 'self'", `connect-src 'self' ${connect}`)
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://hosting.test')
    if (pathname !== '/config.json')
      return void file(pathname, response, { 'content-security-policy': policy })
    if (config === undefined) return void response.writeHead(404).end()
    const text = typeof config === 'string' ? config : JSON.stringify(config)
    response.writeHead(200, { 'content-type': 'application/json' }).end(text)
  })
  return { url: await listening(server), close: () => closed(server) }
}

/** Serves the built page with the fake server behind it, on a free port of this machine. */
export async function serve(
  options: FakeOptions = {},
): Promise<{ url: string; fake: Fake; close: () => void }> {
  const fake = new Fake({ records: () => import('../page/src/record.ts'), ...options })
  const server = createServer((request, response) => {
    void fake.handle(request, response).then(async (done) => {
      if (done) return
      const { pathname } = new URL(request.url ?? '/', 'http://fake.test')
      await file(pathname, response, { 'content-security-policy': POLICY })
    })
  })
  return {
    url: await listening(server),
    fake,
    close: () => {
      fake.close()
      closed(server)
    },
  }
}

/** Answers with one of the page's files. */
async function file(
  pathname: string,
  response: ServerResponse,
  headers: Record<string, string> = {},
): Promise<void> {
  const path = normalize(pathname === '/' ? '/index.html' : pathname).slice(1)
  try {
    const bytes = await readFile(fileURLToPath(new URL(path, PAGE)))
    const type = TYPES[extname(path)] ?? 'application/octet-stream'
    response.writeHead(200, { 'content-type': type, ...headers }).end(bytes)
  } catch {
    response.writeHead(404).end()
  }
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function closed(server: Server): void {
  server.closeAllConnections()
  server.close()
}
