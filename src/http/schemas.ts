// What requests must look like: one zod schema per body and query string. Unknown fields are refused, so that a
// misspelled option is a 400 and never silently ignored. Lengths and names are checked by the client, which knows
// the limits of the installation.

import { z } from 'zod'
import { STATUSES } from '../core/execution.js'

/** PostgreSQL's jsonb holds neither NUL nor lone surrogates. */
const UNSTORABLE = /[\0\p{Surrogate}]/u
export const text = z
  .string()
  .refine((value) => !UNSTORABLE.test(value), 'has characters that cannot be stored')

export const attributes = z.record(text, z.union([text, z.number(), z.boolean(), z.null()]))

export const instant = z.iso
  .datetime({
    offset: true,
    message: 'must be an ISO 8601 instant with a time zone, such as 2026-01-31T12:00:00Z',
  })
  .transform((value) => new Date(value))
  .meta({ override: { type: 'string', format: 'date-time', pattern: undefined } })

/** An instant, milliseconds, or a text such as "7 days" (which the client parses). */
const startAfter = z
  .union([z.number().nonnegative(), instant, z.string().min(1).max(100)])
  .meta({ description: 'Later: at an instant, or after milliseconds or a span such as "7 days".' })

export const startBody = z
  .strictObject({
    workflow: z.string(),
    input: z.unknown().optional(),
    id: z.string().exactOptional(),
    idPolicy: z
      .enum(['return-existing', 'reject', 'allow-after-close', 'replace'])
      .exactOptional()
      .meta({ description: 'What to do when the id is taken; default `return-existing`.' }),
    startAfter: startAfter.exactOptional(),
    attributes: attributes.exactOptional(),
    priority: z
      .literal([1, 2, 3, 4, 5])
      .exactOptional()
      .meta({ description: 'Who goes first among those that wait; 1 is the most urgent.' }),
    key: text.exactOptional().meta({ description: 'For the limits by key of its workflow.' }),
    traceparent: z
      .string()
      .regex(/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}/)
      .max(200)
      .exactOptional()
      .meta({ description: 'Of the trace that it belongs to (W3C Trace Context); default: the header.' }),
  })
  .meta({ id: 'StartRequest' })

/** "a,b" and repetition are both in use for lists in query strings. */
const statuses = z
  .array(z.string())
  .transform((values) => values.flatMap((value) => value.split(',')))
  .pipe(z.array(z.enum(STATUSES)).min(1).max(STATUSES.length))
  .meta({
    description: 'Repeated, or several with commas between.',
    override: { type: 'array', items: { type: 'string', enum: [...STATUSES] } },
  })

const attributesText = z.string().transform((value, context) => {
  try {
    const parsed: unknown = JSON.parse(value)
    return parsed
  } catch {
    context.addIssue('must be a JSON object such as {"customer":"c-7"}')
    return z.NEVER
  }
})

export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,10}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .meta({ override: { type: 'integer', minimum: min, maximum: max, pattern: undefined } })

export const listQuery = z.strictObject({
  workflow: z.string().min(1).exactOptional(),
  status: statuses.exactOptional(),
  startedAfter: instant.exactOptional(),
  startedBefore: instant.exactOptional(),
  parentId: z.string().min(1).exactOptional().meta({ description: 'Children of this execution.' }),
  attributes: attributesText
    .pipe(attributes)
    .exactOptional()
    .meta({ description: 'A JSON object: all of these attributes.', example: '{"customer":"c-7"}' }),
  limit: wholeNumber(1, 1_000).exactOptional(),
  cursor: z.string().min(1).exactOptional(),
})

export const historyQuery = z.strictObject({
  after: wholeNumber(0, 2_147_483_647).exactOptional().meta({ description: 'Events after this version.' }),
  limit: wholeNumber(1, 1_000).exactOptional(),
})

export const followQuery = z.strictObject({
  after: wholeNumber(0, 2_147_483_647)
    .exactOptional()
    .meta({ description: 'Events after this version; a Last-Event-ID counts before it.' }),
})

/** Longer polls are cut by proxies; the caller asks again. */
export const POLL_MS_MAX = 60_000
export const pollQuery = z.strictObject({
  timeoutMs: wholeNumber(0, POLL_MS_MAX).exactOptional().meta({ description: 'Default 30,000.' }),
})

export const noQuery = z.strictObject({})
export const looseQuery = z.object({})

/** The body of cancel and terminate; it may be left out. */
export const reasonBody = z.strictObject({ reason: text.max(1_000).exactOptional() }).optional()

/** The body of what takes none: nothing, or an empty object. */
export const noBody = z.strictObject({}).optional()

/** Any JSON value, or nothing. */
export const anyBody = z.unknown().optional()

/** Printable, without outer spaces: it is stored, and compared byte by byte. */
export const idempotencyKey = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, 'must be printable ASCII')
