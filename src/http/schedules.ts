// Schedules over HTTP: make, list, read, change, pause, resume, trigger, backfill, delete. A 2xx means committed; all may
// be sent again blindly, a trigger with an Idempotency-Key.

import type { Client } from '../client/client.js'
import type { ErrorCode } from '../core/errors.js'
import { noParams, reading, scheduleParams, writing, type Operation } from './operation.js'
import * as shapes from './schedule-schemas.js'
import { noBody, noQuery } from './schemas.js'
import { START_ERRORS } from './start-errors.js'
import { toJson } from './to-json.js'
import * as wire from './wire.js'

export interface ScheduleOptions {
  readonly client: Client
  readonly prefix: string
}

export function scheduleOperations(options: ScheduleOptions): readonly Operation[] {
  const { client } = options
  return [
    create(options),
    list(client),
    describe(client),
    update(client),
    remove(client),
    pauseOrResume(client, 'pause'),
    pauseOrResume(client, 'resume'),
    trigger(options),
    backfill(client),
  ]
}

const COMMON = { tag: 'Schedules', role: 'operator' } as const
const FOUND: readonly ErrorCode[] = ['SCHEDULE_NOT_FOUND', 'INVALID_ID']
const CHANGED: readonly ErrorCode[] = [...START_ERRORS, 'INVALID_SCHEDULE', 'CONFLICT']

function create({ client, prefix }: ScheduleOptions): Operation {
  return writing({
    ...COMMON,
    id: 'createSchedule',
    method: 'POST',
    path: '/schedules',
    summary: 'Make a schedule',
    idempotency: 'The same schedule made again is left as it is; another one of its id is SCHEDULE_EXISTS.',
    params: noParams,
    query: noQuery,
    body: shapes.createBody,
    exampleBody: {
      id: 'nightly',
      spec: { cron: '30 2 * * *', timeZone: 'Europe/Berlin' },
      workflow: 'report',
    },
    answers: {
      201: { description: 'It was made.', body: shapes.made, headers: { Location: 'Path of the schedule.' } },
      200: {
        description: 'It was there.',
        body: shapes.made,
        headers: { Location: 'Path of the schedule.' },
      },
    },
    errors: [...CHANGED, 'SCHEDULE_EXISTS'],
    async handle({ c, body: { id: scheduleId, ...request } }) {
      const { created } = await client.schedules.create(scheduleId, request)
      const location = `${prefix}/schedules/${encodeURIComponent(scheduleId)}`
      return c.json({ scheduleId, created }, created ? 201 : 200, { Location: location })
    },
  })
}

function list(client: Client): Operation {
  return reading({
    ...COMMON,
    role: 'viewer',
    id: 'listSchedules',
    method: 'GET',
    path: '/schedules',
    summary: 'List schedules in the order of their ids',
    params: noParams,
    query: shapes.listQuery,
    answers: { 200: { description: 'One page.', body: shapes.schedulePage } },
    errors: ['INVALID_NAME', 'INVALID_ID', 'INVALID_CURSOR'],
    handle: async ({ c, query }) => c.json(toJson(await client.schedules.list(query))),
  })
}

function describe(client: Client): Operation {
  return reading({
    ...COMMON,
    role: 'viewer',
    id: 'getSchedule',
    method: 'GET',
    path: '/schedules/:scheduleId',
    summary: 'Show a schedule and its next times',
    params: scheduleParams,
    query: noQuery,
    answers: { 200: { description: 'The schedule.', body: shapes.scheduleDetails } },
    errors: FOUND,
    handle: async ({ c, params }) => c.json(toJson(await client.schedules.describe(params.scheduleId))),
  })
}

function update(client: Client): Operation {
  return writing({
    ...COMMON,
    id: 'updateSchedule',
    method: 'PATCH',
    path: '/schedules/:scheduleId',
    summary: 'Change a schedule',
    description: 'What is left out stays as it is. With a new spec it fires next after now.',
    params: scheduleParams,
    query: noQuery,
    body: shapes.updateBody,
    exampleBody: { spec: { every: '15 minutes' } },
    answers: { 200: { description: 'The schedule as it is now.', body: shapes.scheduleInfo } },
    errors: [...FOUND, ...CHANGED],
    handle: async ({ c, params, body }) =>
      c.json(toJson(await client.schedules.update(params.scheduleId, body))),
  })
}

function remove(client: Client): Operation {
  return reading({
    ...COMMON,
    role: 'admin',
    id: 'deleteSchedule',
    method: 'DELETE',
    path: '/schedules/:scheduleId',
    summary: 'Delete a schedule',
    description: 'What it started is left as it is.',
    params: scheduleParams,
    query: noQuery,
    answers: { 204: { description: 'It is gone.' } },
    errors: FOUND,
    async handle({ c, params }) {
      await client.schedules.delete(params.scheduleId)
      return c.body(null, 204)
    },
  })
}

function pauseOrResume(client: Client, what: 'pause' | 'resume'): Operation {
  return writing({
    ...COMMON,
    id: `${what}Schedule`,
    method: 'POST',
    path: `/schedules/:scheduleId/${what}`,
    summary: what === 'pause' ? 'Let a schedule start nothing' : 'Let a paused schedule go on',
    idempotency: `To ${what} it again changes nothing.`,
    params: scheduleParams,
    query: noQuery,
    body: shapes.noteBody,
    exampleBody: { note: 'stock-taking' },
    answers: { 200: { description: 'It is done.', body: shapes.scheduleRef } },
    errors: [...FOUND, 'CONFLICT'],
    async handle({ c, params: { scheduleId }, body }) {
      await client.schedules[what](scheduleId, body?.note)
      return c.json({ scheduleId })
    },
  })
}

function trigger({ client, prefix }: ScheduleOptions): Operation {
  return writing({
    ...COMMON,
    id: 'triggerSchedule',
    method: 'POST',
    path: '/schedules/:scheduleId/trigger',
    summary: 'Start one execution of a schedule now',
    description: 'Whatever its overlap policy says, and also while it is paused.',
    idempotency: 'Finds the execution that it started, for as long as that exists.',
    params: scheduleParams,
    query: noQuery,
    body: noBody,
    answers: {
      201: {
        description: 'It was started.',
        body: wire.started,
        headers: { Location: 'Path of the execution.' },
      },
      200: {
        description: 'It was there.',
        body: wire.started,
        headers: { Location: 'Path of the execution.' },
      },
    },
    errors: [...FOUND, ...START_ERRORS],
    async handle({ c, params, key }) {
      const { executionId, created } = await client.schedules.trigger(
        params.scheduleId,
        key === undefined ? {} : { triggerId: key },
      )
      const location = `${prefix}/executions/${encodeURIComponent(executionId)}`
      return c.json({ executionId, created }, created ? 201 : 200, { Location: location })
    },
  })
}

function backfill(client: Client): Operation {
  return writing({
    ...COMMON,
    id: 'backfillSchedule',
    method: 'POST',
    path: '/schedules/:scheduleId/backfill',
    summary: 'Start what would have been started in a range of the past',
    description: 'From `from` until before `to`, at most 1,000.',
    idempotency: 'What has been started is not started again.',
    params: scheduleParams,
    query: noQuery,
    body: shapes.backfillBody,
    exampleBody: { from: '2026-01-01T00:00:00Z', to: '2026-01-08T00:00:00Z' },
    answers: { 200: { description: 'What was started.', body: shapes.backfilled } },
    errors: [...FOUND, ...START_ERRORS, 'TOO_MANY'],
    handle: async ({ c, params, body }) => c.json(await client.schedules.backfill(params.scheduleId, body)),
  })
}
