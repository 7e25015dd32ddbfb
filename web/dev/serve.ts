import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Fake, type FakeOptions } from './fake.ts'

const PAGE = new URL('../../crates/magi-server/page/', import.meta.url)
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

/** Serves the built page with the fake server behind it, on a free port of this machine. */
export async function serve(
  options: FakeOptions = {},
): Promise<{ url: string; fake: Fake; close: () => void }> {
  const fake = new Fake(options)
  const server = createServer((request, response) => {
    void fake.handle(request, response).then(async (done) => {
      if (done) return
      const { pathname } = new URL(request.url ?? '/', 'http://fake.test')
      const path = normalize(pathname === '/' ? '/index.html' : pathname).slice(1)
      try {
        const file = await readFile(fileURLToPath(new URL(path, PAGE)))
        const type = TYPES[extname(path)] ?? 'application/octet-stream'
        response.writeHead(200, { 'content-type': type, 'content-security-policy': POLICY })
        response.end(file)
      } catch {
        response.writeHead(404).end()
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    fake,
    close: () => {
      fake.close()
      server.closeAllConnections()
      server.close()
    },
  }
}
