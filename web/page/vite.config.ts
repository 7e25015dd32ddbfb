import react from '@vitejs/plugin-react'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'
import { fakeServer } from '../dev/plugin.ts'

const output = fileURLToPath(new URL('../../crates/magi-server/page', import.meta.url))

/** The built page is committed inside the crate that embeds it, so it must come out the same every time. */
export default defineConfig({
  base: './',
  root: fileURLToPath(new URL('.', import.meta.url)),
  plugins: [react(), fakeServer()],
  build: {
    outDir: output,
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
})
