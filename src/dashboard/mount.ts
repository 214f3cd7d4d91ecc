// The pages of the dashboard on a node's HTTP server: `/` and the paths of its pages give index.html, `/assets/…` the
// files that it names. What is served is what the build has left, read once; nothing is looked up by a path that a
// caller chose. Without a build the pages say so with 503, and the API works all the same.

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { Context, Hono } from 'hono'

/** The same place from `src` and from `dist`. */
const SITE = fileURLToPath(new URL('../../dist/dashboard/site', import.meta.url))

/** Paths that are pages; the page itself finds out what to show. Others are as unknown as before. */
export const PAGES = [
  '/',
  '/executions/:id',
  '/cluster',
  '/charts',
  '/schedules',
  '/dead-letters',
  '/workflows',
] as const

/**
 * Scripts and styles from this server only, none within the page, no frame around it: what a payload holds is shown
 * and never obeyed, even if a mistake here ever put it into the page as markup.
 */
export const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ')

interface File {
  readonly type: string
  readonly etag: string
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly gzip: Uint8Array<ArrayBuffer>
}

export interface MountOptions {
  /** Where the build is; default: that of this package. */
  readonly site?: string
}

/**
 * @example
 * mountDashboard(createHttpApp({ client, readiness }))
 */
export function mountDashboard(app: Hono, { site = SITE }: MountOptions = {}): void {
  const files = readSite(site)
  const index = files.get('index.html')
  for (const page of PAGES) {
    app.get(page, (c) => {
      c.header('Content-Security-Policy', POLICY)
      c.header('Referrer-Policy', 'no-referrer')
      c.header('X-Frame-Options', 'DENY')
      // A new release has new names for its files; the page that names them is asked for each time.
      return index === undefined ? notBuilt(c) : send(c, index, 'no-cache')
    })
  }
  for (const [name, file] of files) {
    if (name.startsWith('assets/')) app.get(`/${name}`, (c) => send(c, file, FOR_EVER))
  }
}

/** Their names change with what is in them. */
const FOR_EVER = 'public, max-age=31536000, immutable'

function send(c: Context, file: File, caching: string): Response {
  c.header('Cache-Control', caching)
  c.header('ETag', file.etag)
  c.header('Vary', 'Accept-Encoding')
  c.header('X-Content-Type-Options', 'nosniff')
  if (c.req.header('if-none-match') === file.etag) return c.body(null, 304)
  c.header('Content-Type', file.type)
  if (!/\bgzip\b/.test(c.req.header('accept-encoding') ?? '')) return c.body(file.bytes)
  c.header('Content-Encoding', 'gzip')
  return c.body(file.gzip)
}

const NOT_BUILT = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Cerebelum</title>
<h1>The dashboard is not built</h1>
<p>This node runs from a source tree without <code>dist/dashboard/site</code>. Run <code>npm run build</code> and start it
again. The API works all the same: <a href="/api/v1/executions">/api/v1/executions</a>.</p></html>
`

function notBuilt(c: Context): Response {
  return c.html(NOT_BUILT, 503, { 'Cache-Control': 'no-store' })
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Every file of the build whose kind is known, by its path within; none when there is no build. */
function readSite(folder: string): ReadonlyMap<string, File> {
  const files = new Map<string, File>()
  for (const name of listFiles(folder)) {
    const type = TYPES[extname(name)]
    if (type === undefined) continue
    const bytes = Uint8Array.from(readFileSync(`${folder}/${name}`))
    const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
    files.set(name, { type, etag, bytes, gzip: Uint8Array.from(gzipSync(bytes)) })
  }
  return files
}

function listFiles(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) =>
      name.replaceAll('\\', '/'),
    )
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}
