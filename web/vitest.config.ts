import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'stream', include: ['stream/test/**/*.test.ts'], environment: 'node' } },
      {
        test: {
          name: 'page',
          include: ['page/test/**/*.test.{ts,tsx}'],
          environment: 'jsdom',
        },
      },
    ],
  },
})
