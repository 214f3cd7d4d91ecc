// What requests about schedules must look like; as in `schemas.ts`, unknown fields are refused. What a spec means is
// checked by the client.

import { z } from 'zod'
import { OVERLAP_POLICIES } from '../core/schedule.js'
import { attributes, instant, text, wholeNumber } from './schemas.js'
import { anyValue, attributesOut, instantOut } from './wire.js'

/** Milliseconds, or a text such as "15 minutes" (which the client parses). */
const span = z
  .union([z.number().nonnegative(), z.string().min(1).max(100)])
  .meta({ description: 'Milliseconds, or a span such as "15 minutes".' })
const note = text.max(1_000)
const bounds = { from: instant.exactOptional(), until: instant.exactOptional() }

const spec = z
  .union([
    z.strictObject({
      cron: z.union([z.string(), z.array(z.string()).min(1).max(50)]),
      timeZone: z.string().exactOptional(),
      ...bounds,
    }),
    z.strictObject({ every: span, offset: span.exactOptional(), ...bounds }),
  ])
  .meta({ id: 'ScheduleSpec', description: 'Cron expressions in a time zone, or an interval.' })

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

// ---- what is answered

const bound = { from: instantOut.optional(), until: instantOut.optional() }

const info = z.object({
  scheduleId: z.string(),
  spec: z
    .union([
      z.object({ cron: z.array(z.string()), timeZone: z.string(), ...bound }),
      z.object({ every: z.number(), offset: z.number(), ...bound }),
    ])
    .meta({ description: 'As it was checked; spans in milliseconds.' }),
  workflow: z.string(),
  workflowVersion: z.string(),
  attributes: attributesOut,
  overlap: z.enum(OVERLAP_POLICIES),
  catchUpMs: z.number(),
  jitterMs: z.number(),
  paused: z.boolean(),
  note: z.string().nullable(),
  revision: z.number(),
  nextAt: instantOut.nullable(),
  lastAt: instantOut.nullable(),
  lastExecutionId: z.string().nullable(),
  bufferedAt: instantOut
    .nullable()
    .meta({ description: 'The firing that waits for the last execution to close.' }),
  fired: z.number(),
  skipped: z.number(),
  missed: z.number(),
  createdAt: instantOut,
  updatedAt: instantOut,
})

export const scheduleInfo = info.meta({ id: 'Schedule' })
export const scheduleDetails = info
  .extend({ input: anyValue.optional(), upcoming: z.array(instantOut) })
  .meta({ id: 'ScheduleDetails' })
export const schedulePage = z
  .object({ schedules: z.array(scheduleInfo), cursor: z.string().optional() })
  .meta({ id: 'SchedulePage' })
export const scheduleRef = z.object({ scheduleId: z.string() }).meta({ id: 'ScheduleRef' })
export const made = z.object({ scheduleId: z.string(), created: z.boolean() }).meta({ id: 'ScheduleMade' })
export const backfilled = z.object({ executionIds: z.array(z.string()) }).meta({ id: 'Backfilled' })
