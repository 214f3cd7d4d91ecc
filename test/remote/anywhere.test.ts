// The client over HTTP runs where there is no Node: bundled for browsers it needs no module of Node's, and works in a world
// that has nothing but what browsers, Deno, Bun and edge workers all have.

import { fileURLToPath } from 'node:url'
import { createContext, Script } from 'node:vm'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { workflow } from '../../src/workflow/define.js'
import { useHttp } from '../support/http.js'

const door = fileURLToPath(new URL('../../src/client.ts', import.meta.url))
const echo = workflow({ name: 'echo' }, async (_ctx, input: unknown) => input)
const http = useHttp([echo])

const bundled = build({
  entryPoints: [door],
  bundle: true,
  write: false,
  metafile: true,
  minify: true,
  platform: 'browser',
  format: 'iife',
  globalName: 'cerebelum',
})

test('its bundle is small, and holds neither Node nor the engine', async () => {
  // With the platform of browsers, a module of Node's fails the build.
  const { metafile, outputFiles } = await bundled
  const inputs = Object.keys(metafile.inputs)
  expect(inputs.filter((path) => /src\/(?!core|remote|client\.ts)/.test(path))).toEqual([])
  expect(inputs.length).toBeGreaterThan(8)
  expect(outputFiles[0]?.contents.length).toBeLessThan(25_000)
})

test('it starts and waits with nothing but what browsers have', async () => {
  const { outputFiles } = await bundled
  const world = createContext({
    fetch,
    URL,
    URLSearchParams,
    AbortSignal,
    AbortController,
    crypto,
    performance,
    setTimeout,
    clearTimeout,
    url: http.url,
  })
  new Script(outputFiles[0]?.text ?? '').runInContext(world)
  const program = `
    (async () => {
      const client = cerebelum.createClient({ url })
      const { result } = await client.start('echo', { from: 'a page' })
      const refused = await client.get('nobody').catch((error) => cerebelum.errorCode(error))
      return JSON.stringify([await result({ timeout: '30s' }), refused])
    })()`
  expect(JSON.parse(String(await new Script(program).runInContext(world)))).toEqual([
    { from: 'a page' },
    'EXECUTION_NOT_FOUND',
  ])
})
