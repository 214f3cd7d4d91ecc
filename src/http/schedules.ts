// Schedules over HTTP: make, list, read, change, pause, resume, trigger, backfill, delete. A 2xx means committed; all may
// be sent again blindly, a trigger with an Idempotency-Key.

import type { Context } from 'hono'
import type { Client } from '../client/client.js'
import { parse, parseQuery, readJson } from './body.js'
import { readIdempotencyKey } from './idempotency.js'
import { pathParameter, type Route } from './route.js'
import * as schemas from './schemas.js'
import * as bodies from './schedule-schemas.js'
import { toJson } from './to-json.js'

export interface ScheduleRoutesOptions {
  readonly client: Client
  readonly prefix: string
}

export function scheduleRoutes(options: ScheduleRoutesOptions): readonly Route[] {
  const { client } = options
  return [
    { path: '/schedules', methods: { POST: (c) => create(c, options), GET: (c) => list(c, client) } },
    {
      path: '/schedules/:id',
      methods: {
        GET: (c) => describe(c, client),
        PATCH: (c) => update(c, client),
        DELETE: (c) => remove(c, client),
      },
    },
    { path: '/schedules/:id/pause', methods: { POST: (c) => pause(c, client) } },
    { path: '/schedules/:id/resume', methods: { POST: (c) => resume(c, client) } },
    { path: '/schedules/:id/trigger', methods: { POST: (c) => trigger(c, options) } },
    { path: '/schedules/:id/backfill', methods: { POST: (c) => backfill(c, client) } },
  ]
}

async function create(c: Context, { client, prefix }: ScheduleRoutesOptions): Promise<Response> {
  parseQuery(c, schemas.noQuery)
  const { id: scheduleId, ...request } = parse(bodies.createBody, await readJson(c), 'body')
  const { created } = await client.schedules.create(scheduleId, request)
  const location = `${prefix}/schedules/${encodeURIComponent(scheduleId)}`
  return c.json({ scheduleId, created }, created ? 201 : 200, { Location: location })
}

async function list(c: Context, client: Client): Promise<Response> {
  return c.json(toJson(await client.schedules.list(parseQuery(c, bodies.listQuery))))
}

async function describe(c: Context, client: Client): Promise<Response> {
  parseQuery(c, schemas.noQuery)
  return c.json(toJson(await client.schedules.describe(pathParameter(c, 'id'))))
}

async function update(c: Context, client: Client): Promise<Response> {
  parseQuery(c, schemas.noQuery)
  const scheduleId = pathParameter(c, 'id')
  const changes = parse(bodies.updateBody, await readJson(c), 'body')
  return c.json(toJson(await client.schedules.update(scheduleId, changes)))
}

async function remove(c: Context, client: Client): Promise<Response> {
  parseQuery(c, schemas.noQuery)
  await client.schedules.delete(pathParameter(c, 'id'))
  return c.body(null, 204)
}

async function pause(c: Context, client: Client): Promise<Response> {
  const { scheduleId, note } = await noted(c)
  await client.schedules.pause(scheduleId, note)
  return c.json({ scheduleId })
}

async function resume(c: Context, client: Client): Promise<Response> {
  const { scheduleId, note } = await noted(c)
  await client.schedules.resume(scheduleId, note)
  return c.json({ scheduleId })
}

async function noted(c: Context): Promise<{ scheduleId: string; note: string | undefined }> {
  parseQuery(c, schemas.noQuery)
  const scheduleId = pathParameter(c, 'id')
  const body = parse(bodies.noteBody, await readJson(c), 'body')
  return { scheduleId, note: body?.note }
}

async function trigger(c: Context, { client, prefix }: ScheduleRoutesOptions): Promise<Response> {
  parseQuery(c, schemas.noQuery)
  const scheduleId = pathParameter(c, 'id')
  const triggerId = readIdempotencyKey(c)
  parse(schemas.noBody, await readJson(c), 'body')
  const { executionId, created } = await client.schedules.trigger(
    scheduleId,
    triggerId === undefined ? {} : { triggerId },
  )
  const location = `${prefix}/executions/${encodeURIComponent(executionId)}`
  return c.json({ executionId, created }, created ? 201 : 200, { Location: location })
}

async function backfill(c: Context, client: Client): Promise<Response> {
  parseQuery(c, schemas.noQuery)
  const scheduleId = pathParameter(c, 'id')
  return c.json(
    await client.schedules.backfill(scheduleId, parse(bodies.backfillBody, await readJson(c), 'body')),
  )
}
