// Forks over HTTP: a new execution out of the first events of another.

import { z } from 'zod'
import type { Client } from '../client/client.js'
import { executionParams, writing, type Operation } from './operation.js'
import { noQuery } from './schemas.js'
import { started } from './wire.js'

const VERSION_MAX = 2_147_483_647

const forkBody = z
  .strictObject({
    version: z
      .int()
      .min(1)
      .max(VERSION_MAX)
      .meta({ description: 'The last event to copy, of the latest run.' }),
    id: z.string().exactOptional().meta({ description: 'Of the fork; default: a generated one.' }),
  })
  .meta({ id: 'ForkRequest' })

export function forkOperation({
  client,
  prefix,
}: {
  readonly client: Client
  readonly prefix: string
}): Operation {
  return writing({
    id: 'forkExecution',
    method: 'POST',
    path: '/executions/:executionId/fork',
    tag: 'Executions',
    role: 'operator',
    summary: 'Start again from an event of an execution',
    description:
      'A new execution whose history begins as a copy of this one, open or closed: steps up to that event are not run again.',
    idempotency:
      'Finds the fork that it made, for as long as that exists; so does the same `id` with the same `version`.',
    params: executionParams,
    query: noQuery,
    body: forkBody,
    exampleBody: { version: 12, id: 'order-7-again' },
    answers: {
      201: {
        description: 'It is there.',
        body: started,
        headers: { Location: 'Path of the fork.' },
        example: { executionId: 'order-7-again', created: true },
      },
    },
    errors: ['EXECUTION_NOT_FOUND', 'EXECUTION_EXISTS', 'INVALID_ID'],
    async handle({ c, params, body, key }) {
      const options = key === undefined ? body : { ...body, startId: key }
      const { executionId, created } = await client.fork(params.executionId, options)
      const location = `${prefix}/executions/${encodeURIComponent(executionId)}`
      return c.json({ executionId, created }, 201, { Location: location })
    },
  })
}
