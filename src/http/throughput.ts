// Throughput over HTTP: how many executions were started lately, and how those ended, for charts.

import { z } from 'zod'
import type { Client } from '../client/client.js'
import { noParams, reading, type Operation } from './operation.js'
import { wholeNumber } from './schemas.js'
import { toJson } from './to-json.js'
import { instantOut } from './wire.js'

const query = z.strictObject({
  workflow: z.string().min(1).exactOptional(),
  lastMs: wholeNumber(1_000, 604_800_000)
    .exactOptional()
    .meta({ description: 'Executions started within it; default an hour.' }),
  bucketMs: wholeNumber(1_000, 604_800_000)
    .exactOptional()
    .meta({ description: 'Counted by spans of this length; default a sixtieth of the whole.' }),
})

const bucket = z.object({
  workflow: z.string(),
  at: instantOut.meta({ description: 'When the span begins.' }),
  started: z.number(),
  completed: z.number(),
  failed: z.number(),
  canceled: z.number(),
  terminated: z.number(),
  p50Ms: z.number().nullable().meta({ description: 'How long those took that have closed; null: none has.' }),
  p95Ms: z.number().nullable(),
})

const body = z
  .object({
    bucketMs: z.number(),
    buckets: z.array(bucket),
    cutShort: z
      .array(z.string())
      .meta({ description: 'Workflows with more executions than are counted of one.' }),
  })
  .meta({ id: 'Throughput' })

export function throughputOperation({ client }: { readonly client: Client }): Operation {
  return reading({
    id: 'getThroughput',
    method: 'GET',
    path: '/stats/throughput',
    tag: 'Cluster',
    role: 'viewer',
    summary: 'Count executions by when they were started, and how they ended',
    description:
      'Of each workflow the newest 20,000 are counted. Spans in which nothing was started are left out.',
    params: noParams,
    query,
    answers: { 200: { description: 'The spans, oldest first for each workflow.', body } },
    errors: ['INVALID_NAME'],
    async handle({ c, query: { workflow, lastMs, bucketMs } }) {
      const found = await client.throughput({
        ...(workflow === undefined ? {} : { workflow }),
        ...(lastMs === undefined ? {} : { last: lastMs }),
        ...(bucketMs === undefined ? {} : { bucket: bucketMs }),
      })
      return c.json(toJson(found))
    },
  })
}
