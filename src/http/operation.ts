// An operation: one method of one path, with everything that is said of it beside its handler: what it takes, what it
// answers, how it can fail, who may call it. The routes and the OpenAPI document are both made from this, so neither can
// say what the other does not.

import type { Context } from 'hono'
import { z } from 'zod'
import type { ErrorCode } from '../core/errors.js'
import { parse, parseQuery, readJson } from './body.js'
import { readIdempotencyKey } from './idempotency.js'
import type { HttpCode } from './problem.js'

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

/** Who may call it: who looks, who works with executions, who removes things for good. */
export type Role = 'viewer' | 'operator' | 'admin'

export type Tag =
  'Executions' | 'Streams' | 'Messages' | 'Schedules' | 'Dead letters' | 'Workflows' | 'Cluster' | 'Service'

export interface Answer {
  readonly description: string
  /** Of the JSON body; without one there is none. Of a stream: what each of its events may carry. */
  readonly body?: z.ZodType
  /** It has no end of its own: server-sent events. */
  readonly isStream?: true
  /** Headers that this answer carries beside those that all do, and what they say. */
  readonly headers?: Readonly<Record<string, string>>
  readonly example?: unknown
}

/** What is said of an operation. */
export interface Description {
  readonly id: string
  readonly method: Method
  /** Below the prefix of the API, with its parameters as `:name`. */
  readonly path: string
  readonly tag: Tag
  readonly role: Role
  readonly summary: string
  readonly description?: string
  /** How a repetition with the same Idempotency-Key is recognized, and for how long. Every POST says it. */
  readonly idempotency?: string
  readonly answers: Readonly<Record<number, Answer>>
  /** Beside what any operation may answer (`problems.ts`). */
  readonly errors: readonly (ErrorCode | HttpCode)[]
  readonly exampleBody?: unknown
}

export interface Operation extends Description {
  readonly params: z.ZodObject
  readonly query: z.ZodObject
  /** Undefined: it takes no body at all. */
  readonly body: z.ZodType | undefined
  readonly handle: (c: Context) => Promise<Response>
}

export interface Reading<P, Q> {
  readonly c: Context
  readonly params: P
  readonly query: Q
}

export interface Writing<P, Q, B> extends Reading<P, Q> {
  readonly body: B
  /** The Idempotency-Key. */
  readonly key: string | undefined
}

/** An operation without a body. */
export function reading<P extends z.ZodObject, Q extends z.ZodObject>(
  spec: Description & {
    readonly params: P
    readonly query: Q
    /** Query parameters that may be given more than once. */
    readonly repeatable?: readonly string[]
    readonly handle: (call: Reading<z.output<P>, z.output<Q>>) => Promise<Response> | Response
  },
): Operation {
  const { params, query, repeatable, handle } = spec
  return {
    ...spec,
    body: undefined,
    handle: async (c) =>
      handle({ c, params: readParams(c, params), query: parseQuery(c, query, repeatable) }),
  }
}

/** An operation with a body. */
export function writing<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType>(
  spec: Description & {
    readonly params: P
    readonly query: Q
    readonly body: B
    readonly handle: (call: Writing<z.output<P>, z.output<Q>, z.output<B>>) => Promise<Response> | Response
  },
): Operation {
  const { params, query, body, handle } = spec
  return {
    ...spec,
    handle: async (c) => {
      const call = {
        c,
        params: readParams(c, params),
        query: parseQuery(c, query),
        key: readIdempotencyKey(c),
      }
      return handle({ ...call, body: parse(body, await readJson(c), 'body') })
    },
  }
}

/** Decoded once: `a%2Fb` is the id `a/b`. */
function readParams<P extends z.ZodObject>(c: Context, params: P): z.output<P> {
  return parse(params, c.req.param(), 'path')
}

const nonEmpty = z.string().min(1, 'must not be empty: put a URL-encoded value there')

export const noParams = z.strictObject({})
export const executionParams = z.strictObject({
  executionId: nonEmpty.meta({ description: 'Id of the execution.', example: 'order-7' }),
})
export const messageParams = executionParams.extend({
  name: nonEmpty.meta({ description: 'Name of the signal, update or query.', example: 'approved' }),
})
export const scheduleParams = z.strictObject({
  scheduleId: nonEmpty.meta({ description: 'Id of the schedule.', example: 'nightly' }),
})
export const workflowParams = z.strictObject({
  workflow: nonEmpty.meta({ description: 'Name of the workflow.', example: 'fulfil' }),
})
