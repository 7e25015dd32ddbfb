import type { Plugin } from 'vite'
import { Fake } from './fake.ts'

/** `npm run dev` serves the page with the fake server behind it; set MAGI_URL to use a real one. */
export function fakeServer(): Plugin {
  return {
    name: 'magi-fake-server',
    apply: 'serve',
    config: () => {
      const target = process.env['MAGI_URL']
      return target ? { server: { proxy: { '/v1': target } } } : {}
    },
    configureServer(server) {
      if (process.env['MAGI_URL']) return
      const fake = new Fake({
        cutAfter: Number(process.env['MAGI_CUT_AFTER'] ?? 0),
        records: () =>
          server.ssrLoadModule('/src/record.ts') as Promise<typeof import('../page/src/record.ts')>,
      })
      server.middlewares.use((request, response, next) => {
        fake.handle(request, response).then((done) => done || next(), next)
      })
    },
  }
}
