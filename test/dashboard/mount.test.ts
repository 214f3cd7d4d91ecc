// What a node's HTTP server gives to a browser: the pages under their own policy, their files for ever, nothing else;
// and an explanation where nothing is built. The bundle stays small.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Hono } from 'hono'
import { mountDashboard, PAGES } from '../../src/dashboard/mount.js'
import { createHttpApp } from '../../src/http/app.js'
import { unreachableClient } from '../http/unreachable-client.js'

const GZIP_BYTES_MAX = 150_000

function makeApp(site?: string): Hono {
  const app = createHttpApp({
    client: unreachableClient(),
    readiness: () => Promise.resolve({ ready: true }),
  })
  mountDashboard(app, site === undefined ? {} : { site })
  return app
}

const app = makeApp()

async function assetsOf(page: string): Promise<string[]> {
  const html = await (await app.request(page)).text()
  return Array.from(html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g), ([, path = '']) => path)
}

describe('a page', () => {
  const paths = PAGES.map((page) => page.replace(':id', encodeURIComponent('a/b c')))

  it.each(paths)('is served at %s, under a strict policy, and asked for each time', async (path) => {
    const response = await app.request(path)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(response.headers.get('cache-control')).toBe('no-cache')
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    const policy = response.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/unsafe|https?:|\*/)
  })

  it('holds nothing that its policy forbids', async () => {
    const html = await (await app.request('/')).text()
    expect(html).not.toMatch(/<style|style=|\son\w+=|<script(?![^>]*\ssrc=)/)
    expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//)
  })

  it('that has not changed is not sent again', async () => {
    const etag = (await app.request('/')).headers.get('etag') ?? ''
    const again = await app.request('/', { headers: { 'If-None-Match': etag } })
    expect([again.status, await again.text()]).toEqual([304, ''])
  })
})

describe('its files', () => {
  it('may be kept for ever, and come compressed to those who can read it', async () => {
    const paths = await assetsOf('/')
    expect(paths.length).toBeGreaterThanOrEqual(2)
    for (const path of paths) {
      const plain = await app.request(path)
      expect(plain.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
      expect(plain.headers.get('content-encoding')).toBeNull()
      const packed = await app.request(path, { headers: { 'Accept-Encoding': 'br, gzip' } })
      expect(packed.headers.get('content-encoding')).toBe('gzip')
      expect((await packed.arrayBuffer()).byteLength).toBeLessThan((await plain.arrayBuffer()).byteLength)
    }
  })

  it(`are less than ${GZIP_BYTES_MAX} bytes together, compressed`, async () => {
    const bodies = await Promise.all(
      (await assetsOf('/')).map(async (path) => (await app.request(path)).arrayBuffer()),
    )
    const bytes = bodies.reduce((sum, body) => sum + gzipSync(new Uint8Array(body)).byteLength, 0)
    expect(bytes).toBeGreaterThan(5_000)
    expect(bytes).toBeLessThan(GZIP_BYTES_MAX)
  })

  it('are those of the build and no others', async () => {
    for (const path of [
      '/assets/none.js',
      '/assets/..%2f..%2fmount.js',
      '/index.html',
      '/no-such-page',
      '/executions',
    ])
      expect((await app.request(path)).status, path).toBe(404)
  })
})

describe('without a build', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cerebelum-site-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it.each(['empty', 'missing'])('(its folder %s) the pages say so, and the API works', async (kind) => {
    const bare = makeApp(kind === 'empty' ? folder : join(folder, 'missing'))
    const response = await bare.request('/')
    expect(response.status).toBe(503)
    expect(await response.text()).toContain('npm run build')
    expect((await bare.request('/healthz')).status).toBe(200)
  })
})
