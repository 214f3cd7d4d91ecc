// All operations of the API: what is in this list is mounted and documented, and nothing else is. The plan of capacity, and
// what comes after it, goes in here.

import { z } from 'zod'
import type { Client } from '../client/client.js'
import { batchOperation } from './batch.js'
import { clusterOperations } from './cluster.js'
import { controlOperations } from './controls.js'
import { deadLetterOperations } from './dead-letters.js'
import { executionOperations } from './executions.js'
import { forkOperation } from './fork.js'
import { healthOperations, type HealthOptions } from './health.js'
import { messageOperations } from './messages.js'
import { openApiDocument, type OpenApiDocument } from './openapi.js'
import { noParams, reading, type Operation } from './operation.js'
import { regionOperation } from './region.js'
import { scheduleOperations } from './schedules.js'
import { noQuery } from './schemas.js'
import { throughputOperation } from './throughput.js'
import { streamOperations } from './streams.js'
import { workflowOperations } from './workflows.js'

export const API_PREFIX = '/api/v1'

export interface ApiOptions extends HealthOptions {
  readonly client: Client
  readonly region: string
}

export interface Api {
  /** Apart: what reads whole answers, to tag or to compress them, must not stand before these. */
  readonly streams: readonly Operation[]
  readonly operations: readonly Operation[]
  /** Made when it is first asked for. */
  readonly document: () => OpenApiDocument
}

export function createApi(given: ApiOptions): Api {
  const options = { ...given, prefix: API_PREFIX }
  let made: OpenApiDocument | undefined
  const document = (): OpenApiDocument => (made ??= openApiDocument([...operations, ...streams], API_PREFIX))
  const streams = streamOperations(options)
  const operations: Operation[] = [
    ...executionOperations(options),
    batchOperation(options),
    forkOperation(options),
    ...controlOperations(options),
    ...messageOperations(options),
    ...scheduleOperations(options),
    ...deadLetterOperations(options),
    ...workflowOperations(options),
    ...clusterOperations(options),
    throughputOperation(options),
    ...healthOperations(options),
    regionOperation(options),
    reading({
      id: 'getOpenApi',
      method: 'GET',
      path: '/openapi.json',
      tag: 'Service',
      role: 'viewer',
      summary: 'This document',
      params: noParams,
      query: noQuery,
      answers: {
        200: { description: 'OpenAPI 3.1.', body: z.record(z.string(), z.unknown()).meta({ id: 'OpenApi' }) },
      },
      errors: [],
      handle: ({ c }) => c.json(document()),
    }),
  ]
  return { operations, streams, document }
}
