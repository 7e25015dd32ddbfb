import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // For busy machines: what hangs is caught all the same.
    testTimeout: 60_000,
    projects: [
      { test: { name: 'stream', include: ['stream/test/**/*.test.ts'], environment: 'node' } },
      {
        test: {
          name: 'page',
          include: ['page/test/**/*.test.{ts,tsx}'],
          environment: 'jsdom',
          setupFiles: ['page/test/setup.ts'],
        },
      },
    ],
  },
})
