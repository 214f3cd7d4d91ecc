// What answers look like on the wire: executions, events, results. JSON out of `to-json.ts`: instants are texts, and what
// is undefined is left out. Answers may get more fields in later releases; none of these goes away within /api/v1.

import { z } from 'zod'
import { EVENT_TYPES } from '../core/event.js'
import { CLOSED_STATUSES, OPEN_STATUSES, STATUSES } from '../core/execution.js'
import { problemShape } from './problem.js'

export const instantOut = z.iso
  .datetime()
  .meta({ override: { type: 'string', format: 'date-time', pattern: undefined } })
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()])
export const attributesOut = z.record(z.string(), scalar)
/** A user's value, rendered as JSON. */
export const anyValue = z.unknown()

export const executionStatus = z.enum(STATUSES).meta({ id: 'ExecutionStatus' })

const execution = z.object({
  executionId: z.string(),
  workflow: z.string(),
  workflowVersion: z.string(),
  status: executionStatus,
  run: z.int().meta({ description: 'Which run of its id this is, from 1.' }),
  version: z.int().meta({ description: 'Events so far, over all runs, as of the last change of status.' }),
  startedAt: instantOut,
  closedAt: instantOut.nullable(),
  node: z.string().nullable().meta({ description: 'The node that works on it.' }),
  parentId: z.string().nullable(),
  attributes: attributesOut,
  note: z.string().nullable().meta({ description: 'Why it is blocked, dead or queued.' }),
})

export const executionInfo = execution.meta({ id: 'Execution' })

export const failure = z
  .object({
    type: z.string(),
    message: z.string(),
    stack: z.string().optional(),
    code: z.string().optional(),
    details: z.record(z.string(), anyValue).optional(),
    get cause() {
      return failure.optional()
    },
    get errors() {
      return z.array(failure).optional()
    },
    retryable: z.literal(false).optional(),
    step: z.string().optional(),
    attempt: z.int().optional(),
  })
  .meta({ id: 'Failure', description: 'An error as data.' })

export const executionDetails = execution
  .extend({
    input: anyValue.optional(),
    result: anyValue.optional().meta({ description: 'Present when it has completed.' }),
    failure: failure
      .optional()
      .meta({ description: 'Present when it has failed, or was canceled or terminated.' }),
  })
  .meta({ id: 'ExecutionDetails' })

const nextCursor = z
  .string()
  .optional()
  .meta({ description: 'Pass it on as `cursor` for the next page; absent on the last.' })

export const executionPage = z
  .object({ executions: z.array(executionInfo), cursor: nextCursor })
  .meta({ id: 'ExecutionPage' })

export const historyEvent = z
  .object({
    version: z.int(),
    type: z.enum(EVENT_TYPES),
    at: instantOut,
    seq: z.int().optional().meta({ description: 'The command of the code that it belongs to.' }),
    name: z.string().optional(),
    attempt: z.int().optional(),
    dueAt: instantOut.optional(),
    messageId: z.string().optional(),
    detail: anyValue.optional().meta({ description: "The engine's own data." }),
    payload: anyValue.optional(),
  })
  .meta({ id: 'HistoryEvent' })

export const historyPage = z
  .object({
    events: z.array(historyEvent),
    next: z
      .int()
      .optional()
      .meta({ description: 'Pass it on as `after` for the next page; absent on the last.' }),
  })
  .meta({ id: 'HistoryPage' })

export const started = z
  .object({
    executionId: z.string(),
    created: z.boolean().meta({ description: 'Whether this request made it; false: it was there.' }),
  })
  .meta({ id: 'Started' })

/** Of one request among many: what it would have been answered alone. */
export const startOutcome = z
  .object({
    status: z.int().meta({ description: 'The HTTP status that the start would have got alone.' }),
    executionId: z.string().optional(),
    created: z.boolean().optional(),
    problem: problemShape.optional(),
  })
  .meta({ id: 'StartOutcome' })

export const outcome = z
  .object({
    executionId: z.string(),
    status: z.enum(CLOSED_STATUSES),
    result: anyValue
      .optional()
      .meta({ description: 'Present when it has completed, unless it returned nothing.' }),
    failure: failure.optional(),
  })
  .meta({ id: 'Outcome' })

export const stillOpen = z
  .object({ executionId: z.string(), status: z.enum(OPEN_STATUSES) })
  .meta({ id: 'StillOpen' })

export const ofExecution = z.object({ executionId: z.string() }).meta({ id: 'ExecutionRef' })
