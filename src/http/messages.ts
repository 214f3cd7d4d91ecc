// Messages to an execution: signals (fire and forget), updates (validated and answered), queries (read only).
// The body is the payload, any JSON value; an empty body is no payload.

import type { Context } from 'hono'
import type { Client } from '../client/client.js'
import { parseQuery, readJson } from './body.js'
import { readIdempotencyKey } from './idempotency.js'
import { pathParameter, type Route } from './route.js'
import * as schemas from './schemas.js'
import { toJson } from './to-json.js'

const ANSWER_MS_DEFAULT = 30_000

export function messageRoutes(client: Client): readonly Route[] {
  return [
    { path: '/executions/:id/signals/:name', methods: { POST: (c) => signal(c, client) } },
    { path: '/executions/:id/updates/:name', methods: { POST: (c) => update(c, client) } },
    { path: '/executions/:id/queries/:name', methods: { POST: (c) => query(c, client) } },
  ]
}

async function signal(c: Context, client: Client): Promise<Response> {
  parseQuery(c, schemas.noQuery)
  const { executionId, name } = target(c)
  const signalId = readIdempotencyKey(c)
  await client.signal(executionId, name, await readJson(c), signalId === undefined ? {} : { signalId })
  return c.json({ executionId, signal: name }, 202)
}

async function update(c: Context, client: Client): Promise<Response> {
  const { timeoutMs: timeout = ANSWER_MS_DEFAULT } = parseQuery(c, schemas.pollQuery)
  const { executionId, name } = target(c)
  const updateId = readIdempotencyKey(c)
  const result = await client.update(executionId, name, await readJson(c), {
    timeout,
    ...(updateId === undefined ? {} : { updateId }),
  })
  return c.json({ executionId, update: name, result: toJson(result) })
}

async function query(c: Context, client: Client): Promise<Response> {
  const { timeoutMs: timeout = ANSWER_MS_DEFAULT } = parseQuery(c, schemas.pollQuery)
  const { executionId, name } = target(c)
  const result = await client.query(executionId, name, await readJson(c), { timeout })
  return c.json({ executionId, query: name, result: toJson(result) })
}

function target(c: Context): { executionId: string; name: string } {
  return { executionId: pathParameter(c, 'id'), name: pathParameter(c, 'name') }
}
