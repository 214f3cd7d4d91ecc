// The HTTP face: every route of /api/v1 over the public client, and health beside it. Promises JSON in and out,
// problem details (RFC 9457) for every refusal, and no side effect of a request it refuses. It knows the client and
// never the store; whoever may reach the port may use it all, so put it behind your own authentication.
//
// POST   /executions                      {workflow, input?, id?, idPolicy?, startAfter?, attributes?, priority?, key?} → 201 | 200
// GET    /executions                      ?workflow&status&startedAfter&startedBefore&parentId&attributes&limit&cursor
// GET    /executions/:id                  DELETE /executions/:id (closed ones) → 204
// GET    /executions/:id/history          ?after&limit
// GET    /executions/:id/result           ?timeoutMs (≤ 60,000): 200 closed, 202 still open
// POST   /executions/:id/signals/:name    → 202   /updates/:name → 200   /queries/:name → 200
// POST   /executions/:id/cancel, /pause   → 202   /terminate, /resume, /retry → 200
// POST   /schedules                       {id, spec: {cron, timeZone?} | {every, offset?}, workflow, …} → 201 | 200
// GET    /schedules                       ?workflow&limit&cursor
// GET    /schedules/:id                   PATCH /schedules/:id {what changes} → 200   DELETE → 204
// POST   /schedules/:id/pause, /resume {note?} → 200   /trigger → 201 | 200   /backfill {from, to} → 200
// GET    /workflows   /cluster   /healthz   /readyz
// POST   /internal/hints (not below /api/v1): between nodes of a cluster, see hints.ts
//
// Ids and names in paths are URL-encoded. Idempotency-Key: the start's, signal's, update's or trigger's id.

import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Client } from '../client/client.js'
import { silentLogger, type Logger } from '../core/ports.js'
import { BODY_BYTES_MAX, parseQuery } from './body.js'
import { clusterRoute } from './cluster.js'
import { controlRoutes } from './controls.js'
import { executionRoutes } from './executions.js'
import { healthRoutes, type Readiness } from './health.js'
import { hintRoute, type Hint } from './hints.js'
import { messageRoutes } from './messages.js'
import { HttpProblem, problemResponse } from './problem.js'
import { checkPathEncoding, mount, type Route } from './route.js'
import { scheduleRoutes } from './schedules.js'
import { noQuery } from './schemas.js'

export interface HttpAppOptions {
  readonly client: Client
  /** Whether this node can take work; asked by each GET /readyz. */
  readonly readiness: () => Promise<Readiness>
  readonly log?: Logger
  /** Larger bodies are refused; default 2 MiB. With a larger `payloadBytesMax`, twice that. */
  readonly bodyBytesMax?: number
  /** Hints of other nodes, e.g. `(hint) => engine.hinted(hint)`; without it there is no such path. */
  readonly onHint?: (hint: Hint) => void
  /** Abort it to drain: /readyz says 503 and long polls are answered at once. */
  readonly draining?: AbortSignal
}

const PREFIX = '/api/v1'

/**
 * @example
 * const app = createHttpApp({ client: engine.client, readiness: async () => ({ ready: true }) })
 * const server = await serveHttp(app, { port: 4000 })
 */
export function createHttpApp(options: HttpAppOptions): Hono {
  const { client, readiness, log = silentLogger, draining = new AbortController().signal } = options
  const { bodyBytesMax = BODY_BYTES_MAX } = options
  const app = new Hono()
  app.onError((error, c) => {
    const response = problemResponse(c, error)
    if (response.status >= 500)
      log.error({ err: error, method: c.req.method, path: c.req.path }, 'request failed')
    return response
  })
  app.notFound((c) =>
    problemResponse(
      c,
      new HttpProblem(
        404,
        'ROUTE_NOT_FOUND',
        `There is no resource at this path. The API begins at ${PREFIX}.`,
      ),
    ),
  )
  app.use(async (c, next) => {
    checkPathEncoding(c.req.url)
    checkOrigin(c.req.method, c.req.header('sec-fetch-site'))
    await next()
  })
  app.use(bodyLimit({ maxSize: bodyBytesMax, onError: () => refuseBody(bodyBytesMax) }))
  const health = healthRoutes({ readiness, draining })
  mount(app, '', options.onHint === undefined ? health : [...health, hintRoute(options.onHint)])
  mount(app, PREFIX, [
    ...health,
    workflowRoute(client),
    clusterRoute(client),
    ...executionRoutes({ client, prefix: PREFIX, draining }),
    ...messageRoutes(client),
    ...controlRoutes(client),
    ...scheduleRoutes({ client, prefix: PREFIX }),
  ])
  return app
}

function workflowRoute(client: Client): Route {
  return {
    path: '/workflows',
    methods: {
      GET: async (c) => {
        parseQuery(c, noQuery)
        return c.json({ workflows: await client.workflows() })
      },
    },
  }
}

function refuseBody(bytesMax: number): never {
  throw new HttpProblem(
    413,
    'PAYLOAD_TOO_LARGE',
    `The body is larger than ${bytesMax} bytes. Store large data elsewhere and pass a reference to it.`,
  )
}

/** A page on another site, open in somebody's browser, must not terminate executions on that person's machine. */
function checkOrigin(method: string, site: string | undefined): void {
  if (site !== 'cross-site' || method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return
  throw new HttpProblem(
    403,
    'CROSS_SITE_REQUEST',
    'Requests from pages of other sites are refused. Call from a server.',
  )
}
