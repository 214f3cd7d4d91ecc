// GET /metrics: what the node has counted and what this face has, in Prometheus' text format. Requests are counted by the
// pattern of their route, never by their path, so that ids make no series; what has no route is one series of its own.
// Between machines, like health: no part of the API, and not in its document.

import type { MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import type { Clock } from '../core/ports.js'
import { Distribution } from '../metrics/distribution.js'
import { METRICS_CONTENT_TYPE } from '../metrics/exporter.js'
import { bucketsOf } from '../metrics/names.js'
import { registryOf } from '../metrics/registry.js'
import type { Mounted } from './route.js'

interface Series {
  readonly labels: Readonly<Record<string, string>>
  readonly value: Distribution
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

export class HttpMetrics {
  readonly #clock: Clock
  readonly #series = new Map<string, Series>()
  readonly #registry = registryOf({
    cerebelum_http_request_duration_seconds: () => [...this.#series.values()],
  })

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Before all else, so that refusals are counted too. */
  get middleware(): MiddlewareHandler {
    return async (c, next) => {
      const begunMs = this.#clock.monotonicMs()
      await next()
      // What answers is behind all that looks on.
      const route = matchedRoutes(c).findLast(({ path }) => !path.endsWith('*'))?.path ?? 'none'
      const method = METHODS.has(c.req.method) ? c.req.method : 'other'
      this.#count(method, route, c.res.status).observeMs(this.#clock.monotonicMs() - begunMs)
    }
  }

  /** `ofNode` gives what else there is to tell. */
  route(ofNode: () => Promise<string>): Mounted {
    return {
      method: 'GET',
      path: '/metrics',
      handle: async (c) => {
        const [node, http] = await Promise.all([ofNode(), this.#registry.metrics()])
        return c.body(`${node}\n${http}`, 200, {
          'Content-Type': METRICS_CONTENT_TYPE,
          'Cache-Control': 'no-store',
        })
      },
    }
  }

  #count(method: string, route: string, status: number): Distribution {
    const statusClass = `${Math.floor(status / 100)}xx`
    const key = `${method} ${statusClass} ${route}`
    const known = this.#series.get(key)
    if (known !== undefined) return known.value
    const value = new Distribution(bucketsOf('cerebelum_http_request_duration_seconds'))
    this.#series.set(key, { labels: { method, route, status_class: statusClass }, value })
    return value
  }
}
