// What requests about schedules must look like; as in `schemas.ts`, unknown fields are refused. What a spec means is
// checked by the client.

import { z } from 'zod'
import { OVERLAP_POLICIES } from '../core/schedule.js'
import { attributes, instant, text, wholeNumber } from './schemas.js'

/** Milliseconds, or a text such as "15 minutes" (which the client parses). */
const span = z.union([z.number().nonnegative(), z.string().min(1).max(100)])
const note = text.max(1_000)
const bounds = { from: instant.exactOptional(), until: instant.exactOptional() }

const spec = z.union([
  z.strictObject({
    cron: z.union([z.string(), z.array(z.string()).min(1).max(50)]),
    timeZone: z.string().exactOptional(),
    ...bounds,
  }),
  z.strictObject({ every: span, offset: span.exactOptional(), ...bounds }),
])

const optional = {
  input: z.unknown().optional(),
  attributes: attributes.exactOptional(),
  overlap: z.enum(OVERLAP_POLICIES).exactOptional(),
  catchUp: span.exactOptional(),
  jitter: span.exactOptional(),
  note: note.exactOptional(),
}

export const createBody = z.strictObject({
  id: z.string(),
  spec,
  workflow: z.string(),
  paused: z.boolean().exactOptional(),
  ...optional,
})

export const updateBody = z.strictObject({
  spec: spec.exactOptional(),
  workflow: z.string().exactOptional(),
  ...optional,
})

export const noteBody = z.strictObject({ note: note.exactOptional() }).optional()

export const backfillBody = z.strictObject({ from: instant, to: instant })

export const listQuery = z.strictObject({
  workflow: z.string().min(1).exactOptional(),
  limit: wholeNumber(1, 1_000).exactOptional(),
  cursor: z.string().min(1).exactOptional(),
})
