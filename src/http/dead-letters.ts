// Dead letters over HTTP: executions that were set aside because they kept killing their nodes or could not be loaded.

import type { Client } from '../client/client.js'
import { executionParams, noParams, reading, writing, type Operation } from './operation.js'
import { listQuery, noBody, noQuery } from './schemas.js'
import * as wire from './wire.js'
import { toJson } from './to-json.js'

export function deadLetterOperations({ client }: { readonly client: Client }): readonly Operation[] {
  return [
    reading({
      id: 'listDeadLetters',
      method: 'GET',
      path: '/dead-letters',
      tag: 'Dead letters',
      role: 'viewer',
      summary: 'List executions that were set aside, newest first',
      description: 'The `note` of each says why.',
      params: noParams,
      query: listQuery.pick({ workflow: true, limit: true, cursor: true }),
      answers: { 200: { description: 'One page.', body: wire.executionPage } },
      errors: ['INVALID_NAME', 'INVALID_CURSOR'],
      handle: async ({ c, query }) => c.json(toJson(await client.list({ ...query, status: 'dead' }))),
    }),
    writing({
      id: 'retryDeadLetter',
      method: 'POST',
      path: '/dead-letters/:executionId/retry',
      tag: 'Dead letters',
      role: 'operator',
      summary: 'Put a dead letter back to work',
      idempotency: 'What it brought back is found in the history, for as long as that exists.',
      params: executionParams,
      query: noQuery,
      body: noBody,
      answers: { 200: { description: 'It is done.', body: wire.ofExecution } },
      errors: ['EXECUTION_NOT_FOUND', 'EXECUTION_NOT_RESUMABLE', 'INVALID_ID'],
      async handle({ c, params: { executionId }, key }) {
        await client.retry(executionId, key === undefined ? {} : { requestId: key })
        return c.json({ executionId })
      },
    }),
  ]
}
