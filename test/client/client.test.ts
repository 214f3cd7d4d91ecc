// All that a client can do, once from an engine's own process and once from a process that hosts no workflows: the same
// calls, the same answers. Lists have a file of their own.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Client, HistoryEvent, StartOptions } from '../../src/client/client.js'
import { createClient } from '../../src/client/open-client.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { ownTransaction } from '../support/own-transaction.js'
import { eventually } from '../support/wait.js'

const adds = workflow({ name: 'adds', version: '3' }, async (ctx, input: number) => {
  const one = await ctx.step('one', () => input + 1)
  return ctx.step('two', () => one + 1)
})
const fails = workflow({ name: 'fails' }, async (ctx) =>
  ctx.step('break', () => {
    throw Object.assign(new RangeError('out of luck', { cause: new TypeError('deep') }), { retryable: false })
  }),
)
const collects = workflow({ name: 'collects' }, async (ctx, count: number) => {
  const got: unknown[] = []
  ctx.onQuery('got', () => got)
  ctx.onQuery('times', (by) => got.length * z.number().parse(by))
  ctx.onUpdate('rename', z.string().min(1), async (name) => {
    await ctx.step('rename', () => null)
    got.push(name)
    return { name, at: got.length }
  })
  while (got.length < count) got.push(await ctx.signal('item', z.unknown()))
  return got
})
const runs = workflow({ name: 'runs' }, async (ctx, input: unknown) => {
  await ctx.signal('end', z.unknown(), { timeout: '1 hour' })
  return { run: ctx.run, input }
})

const using = useEngine([adds, fails, collects, runs])
let remote: Client

beforeAll(async () => {
  const { url, schema } = using.database
  remote = await createClient({ database: { url, schema } })
})
afterAll(() => remote.close())

const clients: readonly (readonly [string, () => Client])[] = [
  ['of an engine', () => using.client],
  ['without an engine', () => remote],
]
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, n) => from + n)

