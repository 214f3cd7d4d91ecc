// A line for each request at level debug, with its id and the execution that it was about, so that what a caller saw can be
// found in what the nodes did. Never a body, a query or a header: those may be secret.

import type { MiddlewareHandler } from 'hono'
import type { Clock, Logger } from '../core/ports.js'

export function accessLog(log: Logger, clock: Clock): MiddlewareHandler {
  return async (c, next) => {
    const begunMs = clock.monotonicMs()
    await next()
    const requestId = c.res.headers.get('x-request-id')
    const executionId = c.req.param('executionId') ?? startedBy(c.res.headers.get('location'))
    const { method, path } = c.req
    const ms = Math.round((clock.monotonicMs() - begunMs) * 10) / 10
    const about = executionId === undefined ? {} : { executionId }
    log.debug({ requestId, method, path, status: c.res.status, ms, ...about }, 'request')
  }
}

function startedBy(location: string | null): string | undefined {
  const [, id] = /\/executions\/([^/]+)$/.exec(location ?? '') ?? []
  return id === undefined ? undefined : decodeURIComponent(id)
}
