// Schedules over HTTP, on a real socket: what each route answers, and what is refused with which problem.

import { expect, test } from 'vitest'
import { z } from 'zod'
import { workflow } from '../../src/workflow/define.js'
import { useHttp } from '../support/http.js'
import { eventually } from '../support/wait.js'

const adds = workflow({ name: 'adds', input: z.object({ n: z.number() }) }, async (_ctx, { n }) => n + 1)
const http = useHttp([adds])
const body = { spec: { cron: '0 0 1 1 *', timeZone: 'Europe/Berlin' }, workflow: 'adds', input: { n: 1 } }

test('a schedule is made, read, changed, paused, triggered and deleted', async () => {
  const made = await http.request('POST', '/schedules', { body: { id: 'a/b', ...body, note: 'of the year' } })
  expect(made).toMatchObject({ status: 201, body: { scheduleId: 'a/b', created: true } })
  expect(made.headers.get('location')).toBe('/api/v1/schedules/a%2Fb')
  expect(await http.request('POST', '/schedules', { body: { id: 'a/b', ...body } })).toMatchObject({
    status: 200,
    body: { created: false },
  })
  expect((await http.request('GET', '/schedules/a%2Fb')).body).toMatchObject({
    scheduleId: 'a/b',
    spec: { cron: ['0 0 1 1 *'], timeZone: 'Europe/Berlin' },
    input: { n: 1 },
    note: 'of the year',
    nextAt: expect.stringMatching(/-12-31T23:00:00\.000Z$/),
    paused: false,
  })
  const changes = { spec: { every: '1 day' }, overlap: 'buffer-one' }
  expect(await http.request('PATCH', '/schedules/a%2Fb', { body: changes })).toMatchObject({
    status: 200,
    body: { revision: 2, spec: { every: 86_400_000, offset: 0 }, overlap: 'buffer-one' },
  })
  expect(await http.request('POST', '/schedules/a%2Fb/pause', { body: { note: 'why' } })).toMatchObject({
    status: 200,
  })
  expect((await http.request('GET', '/schedules/a%2Fb')).body).toMatchObject({
    paused: true,
    note: 'why',
    input: { n: 1 },
    upcoming: [],
  })
  expect((await http.request('POST', '/schedules/a%2Fb/resume')).status).toBe(200)
  const headers = { 'idempotency-key': 'once' }
  const triggered = await http.request('POST', '/schedules/a%2Fb/trigger', { headers })
  expect(triggered).toMatchObject({ status: 201, body: { created: true } })
  const again = await http.request('POST', '/schedules/a%2Fb/trigger', { headers })
  expect(again).toMatchObject({ status: 200, body: { created: false } })
  const location = triggered.headers.get('location') ?? ''
  expect(again.headers.get('location')).toBe(location)
  await eventually(async () => {
    const { body: execution } = await http.request('GET', `.${location}`)
    expect(execution).toMatchObject({ status: 'completed', result: 2 })
    return true
  })
  expect((await http.request('DELETE', '/schedules/a%2Fb')).status).toBe(204)
  expect((await http.request('GET', '/schedules/a%2Fb')).status).toBe(404)
})

test('a backfill tells what it started', async () => {
  await http.request('POST', '/schedules', { body: { id: 'back', ...body, spec: { every: '1 day' } } })
  const range = { from: '2026-01-01T00:00:00Z', to: '2026-01-03T00:00:00Z' }
  expect(await http.request('POST', '/schedules/back/backfill', { body: range })).toMatchObject({
    status: 200,
    body: { executionIds: ['back/2026-01-01T00:00:00.000Z', 'back/2026-01-02T00:00:00.000Z'] },
  })
})

test('schedules are listed page by page', async () => {
  for (const id of ['l1', 'l2', 'l3']) await http.request('POST', '/schedules', { body: { id, ...body } })
  const Page = z.object({
    schedules: z.array(z.object({ scheduleId: z.string() })),
    cursor: z.string().optional(),
  })
  const first = Page.parse((await http.request('GET', '/schedules?workflow=adds&limit=2')).body)
  expect(first.schedules).toHaveLength(2)
  const rest = Page.parse((await http.request('GET', `/schedules?limit=1000&cursor=${first.cursor}`)).body)
  const ids = [...first.schedules, ...rest.schedules].map(({ scheduleId }) => scheduleId)
  expect(ids).toEqual(expect.arrayContaining(['l1', 'l2', 'l3']))
  expect(new Set(ids).size).toBe(ids.length)
})

