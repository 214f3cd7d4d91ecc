// How the pages are built: src/dashboard/app into dist/dashboard/site, with hashed names that may be cached for ever.
// `npx vite dev --config src/dashboard/vite.config.mjs` serves them while they are worked on, over the API of a node
// (CEREBELUM_NODE, default http://127.0.0.1:4000). Must never let anything in that the page's own policy forbids.

import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const node = process.env['CEREBELUM_NODE'] ?? 'http://127.0.0.1:4000'
const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url))

export default defineConfig({
  root: pathOf('app'),
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: pathOf('../../dist/dashboard/site'),
    emptyOutDir: true,
    target: 'es2022',
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    // Inlined files would need data: in the policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: Object.fromEntries(['/api', '/docs', '/readyz'].map((path) => [path, node])) },
})
