// Messages to an execution: signals (fire and forget), updates (validated and answered), queries (read only).
// The body is the payload, any JSON value; an empty body is no payload.

import { z } from 'zod'
import type { Client } from '../client/client.js'
import type { ErrorCode } from '../core/errors.js'
import { messageParams, writing, type Operation } from './operation.js'
import { anyBody, noQuery, pollQuery } from './schemas.js'
import { toJson } from './to-json.js'
import { anyValue } from './wire.js'

const ANSWER_MS_DEFAULT = 30_000
const ERRORS: readonly ErrorCode[] = [
  'EXECUTION_NOT_FOUND',
  'EXECUTION_CLOSED',
  'INVALID_ID',
  'INVALID_NAME',
  'INVALID_INPUT',
  'PAYLOAD_TOO_LARGE',
  'UNSERIALIZABLE',
  'TOO_MANY',
]

export function messageOperations({ client }: { readonly client: Client }): readonly Operation[] {
  return [signal(client), update(client), query(client)]
}

function signal(client: Client): Operation {
  return writing({
    id: 'signalExecution',
    method: 'POST',
    path: '/executions/:executionId/signals/:name',
    tag: 'Messages',
    role: 'operator',
    summary: 'Send a signal',
    description: 'It is kept until the code takes it. The body is its payload.',
    idempotency: 'The signal is delivered once; recognized for a day after it was taken.',
    params: messageParams,
    query: noQuery,
    body: anyBody,
    exampleBody: { by: 'ada' },
    answers: {
      202: {
        description: 'It is in the inbox.',
        body: z.object({ executionId: z.string(), signal: z.string() }).meta({ id: 'SignalSent' }),
      },
    },
    errors: ERRORS,
    async handle({ c, params: { executionId, name }, body, key }) {
      await client.signal(executionId, name, body, key === undefined ? {} : { signalId: key })
      return c.json({ executionId, signal: name }, 202)
    },
  })
}

function update(client: Client): Operation {
  return writing({
    id: 'updateExecution',
    method: 'POST',
    path: '/executions/:executionId/updates/:name',
    tag: 'Messages',
    role: 'operator',
    summary: 'Send an update and wait for its answer',
    description: 'It is validated by the code, recorded, and answered. The body is its payload.',
    idempotency: 'The update is carried out once, and its answer is told again for a day.',
    params: messageParams,
    query: pollQuery,
    body: anyBody,
    answers: {
      200: {
        description: 'The answer.',
        body: z
          .object({ executionId: z.string(), update: z.string(), result: anyValue })
          .meta({ id: 'UpdateAnswer' }),
      },
    },
    errors: [...ERRORS, 'UPDATE_REJECTED', 'UPDATE_TIMEOUT', 'ENGINE_STOPPED'],
    async handle({ c, params: { executionId, name }, query: { timeoutMs }, body, key }) {
      const result = await client.update(executionId, name, body, {
        timeout: timeoutMs ?? ANSWER_MS_DEFAULT,
        ...(key === undefined ? {} : { updateId: key }),
      })
      return c.json({ executionId, update: name, result: toJson(result) })
    },
  })
}

function query(client: Client): Operation {
  return writing({
    id: 'queryExecution',
    method: 'POST',
    path: '/executions/:executionId/queries/:name',
    tag: 'Messages',
    role: 'viewer',
    summary: 'Read live state of an execution',
    description: 'The body holds the arguments.',
    idempotency: 'A query changes nothing: it is asked again.',
    params: messageParams,
    query: pollQuery,
    body: anyBody,
    answers: {
      200: {
        description: 'The answer.',
        body: z
          .object({ executionId: z.string(), query: z.string(), result: anyValue })
          .meta({ id: 'QueryAnswer' }),
      },
    },
    errors: [...ERRORS, 'QUERY_FAILED', 'QUERY_UNAVAILABLE', 'ENGINE_STOPPED'],
    async handle({
      c,
      params: { executionId, name },
      query: { timeoutMs: timeout = ANSWER_MS_DEFAULT },
      body,
    }) {
      const result = await client.query(executionId, name, body, { timeout })
      return c.json({ executionId, query: name, result: toJson(result) })
    },
  })
}
