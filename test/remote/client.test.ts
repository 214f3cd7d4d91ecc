// The client over HTTP against a real server: the same calls, types and errors as the client on the database.

import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { errorCode } from '../../src/core/errors.js'
import { createClient } from '../../src/remote/create-client.js'
import type { RemoteClient } from '../../src/remote/client.js'
import { workflow } from '../../src/workflow/define.js'
import { useHttp } from '../support/http.js'
import { eventually } from '../support/wait.js'

const Order = z.object({ item: z.string(), cents: z.number() })
const fulfil = workflow({ name: 'fulfil', input: Order }, async (ctx, order) => {
  const paid = await ctx.step('pay', () => order.cents)
  return { paid, at: new Date(0), big: 12n, tags: new Set(['a']), label: order.item }
})
const asks = workflow({ name: 'asks/für immer' }, async (ctx) => {
  let note = ''
  ctx.onQuery('note', (args) => [note, args])
  ctx.onUpdate('note', z.string().min(1), (value) => (note = value))
  return ctx.signal('go', z.unknown())
})
const fails = workflow({ name: 'fails' }, async () => {
  throw new RangeError('out of luck', { cause: new TypeError('inner') })
})

const http = useHttp([fulfil, asks, fails])
const client = (): RemoteClient => createClient({ url: `${http.url}/` })
const codeOf = (call: Promise<unknown>): Promise<unknown> => call.then(() => 'none', errorCode)

describe('starting', () => {
  test('by the type of a workflow: what it takes and what JSON leaves of its result', async () => {
    const order = await client().start<typeof fulfil>('fulfil', { item: 'lamp', cents: 7 }, { id: 'a/b c' })
    expect(order).toMatchObject({ executionId: 'a/b c', created: true })
    const result = await order.result()
    expectTypeOf(result).toEqualTypeOf<{
      paid: number
      at: string
      big: string
      tags: string[]
      label: string
    }>()
    expect(result).toEqual({
      paid: 7,
      at: '1970-01-01T00:00:00.000Z',
      big: '12',
      tags: ['a'],
      label: 'lamp',
    })
    // @ts-expect-error: cents are missing
    expect(await codeOf(client().start<typeof fulfil>('fulfil', { item: 'lamp' }))).toBe('INVALID_INPUT')
  })

  test('by the workflow itself, and by a mere name', async () => {
    const known = await client().start(
      fulfil,
      { item: 'x', cents: 1 },
      { attributes: { shop: 1 }, priority: 1 },
    )
    expectTypeOf((await known.result()).paid).toEqualTypeOf<number>()
    const unknown = await client().start('fulfil', { item: 'x', cents: 1 })
    expectTypeOf(await unknown.result()).toEqualTypeOf<unknown>()
    expect(
      (await client().start('fulfil', { item: 'x', cents: 1 }, { id: unknown.executionId })).created,
    ).toBe(false)
  })

  test('many, each with its outcome', async () => {
    const outcomes = await client().startMany([
      { workflow: fulfil, input: { item: 'x', cents: 1 }, startId: 'many-1' },
      { workflow: 'fulfil', input: { item: 'x', cents: 1 }, startId: 'many-1' },
      { workflow: 'nobody' },
    ])
    const ids = outcomes.map((outcome) =>
      outcome.kind === 'started' ? outcome.handle.executionId : outcome.error.code,
    )
    expect(ids[1]).toBe(ids[0])
    expect(ids[2]).toBe('UNKNOWN_WORKFLOW')
  })
})

describe('reading', () => {
  test('gives what the client on the database gives, with its instants', async () => {
    const { executionId, result } = await client().start(fulfil, { item: 'x', cents: 1 })
    await result()
    const { startedAt, closedAt, status } = await client().get(executionId)
    expect([startedAt, closedAt, status]).toEqual([expect.any(Date), expect.any(Date), 'completed'])
    const info = await http.client.list({ workflow: 'fulfil', limit: 1 })
    expect(await client().list({ workflow: 'fulfil', limit: 1, status: ['completed'] })).toEqual(info)
    const filter = { attributes: { shop: 1 }, startedAfter: new Date(0) }
    expect((await client().list(filter)).executions).toHaveLength(1)
    const page = await client().history(executionId, { after: 1, limit: 1 })
    expect(page).toEqual(await http.client.history(executionId, { after: 1, limit: 1 }))
    expect(await client().workflows()).toEqual(await http.client.workflows())
    expect(await client().workflow('fulfil')).toEqual(await http.client.workflow('fulfil'))
    expect((await client().clusterStats()).nodes[0]?.renewedAt).toBeInstanceOf(Date)
  })
})