test.each<[string, string, unknown, number, string]>([
  ['POST', '/schedules', { ...body }, 400, 'INVALID_ARGUMENT'],
  ['POST', '/schedules', { ...body, id: 'x', overlap: 'maybe' }, 400, 'INVALID_ARGUMENT'],
  ['POST', '/schedules', { ...body, id: 'x', spec: {} }, 400, 'INVALID_ARGUMENT'],
  [
    'POST',
    '/schedules',
    { ...body, id: 'x', spec: { every: '1 day', zone: 'UTC' } },
    400,
    'INVALID_ARGUMENT',
  ],
  ['POST', '/schedules', { ...body, id: 'x', spec: { cron: '61 * * * *' } }, 400, 'INVALID_SCHEDULE'],
  ['POST', '/schedules', { ...body, id: 'x', spec: { cron: '0 0 30 2 *' } }, 400, 'INVALID_SCHEDULE'],
  ['POST', '/schedules', { ...body, id: 'x', spec: { every: 10 } }, 400, 'INVALID_SCHEDULE'],
  ['POST', '/schedules', { ...body, id: 'x', spec: { every: 'often' } }, 400, 'INVALID_DURATION'],
  ['POST', '/schedules', { ...body, id: 'x', catchUp: '1s' }, 400, 'INVALID_SCHEDULE'],
  ['POST', '/schedules', { ...body, id: 'x', input: { n: 'one' } }, 400, 'INVALID_INPUT'],
  ['POST', '/schedules', { ...body, id: 'x', workflow: 'nobody' }, 404, 'UNKNOWN_WORKFLOW'],
  ['POST', '/schedules', { ...body, id: 'x'.repeat(141) }, 400, 'INVALID_ID'],
  ['POST', '/schedules', { ...body, id: 'taken', workflow: 'adds', input: { n: 9 } }, 409, 'SCHEDULE_EXISTS'],
  ['GET', '/schedules/nobody', undefined, 404, 'SCHEDULE_NOT_FOUND'],
  ['GET', '/schedules/%00', undefined, 400, 'INVALID_ID'],
  ['GET', '/schedules?cursor=%20', undefined, 400, 'INVALID_CURSOR'],
  ['GET', '/schedules?workflow=%00', undefined, 400, 'INVALID_NAME'],
  ['PATCH', '/schedules/nobody', {}, 404, 'SCHEDULE_NOT_FOUND'],
  ['PATCH', '/schedules/taken', { paused: true }, 400, 'INVALID_ARGUMENT'],
  ['PATCH', '/schedules/taken', { input: {} }, 400, 'INVALID_INPUT'],
  ['DELETE', '/schedules/nobody', undefined, 404, 'SCHEDULE_NOT_FOUND'],
  ['POST', '/schedules/nobody/pause', undefined, 404, 'SCHEDULE_NOT_FOUND'],
  ['POST', '/schedules/nobody/trigger', undefined, 404, 'SCHEDULE_NOT_FOUND'],
  ['POST', '/schedules/taken/trigger', { now: true }, 400, 'INVALID_ARGUMENT'],
  [
    'POST',
    '/schedules/taken/backfill',
    { from: '2026-01-01T00:00:00Z', to: '2999-01-01T00:00:00Z' },
    400,
    'INVALID_ARGUMENT',
  ],
  [
    'POST',
    '/schedules/often/backfill',
    { from: '2026-01-01T00:00:00Z', to: '2026-02-01T00:00:00Z' },
    429,
    'TOO_MANY',
  ],
])('%s %s with %j is refused', async (method, path, given, status, code) => {
  await http.request('POST', '/schedules', { body: { id: 'taken', ...body } })
  const often = { ...body, spec: { every: '1 minute' }, paused: true }
  await http.request('POST', '/schedules', { body: { id: 'often', ...often } })
  const answer = await http.request(method, path, given === undefined ? {} : { body: given })
  expect(answer).toMatchObject({ status, body: { code, status, detail: expect.stringMatching(/\.$/) } })
})
