// Executions over HTTP: start, list, read, history, wait for the result, delete. A 2xx means committed; a start
// with an id or an Idempotency-Key may be sent again blindly.

import type { Context } from 'hono'
import type { Client, ListFilter, StartOptions } from '../client/client.js'
import { errorCode } from '../core/errors.js'
import { isClosed, type ClosedStatus } from '../core/execution.js'
import { toFailure } from '../core/failure.js'
import { executionParams, noParams, reading, writing, type Operation } from './operation.js'
import * as schemas from './schemas.js'
import { START_ERRORS } from './start-errors.js'
import { toJson } from './to-json.js'
import { traceContextOf } from './trace-context.js'
import * as wire from './wire.js'

const POLL_MS_DEFAULT = 30_000

export interface ExecutionOptions {
  readonly client: Client
  readonly prefix: string
  /** Aborted when the server drains: polls are answered at once with 202. */
  readonly draining: AbortSignal
}

export function executionOperations(options: ExecutionOptions): readonly Operation[] {
  return [start(options), list(options), get(options), remove(options), history(options), result(options)]
}

const EXAMPLE = { workflow: 'fulfil', input: { item: 'lamp', cents: 4_200 }, id: 'order-7' }

function start({ client, prefix }: ExecutionOptions): Operation {
  return writing({
    id: 'startExecution',
    method: 'POST',
    path: '/executions',
    tag: 'Executions',
    role: 'operator',
    summary: 'Start an execution',
    description:
      'The same id finds the same execution, for ever: what happens when it is taken is said by `idPolicy`. ' +
      'Without an id one is generated. A `traceparent` header makes it part of the trace of the caller.',
    idempotency:
      'Finds the execution that it made, for as long as that exists; also when it was given no id.',
    params: noParams,
    query: schemas.noQuery,
    body: schemas.startBody,
    exampleBody: EXAMPLE,
    answers: {
      201: {
        description: 'It was started.',
        body: wire.started,
        headers: { Location: 'Path of the execution.' },
        example: { executionId: 'order-7', created: true },
      },
      200: {
        description: 'It was there.',
        body: wire.started,
        headers: { Location: 'Path of the execution.' },
        example: { executionId: 'order-7', created: false },
      },
    },
    errors: START_ERRORS,
    async handle({ c, body, key }) {
      const { workflow, input, ...rest } = body
      const given: StartOptions = {
        ...traceContextOf(c),
        ...rest,
        ...(key === undefined ? {} : { startId: key }),
      }
      const { executionId, created } = await client.start(workflow, input, given)
      const location = `${prefix}/executions/${encodeURIComponent(executionId)}`
      return c.json({ executionId, created }, created ? 201 : 200, { Location: location })
    },
  })
}

function list({ client }: ExecutionOptions): Operation {
  return reading({
    id: 'listExecutions',
    method: 'GET',
    path: '/executions',
    tag: 'Executions',
    role: 'viewer',
    summary: 'List executions, newest first',
    params: noParams,
    query: schemas.listQuery,
    repeatable: ['status'],
    answers: { 200: { description: 'One page.', body: wire.executionPage } },
    errors: ['INVALID_NAME', 'INVALID_ID', 'INVALID_CURSOR', 'INVALID_DURATION', 'PAYLOAD_TOO_LARGE'],
    async handle({ c, query }) {
      const filter: ListFilter = query
      return c.json(toJson(await client.list(filter)))
    },
  })
}

function get({ client }: ExecutionOptions): Operation {
  return reading({
    id: 'getExecution',
    method: 'GET',
    path: '/executions/:executionId',
    tag: 'Executions',
    role: 'viewer',
    summary: 'Show an execution with its input and how it ended',
    params: executionParams,
    query: schemas.noQuery,
    answers: { 200: { description: 'The execution.', body: wire.executionDetails } },
    errors: ['EXECUTION_NOT_FOUND', 'INVALID_ID'],
    handle: async ({ c, params }) => c.json(toJson(await client.get(params.executionId))),
  })
}

function remove({ client }: ExecutionOptions): Operation {
  return reading({
    id: 'deleteExecution',
    method: 'DELETE',
    path: '/executions/:executionId',
    tag: 'Executions',
    role: 'admin',
    summary: 'Remove a closed execution for good',
    params: executionParams,
    query: schemas.noQuery,
    answers: { 204: { description: 'It is gone.' } },
    errors: ['EXECUTION_NOT_FOUND', 'EXECUTION_NOT_CLOSED', 'INVALID_ID'],
    async handle({ c, params }) {
      await client.delete(params.executionId)
      return c.body(null, 204)
    },
  })
}

function history({ client }: ExecutionOptions): Operation {
  return reading({
    id: 'getHistory',
    method: 'GET',
    path: '/executions/:executionId/history',
    tag: 'Executions',
    role: 'viewer',
    summary: 'Show the events of an execution, oldest first',
    params: executionParams,
    query: schemas.historyQuery,
    answers: { 200: { description: 'One page.', body: wire.historyPage } },
    errors: ['EXECUTION_NOT_FOUND', 'INVALID_ID'],
    handle: async ({ c, params, query }) => c.json(toJson(await client.history(params.executionId, query))),
  })
}

function result({ client, draining }: ExecutionOptions): Operation {
  return reading({
    id: 'getResult',
    method: 'GET',
    path: '/executions/:executionId/result',
    tag: 'Executions',
    role: 'viewer',
    summary: 'Wait for the result of an execution',
    description: 'A long poll: the answer comes as soon as it has closed. On 202 ask again.',
    params: executionParams,
    query: schemas.pollQuery,
    answers: {
      200: { description: 'It has closed, and this is how.', body: wire.outcome },
      202: { description: 'It was still open after the time asked for.', body: wire.stillOpen },
    },
    errors: ['EXECUTION_NOT_FOUND', 'INVALID_ID', 'TOO_MANY', 'ENGINE_STOPPED'],
    async handle({ c, params: { executionId }, query: { timeoutMs = POLL_MS_DEFAULT } }) {
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
    },
  })
}

const STATUS_OF_CODE: Readonly<Record<string, ClosedStatus>> = {
  EXECUTION_FAILED: 'failed',
  EXECUTION_CANCELED: 'canceled',
  EXECUTION_TERMINATED: 'terminated',
}

/** The result if it is there, without waiting; 202 while there is none. */
async function current(c: Context, client: Client, executionId: string): Promise<Response> {
  const { status, result: value, failure } = await client.get(executionId)
  if (!isClosed(status)) return c.json({ executionId, status }, 202)
  if (status === 'completed') return c.json({ executionId, status, result: toJson(value) })
  return c.json({ executionId, status, failure: toJson(failure) })
}