describe('results', () => {
  test('that are failures are thrown as everywhere, with their causes', async () => {
    const { result } = await client().start('fails')
    const error: unknown = await result().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'EXECUTION_FAILED',
      cause: { name: 'RangeError', message: 'out of luck', cause: { name: 'TypeError' } },
    })
  })

  test('are waited for as long as one wants, or until one does not', async () => {
    const { executionId, result } = await client().start(asks, undefined)
    expect(await codeOf(result({ timeout: '50ms' }))).toBe('RESULT_TIMEOUT')
    const controller = new AbortController()
    const waiting = result({ signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    await client().terminate(executionId, 'done with it')
    await expect(result()).rejects.toMatchObject({
      code: 'EXECUTION_TERMINATED',
      message: expect.stringContaining('done with it'),
    })
    expect(await codeOf(client().result('nobody'))).toBe('EXECUTION_NOT_FOUND')
  })
})

test('messages and control', async () => {
  const { executionId: id, result } = await client().start(asks, undefined, { id: 'talks' })
  expect(await client().update(id, 'note', 'hello')).toBe('hello')
  expect(await client().query(id, 'note', 7)).toEqual(['hello', 7])
  expect(await codeOf(client().update(id, 'note', ''))).toBe('UPDATE_REJECTED')
  await client().pause(id)
  await eventually(async () => (await client().get(id)).status === 'paused')
  await client().resume(id)
  expect(await codeOf(client().delete(id))).toBe('EXECUTION_NOT_CLOSED')
  await client().signal(id, 'go', { by: 'ada' }, { signalId: 's-1' })
  expect(await result()).toEqual({ by: 'ada' })
  expect(await codeOf(client().retry(id))).toBe('EXECUTION_NOT_RESUMABLE')
  await client().delete(id)
  expect(await codeOf(client().get(id))).toBe('EXECUTION_NOT_FOUND')
  const other = await client().start(asks, undefined)
  await client().cancel(other.executionId, 'no')
  expect(await codeOf(other.result())).toBe('EXECUTION_CANCELED')
})

test('forks', async () => {
  await (await client().start(fulfil, { item: 'x', cents: 1 }, { id: 'forked' })).result()
  const fork = await client().fork('forked', { version: 1, id: 'fork' })
  expect(await fork.result()).toMatchObject({ paid: 1 })
  const again = await client().fork('forked', { version: 1, startId: 'f-1' })
  expect(await client().fork('forked', { version: 1, startId: 'f-1' })).toMatchObject({
    executionId: again.executionId,
  })
  expect(await codeOf(client().fork('forked', { version: 99 }))).toBe('INVALID_ARGUMENT')
})

test('schedules', async () => {
  const { schedules } = client()
  const request = {
    spec: { cron: '0 0 1 1 *', from: new Date(0) },
    workflow: fulfil,
    input: { item: 'x', cents: 1 },
  }
  expect(await schedules.create('yearly', request)).toEqual({ created: true })
  expect(await schedules.create('yearly', request)).toEqual({ created: false })
  expect(await schedules.describe('yearly')).toEqual(await http.client.schedules.describe('yearly'))
  expect(await schedules.list()).toEqual(await http.client.schedules.list())
  await schedules.pause('yearly', 'why')
  expect(await schedules.update('yearly', { note: 'more' })).toMatchObject({ paused: true, note: 'more' })
  await schedules.resume('yearly')
  const one = await schedules.trigger('yearly', { triggerId: 't-1' })
  expect(await schedules.trigger('yearly', { triggerId: 't-1' })).toMatchObject({
    executionId: one.executionId,
    created: false,
  })
  const range = { from: new Date('2020-06-01'), to: new Date('2022-06-01') }
  expect((await schedules.backfill('yearly', range)).executionIds).toHaveLength(2)
  await schedules.delete('yearly')
  expect(await codeOf(schedules.describe('yearly'))).toBe('SCHEDULE_NOT_FOUND')
})
