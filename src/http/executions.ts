// Executions over HTTP: start, list, read, history, wait for the result, delete. A 2xx means committed; a start
// with an id or an Idempotency-Key may be sent again blindly.

import type { Context } from 'hono'
import type { Client, ListFilter, StartOptions } from '../client/client.js'
import { errorCode } from '../core/errors.js'
import { isClosed, type ClosedStatus } from '../core/execution.js'
import { toFailure } from '../core/failure.js'
import { parse, parseQuery, readJson } from './body.js'
import { readIdempotencyKey } from './idempotency.js'
import { pathParameter, type Route } from './route.js'
import * as schemas from './schemas.js'
import { toJson } from './to-json.js'

const POLL_MS_DEFAULT = 30_000

export interface ExecutionRoutesOptions {
  readonly client: Client
  readonly prefix: string
  /** Aborted when the server drains: polls are answered at once with 202. */
  readonly draining: AbortSignal
}

export function executionRoutes(options: ExecutionRoutesOptions): readonly Route[] {
  const { client } = options
  return [
    { path: '/executions', methods: { POST: (c) => start(c, options), GET: (c) => list(c, client) } },
    { path: '/executions/:id', methods: { GET: (c) => get(c, client), DELETE: (c) => remove(c, client) } },
    { path: '/executions/:id/history', methods: { GET: (c) => history(c, client) } },
    { path: '/executions/:id/result', methods: { GET: (c) => result(c, options) } },
  ]
}

async function start(c: Context, { client, prefix }: ExecutionRoutesOptions): Promise<Response> {
  parseQuery(c, schemas.noQuery)
  const startId = readIdempotencyKey(c)
  const { workflow, input, ...rest } = parse(schemas.startBody, await readJson(c), 'body')
  const options: StartOptions = startId === undefined ? rest : { ...rest, startId }
  const { executionId, created } = await client.start(workflow, input, options)
  const location = `${prefix}/executions/${encodeURIComponent(executionId)}`
  return c.json({ executionId, created }, created ? 201 : 200, { Location: location })
}

async function list(c: Context, client: Client): Promise<Response> {
  const filter: ListFilter = parseQuery(c, schemas.listQuery, ['status'])
  return c.json(toJson(await client.list(filter)))
}

async function get(c: Context, client: Client): Promise<Response> {
  parseQuery(c, schemas.noQuery)
  return c.json(toJson(await client.get(pathParameter(c, 'id'))))
}

async function history(c: Context, client: Client): Promise<Response> {
  const page = parseQuery(c, schemas.historyQuery)
  return c.json(toJson(await client.history(pathParameter(c, 'id'), page)))
}

async function remove(c: Context, client: Client): Promise<Response> {
  parseQuery(c, schemas.noQuery)
  await client.delete(pathParameter(c, 'id'))
  return c.body(null, 204)
}

const STATUS_OF_CODE: Readonly<Record<string, ClosedStatus>> = {
  EXECUTION_FAILED: 'failed',
  EXECUTION_CANCELED: 'canceled',
  EXECUTION_TERMINATED: 'terminated',
}

async function result(c: Context, { client, draining }: ExecutionRoutesOptions): Promise<Response> {
  const executionId = pathParameter(c, 'id')
  const { timeoutMs = POLL_MS_DEFAULT } = parseQuery(c, schemas.pollQuery)
  if (timeoutMs === 0) return current(c, client, executionId)
  const signal = AbortSignal.any([c.req.raw.signal, draining])
  try {
    const value = await client.result(executionId, { timeout: timeoutMs, signal })
    return c.json({ executionId, status: 'completed', result: toJson(value) })
  } catch (error) {
    const code = errorCode(error)
    if (code === 'RESULT_TIMEOUT' || signal.aborted) return current(c, client, executionId)
    const status = code === undefined ? undefined : STATUS_OF_CODE[code]
    if (status === undefined) throw error
    const failure = toFailure(error instanceof Error ? (error.cause ?? error) : error)
    return c.json({ executionId, status, failure: toJson(failure) })
  }
}

/** The result if it is there, without waiting; 202 while there is none. */
async function current(c: Context, client: Client, executionId: string): Promise<Response> {
  const { status, result: value, failure } = await client.get(executionId)
  if (!isClosed(status)) return c.json({ executionId, status }, 202)
  if (status === 'completed') return c.json({ executionId, status, result: toJson(value) })
  return c.json({ executionId, status, failure: toJson(failure) })
}