describe.each(clients)('a client %s', (which, client) => {
  const prefix = which.replaceAll(' ', '-')
  const becomes = (id: string, status: string): Promise<unknown> =>
    eventually(async () => {
      expect((await client().get(id)).status).toBe(status)
      return true
    })

  describe('starts', () => {
    it('with ids that are in the order of time', async () => {
      const ids: string[] = []
      for (let n = 0; n < 5; n++) {
        ids.push((await client().start('adds', n)).executionId)
        await new Promise((resolve) => {
          setTimeout(resolve, 2)
        })
      }
      expect(ids.toSorted()).toEqual(ids)
    })

    it('and tells the result, the version and the input', async () => {
      const handle = await client().start('adds', 5)
      expect(handle.created).toBe(true)
      expect(await handle.result()).toBe(7)
      expect(await client().get(handle.executionId)).toMatchObject({
        workflow: 'adds',
        workflowVersion: '3',
        status: 'completed',
        run: 1,
        version: 4,
        input: 5,
        result: 7,
        node: null,
        parentId: null,
        attributes: {},
        note: null,
        startedAt: expect.any(Date),
        closedAt: expect.any(Date),
      })
    })

    it('by every policy when the id is taken by an open one', async () => {
      const id = `${prefix}-open`
      const first = await client().start('runs', 'first', { id })
      expect(first.created).toBe(true)
      const existing = await client().start('runs', 'second', { id })
      expect(existing).toMatchObject({ executionId: id, created: false })
      await expect(client().start('runs', 'third', { id, idPolicy: 'reject' })).rejects.toMatchObject({
        code: 'EXECUTION_EXISTS',
      })
      const waiting = await client().start('runs', 'fourth', { id, idPolicy: 'allow-after-close' })
      expect(waiting.created).toBe(false)
      const replaced = await client().start('runs', 'fifth', {
        id,
        idPolicy: 'replace',
        attributes: { n: 5 },
      })
      expect(replaced.created).toBe(true)
      await client().signal(id, 'end')
      expect(await replaced.result()).toEqual({ run: 2, input: 'fifth' })
      expect(await client().get(id)).toMatchObject({ run: 2, input: 'fifth', attributes: { n: 5 } })
      const types = (await client().history(id)).events.map(({ type }) => type)
      expect(types.filter((type) => type === 'started' || type === 'terminated')).toEqual([
        'started',
        'terminated',
        'started',
      ])
    })

    it('by every policy when the id is taken by a closed one', async () => {
      const id = `${prefix}-closed`
      await (await client().start('adds', 1, { id })).result()
      const existing = await client().start('adds', 2, { id })
      expect(existing.created).toBe(false)
      expect(await existing.result()).toBe(3)
      await expect(client().start('adds', 3, { id, idPolicy: 'reject' })).rejects.toMatchObject({
        code: 'EXECUTION_EXISTS',
        details: { executionId: id, status: 'completed' },
      })
      expect(await (await client().start('adds', 4, { id, idPolicy: 'allow-after-close' })).result()).toBe(6)
      expect(await (await client().start('adds', 5, { id, idPolicy: 'replace' })).result()).toBe(7)
      expect((await client().get(id)).run).toBe(3)
    })

    it('once for one start id, however often it is repeated, with an id or without', async () => {
      const startId = `${prefix}-start`
      const given = { id: `${prefix}-once`, startId, idPolicy: 'reject' } as const
      const first = await Promise.all(Array.from({ length: 5 }, () => client().start('adds', 1, given)))
      expect(first.map(({ created }) => created)).toEqual([true, true, true, true, true])
      const second = await Promise.all(
        Array.from({ length: 5 }, () => client().start('adds', 1, { startId, idPolicy: 'reject' })),
      )
      expect(new Set(second.map(({ executionId }) => executionId)).size).toBe(1)
      // Another workflow's start with the same key is another start.
      const other = await client().start('collects', 0, { startId })
      expect(other.executionId).not.toBe(second[0]?.executionId)
    })

    it('later: after a span or at an instant, and not before', async () => {
      const begun = Date.now()
      const [span, instant] = await Promise.all([
        client().start('adds', 1, { startAfter: 400 }),
        client().start('adds', 1, { startAfter: new Date(begun + 400) }),
      ])
      expect((await client().get(span.executionId)).status).toBe('waiting')
      // Rung by a message, it looks and waits on.
      await client().signal(span.executionId, 'hurry')
      for (const handle of [span, instant]) {
        expect(await handle.result()).toBe(3)
        const { events } = await client().history(handle.executionId)
        expect(events[0]?.dueAt?.getTime()).toBeGreaterThanOrEqual(begun + 400)
        expect(events[1]?.at.getTime()).toBeGreaterThanOrEqual(events[0]?.dueAt?.getTime() ?? Infinity)
      }
    })

    it('10,000 in one call, in seconds', async () => {
      const begun = performance.now()
      const requests = range(0, 10_000).map((n) => ({
        workflow: 'adds',
        input: n,
        id: `${prefix}-many-${n % 9_999}`,
      }))
      const handles = await client().startMany(requests)
      const startedMs = performance.now() - begun
      expect(handles).toHaveLength(10_000)
      // The id that comes up twice is started once.
      expect(handles.filter(({ created }) => created)).toHaveLength(9_999)
      expect(handles.at(-1)).toMatchObject({ executionId: `${prefix}-many-0`, created: false })
      const results = await Promise.all(handles.map((handle) => handle.result({ timeout: '2m' })))
      expect(results.slice(0, 3)).toEqual([2, 3, 4])
      expect(startedMs).toBeLessThan(30_000)
    }, 180_000)
  })

  describe('starts within the caller’s own transaction', () => {
    const within = async (end: 'commit' | 'rollback', options: StartOptions = {}): Promise<string> => {
      const sql = using.database.connect({ max: 1 })
      let id = ''
      await ownTransaction(sql, async (transaction) => {
        id = (await client().start('adds', 1, { ...options, transaction })).executionId
        if (end === 'rollback') throw new Error('rolled back')
      }).catch((error: unknown) => expect(String(error)).toContain('rolled back'))
      return id
    }

    it('exist if and when it commits', async () => {
      expect(await client().result(await within('commit'))).toBe(3)
      expect(await client().result(await within('commit', { startAfter: 50 }))).toBe(3)
      const never = await within('rollback')
      await expect(client().get(never)).rejects.toMatchObject({ code: 'EXECUTION_NOT_FOUND' })
    })

    it.each(['allow-after-close', 'replace'] as const)(
      'take an id by %s only if it commits',
      async (idPolicy) => {
        const id = `${prefix}-taken-${idPolicy}`
        const first = await client().start('runs', 'first', { id })
        if (idPolicy === 'allow-after-close') {
          await client().signal(id, 'end')
          await first.result()
        } else {
          await becomes(id, 'waiting')
        }
        const before = await client().get(id)
        await within('rollback', { id, idPolicy })
        expect(await client().get(id)).toEqual(before)
        await within('commit', { id, idPolicy })
        expect(await client().result(id)).toBe(3)
        expect((await client().get(id)).run).toBe(2)
      },
    )

    it('are refused with their policy, and the transaction goes on', async () => {
      const sql = using.database.connect({ max: 1 })
      const id = `${prefix}-within`
      await client().start('adds', 1, { id })
      let made = ''
      await ownTransaction(sql, async (transaction) => {
        await expect(
          client().start('adds', 1, { id, idPolicy: 'reject', transaction }),
        ).rejects.toMatchObject({ code: 'EXECUTION_EXISTS' })
        made = (await client().start('adds', 1, { transaction })).executionId
      })
      expect(await client().result(made)).toBe(3)
    })
  })

  describe('reads', () => {
    it('a history in pages', async () => {
      const { executionId } = await client().start('collects', 12)
      for (const n of range(0, 12)) await client().signal(executionId, 'item', n)
      await client().result(executionId)
      const events: HistoryEvent[] = []
      const sizes: number[] = []
      for (let after: number | undefined = 0; after !== undefined;) {
        const page = await client().history(executionId, { after, limit: 5 })
        events.push(...page.events)
        sizes.push(page.events.length)
        after = page.next
      }
      expect(events.map(({ version }) => version)).toEqual(range(1, 15))
      expect(sizes).toEqual([5, 5, 4])
      expect(events[0]).toMatchObject({
        type: 'started',
        name: 'collects',
        payload: 12,
        detail: { run: 1 },
      })
      expect(events[3]).toMatchObject({ type: 'signal_received', name: 'item', payload: 2 })
      expect(events.at(-1)).toMatchObject({ type: 'completed', payload: range(0, 12) })
      expect((await client().history(executionId, { after: 14 })).events).toEqual([])
    })

    it('a failure with its step, attempt and causes', async () => {
      const handle = await client().start('fails', null)
      await expect(handle.result()).rejects.toMatchObject({
        code: 'EXECUTION_FAILED',
        cause: {
          name: 'RangeError',
          message: 'out of luck',
          step: 'break',
          attempt: 1,
          cause: { name: 'TypeError' },
        },
      })
      expect(await client().get(handle.executionId)).toMatchObject({
        status: 'failed',
        failure: {
          type: 'RangeError',
          message: 'out of luck',
          stack: expect.stringContaining('RangeError'),
          step: 'break',
          attempt: 1,
          cause: { type: 'TypeError', message: 'deep' },
        },
      })
    })

    it('a result in time, or not, or until the caller has enough', async () => {
      const { executionId } = await client().start('runs', null)
      await expect(client().result(executionId, { timeout: 40 })).rejects.toMatchObject({
        code: 'RESULT_TIMEOUT',
      })
      const abort = new AbortController()
      const waiting = client().result(executionId, { signal: abort.signal })
      abort.abort(new Error('enough'))
      await expect(waiting).rejects.toThrow('enough')
      await expect(client().result(executionId, { signal: abort.signal })).rejects.toThrow('enough')
      const several = [1, 2, 3].map(() => client().result(executionId))
      await client().signal(executionId, 'end')
      for (const one of several) expect(await one).toEqual({ run: 1, input: null })
    })

    it('which workflows there are, and how far the database is', async () => {
      expect(await client().workflows()).toContainEqual({ workflow: 'adds', version: '3' })
      expect(await client().ping()).toBeGreaterThan(0)
    })
  })

  describe('sends', () => {
    it('signals in order, each once by its id, also before they are waited for', async () => {
      const { executionId } = await client().start('collects', 6, { startAfter: 100 })
      for (const n of [0, 1, 2]) await client().signal(executionId, 'item', n, { signalId: `s-${n}` })
      await Promise.all([1, 2].map((n) => client().signal(executionId, 'item', n, { signalId: `s-${n}` })))
      await Promise.all([3, 4, 5].map((n) => client().signal(executionId, 'item', n)))
      const result: number[] = Object(await client().result(executionId))
      expect(result.slice(0, 3)).toEqual([0, 1, 2])
      expect(result.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5])
      // A retry that comes after the end is recognized; a new one is refused.
      await client().signal(executionId, 'item', 0, { signalId: 's-0' })
      await expect(client().signal(executionId, 'item', 0)).rejects.toMatchObject({
        code: 'EXECUTION_CLOSED',
      })
    })

    it('values of every kind', async () => {
      const { executionId } = await client().start('collects', 1)
      const value = {
        at: new Date(0),
        set: new Set([1n]),
        bytes: new Uint8Array([1, 2]),
        nothing: undefined,
      }
      await client().signal(executionId, 'item', value)
      expect(await client().result(executionId)).toEqual([value])
    })

    it('queries: answered from live state, by copy, and after the end', async () => {
      const { executionId } = await client().start('collects', 2)
      await client().signal(executionId, 'item', 'a')
      await eventually(async () => {
        expect(await client().query(executionId, 'got')).toEqual(['a'])
        return true
      })
      const copy: unknown[] = Object(await client().query(executionId, 'got'))
      copy.push('not of the workflow')
      expect(await client().query(executionId, 'got')).toEqual(['a'])
      expect(await client().query(executionId, 'times', 3)).toBe(3)
      await expect(client().query(executionId, 'times', 'x')).rejects.toMatchObject({
        code: 'QUERY_FAILED',
      })
      await expect(client().query(executionId, 'nobody')).rejects.toMatchObject({ code: 'QUERY_FAILED' })
      await client().signal(executionId, 'item', 'b')
      await client().result(executionId)
      // Only who has the code can replay what is over.
      const after = client().query(executionId, 'got')
      if (client() !== remote) expect(await after).toEqual(['a', 'b'])
      else await expect(after).rejects.toMatchObject({ code: 'QUERY_UNAVAILABLE' })
    })

    it('updates: checked, answered, and the same answer for the same id', async () => {
      const { executionId } = await client().start('collects', 3)
      const rename = (name: string, updateId?: string): Promise<unknown> =>
        client().update(executionId, 'rename', name, updateId === undefined ? {} : { updateId })
      expect(await rename('ada', 'u-1')).toEqual({ name: 'ada', at: 1 })
      expect(await rename('bob', 'u-1')).toEqual({ name: 'ada', at: 1 })
      await expect(rename('')).rejects.toMatchObject({ code: 'UPDATE_REJECTED' })
      expect(await rename('eve')).toEqual({ name: 'eve', at: 2 })
      await client().signal(executionId, 'item', 'end')
      expect(await client().result(executionId)).toEqual(['ada', 'eve', 'end'])
      expect(await rename('ada', 'u-1')).toEqual({ name: 'ada', at: 1 })
    })

    it('an update that the end overtakes, and hears of it at once', async () => {
      const { executionId } = await client().start('runs', null)
      await becomes(executionId, 'waiting')
      const begun = performance.now()
      const waiting = client().update(executionId, 'nobody', null, { timeout: '60s' })
      const refused = expect(waiting).rejects.toMatchObject({ code: 'EXECUTION_CLOSED' })
      await client().signal(executionId, 'end')
      await refused
      expect(performance.now() - begun).toBeLessThan(20_000)
    })
  })

  describe('steers', () => {
    it('cancels, with the reason', async () => {
      const handle = await client().start('runs', null)
      await client().cancel(handle.executionId, 'changed my mind')
      await expect(handle.result()).rejects.toMatchObject({
        code: 'EXECUTION_CANCELED',
        cause: { message: 'canceled: changed my mind' },
      })
      expect((await client().get(handle.executionId)).status).toBe('canceled')
    })

    it('terminates, with the reason', async () => {
      const handle = await client().start('runs', null)
      await client().terminate(handle.executionId, 'no power')
      await expect(handle.result()).rejects.toMatchObject({
        code: 'EXECUTION_TERMINATED',
        message: expect.stringContaining('no power'),
      })
      expect(await client().get(handle.executionId)).toMatchObject({
        status: 'terminated',
        failure: { type: 'terminated', message: 'no power' },
      })
    })

    it('pauses and resumes: what comes meanwhile waits', async () => {
      const { executionId } = await client().start('runs', null)
      await client().pause(executionId)
      await becomes(executionId, 'paused')
      await client().signal(executionId, 'end')
      expect((await client().get(executionId)).status).toBe('paused')
      await client().resume(executionId)
      expect(await client().result(executionId)).toEqual({ run: 1, input: null })
    })

    it('retries a dead letter', async () => {
      const { executionId } = await client().start('runs', 'alive again')
      await becomes(executionId, 'waiting')
      const sql = using.database.connect({ max: 1 })
      await sql`
        update executions set status = 'dead', note = 'it killed its node', attempts = 9
        where execution_id = ${executionId}::text`
      expect(await client().get(executionId)).toMatchObject({ status: 'dead', note: 'it killed its node' })
      await client().retry(executionId)
      await client().signal(executionId, 'end')
      expect(await client().result(executionId)).toEqual({ run: 1, input: 'alive again' })
      expect((await client().get(executionId)).note).toBeNull()
    })

    it('deletes for good', async () => {
      const { executionId } = await client().start('collects', 1)
      await client().signal(executionId, 'item', 1)
      await client().result(executionId)
      await client().delete(executionId)
      await expect(client().get(executionId)).rejects.toMatchObject({ code: 'EXECUTION_NOT_FOUND' })
      const sql = using.database.connect({ max: 1 })
      for (const table of ['executions', 'events', 'timers', 'signals']) {
        const rows = await sql`select 1 from ${sql(table)} where execution_id = ${executionId}::text`
        expect(rows, table).toHaveLength(0)
      }
      // Its id is free.
      const again = await client().start('adds', 1, { id: executionId, idPolicy: 'reject' })
      expect(again.created).toBe(true)
    })
  })
})

it('a client that is closed refuses everything, and says so', async () => {
  const { url, schema } = using.database
  const client = await createClient({ database: { url, schema } })
  const { executionId } = await client.start('runs', null)
  const waiting = expect(client.result(executionId)).rejects.toMatchObject({ code: 'ENGINE_STOPPED' })
  await client.close()
  await waiting
  const stopped = { code: 'ENGINE_STOPPED' }
  await expect(client.start('adds', 1)).rejects.toMatchObject(stopped)
  await expect(client.get(executionId)).rejects.toMatchObject(stopped)
  await expect(client.signal(executionId, 'end')).rejects.toMatchObject(stopped)
  await expect(client.result(executionId)).rejects.toMatchObject(stopped)
  await expect(client.ping()).rejects.toMatchObject(stopped)
  await client.close()
})
