// The HTTP face: every operation of /api/v1 over the public client, its OpenAPI document, and health beside it. Promises
// JSON in and out, problem details (RFC 9457) for every refusal, and no side effect of a request it refuses. It knows the
// client and never the store; whoever may reach the port may use it all, so put it behind your own authentication.
// README.md beside this file is its guide.

import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { compress } from 'hono/compress'
import { cors } from 'hono/cors'
import { etag, RETAINED_304_HEADERS } from 'hono/etag'
import { requestId } from 'hono/request-id'
import type { Client } from '../client/client.js'
import { errorCode } from '../core/errors.js'
import { silentLogger, systemClock, type Logger } from '../core/ports.js'
import { accessLog } from './access-log.js'
import { BODY_BYTES_MAX } from './body.js'
import { docsPage } from './docs.js'
import { healthOperations, type Readiness } from './health.js'
import { hintRoute, type Hint } from './hints.js'
import { API_PREFIX, createApi } from './operations.js'
import { Overload } from './overload.js'
import { HttpProblem, problemResponse } from './problem.js'
import { regionOperation } from './region.js'
import { HttpMetrics } from './metrics.js'
import { checkPathEncoding, mount } from './route.js'

export interface HttpAppOptions {
  readonly client: Client
  /** Whether this node can take work; asked by each GET /readyz. */
  readonly readiness: () => Promise<Readiness>
  readonly log?: Logger
  /** Larger bodies are refused; default 2 MiB. With a larger `payloadBytesMax`, twice that. */
  readonly bodyBytesMax?: number
  /** Hints of other nodes, e.g. `(hint) => engine.hinted(hint)`; without it there is no such path. */
  readonly onHint?: (hint: Hint) => void
  /** What GET /metrics tells of the node, e.g. `() => engine.metrics()`; without it there is no such path. */
  readonly metrics?: () => Promise<string>
  /** Pages of these origins, such as https://app.example.com, may call the API from a browser; default none. */
  readonly corsOrigins?: readonly string[]
  /** What /regionz speaks for; default `local`. */
  readonly region?: string
  /** Abort it to drain: /readyz says 503, long polls are answered at once, and connections end with their next answer. */
  readonly draining?: AbortSignal
}

/**
 * @example
 * const app = createHttpApp({ client: engine.client, readiness: async () => ({ ready: true }) })
 * const server = await serveHttp(app, { port: 4000 })
 */
export function createHttpApp(options: HttpAppOptions): Hono {
  const { client, readiness, log = silentLogger, draining = new AbortController().signal } = options
  const { bodyBytesMax = BODY_BYTES_MAX, corsOrigins = [], onHint, region = 'local', metrics } = options
  const overload = new Overload(systemClock)
  const counts = new HttpMetrics(systemClock)
  const app = new Hono()
  app.onError((error, c) => {
    if (errorCode(error) === 'OVERLOADED') overload.note()
    const response = problemResponse(c, error)
    if (response.status >= 500) {
      const { method, path } = c.req
      log.error(
        { err: error, method, path, requestId: response.headers.get('x-request-id') },
        'request failed',
      )
    }
    return response
  })
  app.notFound((c) => {
    const text = `There is no resource at this path. The API begins at ${API_PREFIX} and is described at /docs.`
    return problemResponse(c, new HttpProblem('ROUTE_NOT_FOUND', text))
  })
  app.use(counts.middleware)
  app.use(requestId())
  app.use(accessLog(log, systemClock))
  if (corsOrigins.length > 0) app.use(`${API_PREFIX}/*`, cors(crossOrigin(corsOrigins)))
  app.use(async (c, next) => {
    checkPathEncoding(c.req.url)
    checkOrigin(c.req.method, c.req.raw.headers, corsOrigins)
    await next()
    // A balancer must not send its next request into a connection that is about to end.
    if (draining.aborted) c.header('Connection', 'close')
  })
  app.use(bodyLimit({ maxSize: bodyBytesMax, onError: () => refuseBody(bodyBytesMax) }))
  const service = { client, region, readiness, draining, overload }
  const api = createApi(service)
  mount(app, '', [...healthOperations(service), regionOperation(service)])
  if (onHint !== undefined) mount(app, '', [hintRoute(onHint)])
  if (metrics !== undefined) mount(app, '', [counts.route(metrics)])
  mount(app, API_PREFIX, api.streams)
  // Reads only: what a POST answers is short.
  app.on(
    'GET',
    '*',
    compress(),
    etag({ weak: true, retainedHeaders: [...RETAINED_304_HEADERS, ...KEPT] }),
    async (c, next) => {
      await next()
      if (!c.res.headers.has('Cache-Control')) c.header('Cache-Control', 'private, no-cache')
    },
  )
  // A principal, once there is one, is established here: every operation says which role it takes.
  mount(app, API_PREFIX, api.operations)
  app.get('/docs', docsPage(api.document))
  return app
}

/** A 304 is read by the same pages, and found in the same logs, as what it stands for. */
const KEPT = ['X-Request-Id', 'Access-Control-Allow-Origin', 'Access-Control-Expose-Headers']

function crossOrigin(origins: readonly string[]): Parameters<typeof cors>[0] {
  return {
    origin: [...origins],
    allowMethods: ['GET', 'POST', 'PATCH', 'DELETE'],
    allowHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'If-None-Match', 'X-Request-Id'],
    exposeHeaders: ['ETag', 'Location', 'Retry-After', 'X-Request-Id'],
    maxAge: 600,
  }
}

function refuseBody(bytesMax: number): never {
  throw new HttpProblem(
    'PAYLOAD_TOO_LARGE',
    `The body is larger than ${bytesMax} bytes. Store large data elsewhere and pass a reference to it.`,
  )
}

/** A page on another site, open in somebody's browser, must not terminate executions on that person's machine. */
function checkOrigin(method: string, headers: Headers, allowed: readonly string[]): void {
  if (headers.get('sec-fetch-site') !== 'cross-site') return
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return
  if (allowed.includes(headers.get('origin') ?? '')) return
  throw new HttpProblem(
    'CROSS_SITE_REQUEST',
    'Requests from pages of other sites are refused. Call from a server, or allow the origin of the page.',
  )
}
