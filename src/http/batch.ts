// Many starts in one request, each with its own outcome: one that is refused stops no other. What was started stays
// started, so the whole request may be repeated with the same key, or the refused ones alone.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Client, StartOptions } from '../client/client.js'
import { noParams, writing, type Operation } from './operation.js'
import { problemOf } from './problem.js'
import { idempotencyKey, noQuery, startBody } from './schemas.js'
import { traceContextOf } from './trace-context.js'
import * as wire from './wire.js'

/** They are written in a few statements; more would keep the answer waiting. */
export const BATCH_MAX = 1_000

const oneOfMany = startBody
  .extend({
    startId: idempotencyKey.exactOptional().meta({ description: 'The Idempotency-Key of this start alone.' }),
  })
  .meta({ id: 'BatchedStart' })
const batchBody = z.strictObject({ executions: z.array(oneOfMany).min(1).max(BATCH_MAX) })

export function batchOperation({ client }: { readonly client: Client }): Operation {
  return writing({
    id: 'startExecutions',
    method: 'POST',
    path: '/executions/batch',
    tag: 'Executions',
    role: 'operator',
    summary: `Start up to ${BATCH_MAX} executions`,
    description: 'Each gets its own outcome, in the order of the request; a refused one stops no other.',
    idempotency:
      'Each start is repeated as if it had a key of its own, made of this one and its place in the list.',
    params: noParams,
    query: noQuery,
    body: batchBody,
    exampleBody: { executions: [{ workflow: 'fulfil', input: { item: 'lamp', cents: 4_200 } }] },
    answers: {
      200: {
        description: 'What became of each.',
        body: z.object({ outcomes: z.array(wire.startOutcome) }).meta({ id: 'StartOutcomes' }),
        example: { outcomes: [{ status: 201, executionId: 'order-7', created: true }] },
      },
    },
    errors: [],
    async handle({ c, body: { executions }, key }) {
      const trace = traceContextOf(c)
      const outcomes = await Promise.all(
        executions.map(async ({ workflow, input, ...rest }, index) => {
          const options: StartOptions = {
            ...trace,
            ...(key === undefined ? {} : { startId: placed(key, index) }),
            ...rest,
          }
          try {
            const { executionId, created } = await client.start(workflow, input, options)
            return { status: created ? 201 : 200, executionId, created }
          } catch (error) {
            const problem = problemOf(error, c.req.path)
            return { status: problem.status, problem }
          }
        }),
      )
      return c.json({ outcomes })
    },
  })
}

/** A hash: a key of full length with a number behind it would be too long. */
function placed(key: string, index: number): string {
  return createHash('sha256').update(`${index}\n${key}`).digest('hex')
}
