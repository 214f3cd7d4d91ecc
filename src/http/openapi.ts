// The OpenAPI 3.1 document, made from the operations and from nothing else: paths, parameters, bodies, answers, problems
// and headers are those that the routes are mounted with. Requests are described as they must be sent (unknown fields are
// refused), answers as they are now: a field more in a later release breaks nobody.

import { STATUS_CODES } from 'node:http'
import { z } from 'zod'
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiResponseObject } from 'zod-openapi'
import type { ErrorCode } from '../core/errors.js'
import type { Answer, Operation } from './operation.js'
import { problemShape, statusOfCode, type HttpCode } from './problem.js'
import { idempotencyKey } from './schemas.js'

export type OpenApiDocument = ReturnType<typeof createDocument>

/** What every operation may answer. */
const ALWAYS: readonly (ErrorCode | HttpCode)[] = [
  'INVALID_ARGUMENT',
  'METHOD_NOT_ALLOWED',
  'DATABASE_UNAVAILABLE',
  'DATABASE_FAILED',
  'DATABASE_SCHEMA',
  'INTERNAL',
]
const WRITING: readonly (ErrorCode | HttpCode)[] = [
  'MALFORMED_JSON',
  'UNSUPPORTED_MEDIA_TYPE',
  'PAYLOAD_TOO_LARGE',
  'CROSS_SITE_REQUEST',
  'OVERLOADED',
  'OUTCOME_UNKNOWN',
]

const TAGS = {
  Executions: 'Start, watch and steer executions.',
  Streams: 'What happens, as it happens: server-sent events.',
  Messages: 'Talk to running code.',
  Schedules: 'What starts executions by the clock.',
  'Dead letters': 'What was set aside, and lost nothing.',
  Workflows: 'What can be started.',
  Cluster: 'The nodes and who owns what.',
  Service: 'Health, and this document.',
} as const

export function openApiDocument(operations: readonly Operation[], prefix: string): OpenApiDocument {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {}
  for (const operation of operations) {
    const path = operation.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: describe(operation) }
  }
  return createDocument(
    {
      openapi: '3.1.1',
      info: {
        title: 'Cerebelum',
        version: API_VERSION,
        description:
          'A 2xx to a POST means committed. Failures are problem details (RFC 9457) with a stable `code`. Every POST ' +
          'takes an `Idempotency-Key`, and may then be sent again blindly, to any node.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: prefix }],
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      paths,
    },
    {
      override: ({ zodSchema, jsonSchema, io }) => {
        if (io === 'output' && zodSchema._zod.def.type === 'object') delete jsonSchema.additionalProperties
      },
    },
  )
}

/** Of the API, not of the release: the path says v1. */
const API_VERSION = '1.0.0'

function describe(operation: Operation): ZodOpenApiOperationObject {
  const { id, tag, summary, description, role, params, query, body, idempotency, exampleBody } = operation
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    'x-role': role,
    requestParams: {
      ...(isEmpty(params) ? {} : { path: params }),
      ...(isEmpty(query) ? {} : { query }),
      ...(idempotency === undefined ? {} : { header: keyHeader(idempotency) }),
    },
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !body.safeParse(undefined).success,
            content: {
              'application/json': {
                schema: body,
                ...(exampleBody === undefined ? {} : { example: exampleBody }),
              },
            },
          },
        }),
    responses: responsesOf(operation),
  }
}

function isEmpty(schema: z.ZodObject): boolean {
  return Object.keys(schema.shape).length === 0
}

function keyHeader(idempotency: string) {
  return z.object({
    'Idempotency-Key': idempotencyKey.optional().meta({
      description: `Names this request, so that it may be sent again. ${idempotency}`,
      example: 'k-7f3a',
    }),
  })
}

function responsesOf(
  operation: Operation,
): Record<`${1 | 2 | 3 | 4 | 5}${string}`, ZodOpenApiResponseObject> {
  const { answers, errors, method, body } = operation
  const isWriting = method !== 'GET'
  const codes = new Set([...ALWAYS, ...(isWriting ? WRITING : []), ...errors])
  const responses: Record<string, ZodOpenApiResponseObject> = {}
  for (const [status, codesOfStatus] of grouped(codes))
    responses[String(status)] = problem(status, codesOfStatus)
  for (const [status, answer] of Object.entries(answers))
    responses[status] = ok(answer, method === 'GET' && !isStream(operation))
  if (method === 'GET' && body === undefined && !isStream(operation)) responses['304'] = NOT_MODIFIED
  return responses
}

const REQUEST_ID = {
  'X-Request-Id': {
    description: 'The id of the request: that of the caller, or a generated one. Logs have it too.',
    schema: { type: 'string' },
  },
} as const

const NOT_MODIFIED: ZodOpenApiResponseObject = {
  description: 'What `If-None-Match` names is still current.',
  headers: { ...REQUEST_ID, ETag: { schema: { type: 'string' } } },
}

/** Its answers have no tag, and the reader says where it goes on by another header. */
function isStream({ answers }: Operation): boolean {
  return Object.values(answers).some((answer) => answer.isStream === true)
}

function ok(answer: Answer, isRead: boolean): ZodOpenApiResponseObject {
  const { description, body, headers = {}, example, isStream: streams = false } = answer
  const media = streams ? 'text/event-stream' : 'application/json'
  const own = Object.entries(headers).map(
    ([name, about]) => [name, { description: about, schema: { type: 'string' as const } }] as const,
  )
  const etag = isRead ? { ETag: { schema: { type: 'string' as const } } } : {}
  return {
    description,
    headers: { ...REQUEST_ID, ...etag, ...Object.fromEntries(own) },
    ...(body === undefined
      ? {}
      : { content: { [media]: { schema: body, ...(example === undefined ? {} : { example }) } } }),
  }
}

function grouped(codes: ReadonlySet<ErrorCode | HttpCode>): Map<number, string[]> {
  const byStatus = new Map<number, string[]>()
  for (const code of codes) {
    const status = statusOfCode(code)
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return byStatus
}

function problem(status: number, codes: readonly string[]): ZodOpenApiResponseObject {
  const isLater = status === 429 || status === 503
  return {
    description: `${STATUS_CODES[status] ?? 'Failure'}: ${codes.join(', ')}.`,
    headers: {
      ...REQUEST_ID,
      ...(isLater ? { 'Retry-After': { description: 'Seconds.', schema: { type: 'string' } } } : {}),
    },
    content: { 'application/problem+json': { schema: problemShape } },
    'x-codes': codes,
  }
}
