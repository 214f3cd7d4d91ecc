// What workflow authors are promised, on a real engine and a real database.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { NonRetryableError } from '../../src/core/failure.js'
import { createEngine, type Engine } from '../../src/engine/create-engine.js'
import { workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { ownTransaction } from '../support/own-transaction.js'
import { eventually } from '../support/wait.js'

let database: TestDatabase
let engine: Engine
const calls = new Map<string, number>()

function count(what: string): number {
  const next = (calls.get(what) ?? 0) + 1
  calls.set(what, next)
  return next
}

const three = workflow({ name: 'three' }, async (ctx, input: number) => {
  const one = await ctx.step('one', () => input + 1)
  const two = await ctx.step('two', async () => one + 1)
  return ctx.step('three', () => two + 1)
})

const values = workflow({ name: 'values' }, async (ctx, input: unknown) => ctx.step('echo', () => input))

const flaky = workflow({ name: 'flaky' }, async (ctx, key: string) =>
  ctx.step(
    'try',
    () => {
      if (count(key) < 3) throw new Error('not yet')
      return calls.get(key)
    },
    { retry: { attempts: 5, initial: 5 } },
  ),
)

const slowRetry = workflow({ name: 'slow-retry' }, async (ctx, key: string) =>
  ctx.step(
    'try',
    () => {
      if (count(key) < 2) throw new Error('not yet')
      return 'ok'
    },
    { retry: { attempts: 2, initial: '1.2s', jitter: 0 } },
  ),
)

const fatal = workflow({ name: 'fatal' }, async (ctx, key: string) =>
  ctx.step('try', () => {
    count(key)
    throw new NonRetryableError('never', { cause: new TypeError('deep') })
  }),
)

const parallel = workflow({ name: 'parallel' }, async (ctx, n: number) => {
  const results = await Promise.all(Array.from({ length: n }, (_, index) => ctx.step('part', () => index)))
  return results.reduce((sum, value) => sum + value, 0)
})

const sleeper = workflow({ name: 'sleeper' }, async (ctx, ms: number) => {
  const before = ctx.now()
  await ctx.sleep(ms)
  return ctx.now().getTime() - before.getTime()
})

const approval = workflow({ name: 'approval' }, async (ctx, timeout: number | null) => {
  const schema = z.object({ by: z.string() })
  if (timeout === null) return ctx.signal('approved', schema)
  return (await ctx.signal('approved', schema, { timeout })) ?? 'timed out'
})

const ordered = workflow({ name: 'ordered' }, async (ctx, n: number) => {
  const got: number[] = []
  while (got.length < n) got.push(await ctx.signal('next', z.number()))
  return got
})

const child = workflow({ name: 'child', input: z.number() }, async (ctx, n) => {
  if (n < 0) throw new RangeError('negative')
  return ctx.step('double', () => n * 2)
})

const parent = workflow({ name: 'parent' }, async (ctx, inputs: number[]) => {
  const settled = await Promise.allSettled(inputs.map((input) => ctx.child(child, input)))
  return settled.map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason)))
})

const counter = workflow({ name: 'counter' }, async (ctx) => {
  let total = 0
  let done = false
  ctx.onQuery('total', () => total)
  ctx.onUpdate('add', z.number(), async (value) => (total = await ctx.step('add', () => total + value)), {
    validate: (value) => {
      if (value > 100) throw new RangeError('too much')
    },
  })
  ctx.onUpdate('finish', z.unknown(), () => (done = true))
  while (!done) await ctx.signal('tick', z.unknown(), { timeout: 50 })
  return total
})

const loop = workflow({ name: 'loop' }, async (ctx, n: number) => {
  await ctx.step('work', () => count('loop'))
  if (n > 1) return ctx.continueAsNew(n - 1)
  return `done in run ${ctx.run}`
})

const saga = workflow({ name: 'saga' }, async (ctx) => {
  await ctx.step('hotel', () => 'room 7', { compensate: (room) => count(`undo hotel ${room}`) })
  await ctx.step('flight', () => 'seat 3', { compensate: (seat) => count(`undo flight ${seat}`) })
  throw new RangeError('no car')
})

const cancelable = workflow({ name: 'cancelable' }, async (ctx) => {
  try {
    await ctx.sleep('1 year')
  } finally {
    await ctx.step('clean up', () => count('cleaned'))
  }
})

const booking = workflow({ name: 'booking' }, async (ctx, fail: boolean) =>
  ctx.transaction('book', async (sql) => {
    const [row] =
      await sql`insert into ${sql(`${database.schema}.ledger`)} (id) values (${ctx.executionId}) returning id`
    if (fail) throw new NonRetryableError('changed my mind')
    return row?.['id'] as string
  }),
)

const unawaited = workflow({ name: 'unawaited' }, async (ctx) => {
  void ctx.step('left alone', async () => count('left alone'))
  return ctx.step('awaited', () => 'done')
})

beforeAll(async () => {
  database = await createTestDatabase()
  const sql = database.connect()
  await sql`create table ${sql(`${database.schema}.ledger`)} (id text not null)`
  engine = await createEngine({
    database: { url: database.url, schema: database.schema },
    workflows: [
      three,
      values,
      flaky,
      slowRetry,
      fatal,
      parallel,
      sleeper,
      approval,
      ordered,
      child,
      parent,
      counter,
      loop,
      saga,
      cancelable,
      booking,
      unawaited,
    ],
    limits: { stepsPerExecutionMax: 100 },
  })
  await engine.start()
})

afterAll(async () => {
  await engine?.stop()
  await database?.drop()
})

async function types(id: string): Promise<string[]> {
  return (await engine.client.history(id)).events.map((event) => event.type)
}

describe('steps', () => {
  it('run one after the other and are recorded once each', async () => {
    const handle = await engine.client.start(three, 1)
    expect(await handle.result()).toBe(4)
    expect(await types(handle.executionId)).toEqual([
      'started',
      'step_completed',
      'step_completed',
      'step_completed',
      'completed',
    ])
  })

  it('are retried by their policy', async () => {
    const handle = await engine.client.start(flaky, 'flaky-1')
    expect(await handle.result()).toBe(3)
  })

  it('wait for long retries as timers', async () => {
    const handle = await engine.client.start(slowRetry, 'slow-1')
    expect(await handle.result()).toBe('ok')
    expect(await types(handle.executionId)).toEqual([
      'started',
      'step_retrying',
      'step_completed',
      'completed',
    ])
  })

  it('fail at once on a non-retryable error, which keeps its type, message, stack, cause, step and attempt', async () => {
    const handle = await engine.client.start(fatal, 'fatal-1')
    await expect(handle.result()).rejects.toMatchObject({
      code: 'EXECUTION_FAILED',
      cause: {
        name: 'NonRetryableError',
        message: 'never',
        step: 'try',
        attempt: 1,
        cause: { name: 'TypeError', message: 'deep' },
      },
    })
    expect(calls.get('fatal-1')).toBe(1)
  })

  it('run 10,000 at a time in one execution', async () => {
    const handle = await engine.client.start(parallel, 10_000)
    expect(await handle.result({ timeout: '60s' })).toBe(49_995_000)
  }, 90_000)

  it('that nobody awaits are still recorded before the execution closes', async () => {
    const handle = await engine.client.start(unawaited, null)
    expect(await handle.result()).toBe('done')
    expect(await types(handle.executionId)).toEqual([
      'started',
      'step_completed',
      'step_completed',
      'completed',
    ])
  })

  it('of a transaction take effect with their record, or not at all', async () => {
    const good = await engine.client.start(booking, false)
    const bad = await engine.client.start(booking, true)
    expect(await good.result()).toBe(good.executionId)
    await expect(bad.result()).rejects.toMatchObject({ code: 'EXECUTION_FAILED' })
    const sql = database.connect()
    const rows = await sql`select id from ${sql(`${database.schema}.ledger`)}`
    expect(rows.map((row) => row['id'] as string)).toEqual([good.executionId])
  })
})

describe('values', () => {
  it('survive the round trip through the database', async () => {
    const value = {
      date: new Date(0),
      map: new Map([['a', new Set([1])]]),
      big: 12345678901234567890n,
      bytes: new Uint8Array([1, 2, 255]),
      nothing: undefined,
      zero: -0,
      text: 'nul \u0000 and lone \ud800',
    }
    const handle = await engine.client.start(values, value)
    expect(await handle.result()).toEqual(value)
  })

  it('that cannot be stored are refused before anything is written', async () => {
    await expect(engine.client.start(values, { f: () => 1 }, { id: 'bad-value' })).rejects.toMatchObject({
      code: 'UNSERIALIZABLE',
    })
    await expect(
      engine.client.start(values, 'x'.repeat(1_100_000), { id: 'bad-value' }),
    ).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
    })
    await expect(engine.client.get('bad-value')).rejects.toMatchObject({ code: 'EXECUTION_NOT_FOUND' })
  })
})

describe('time', () => {
  it('sleeps at least as long as asked', async () => {
    const handle = await engine.client.start(sleeper, 120)
    expect(await handle.result()).toBeGreaterThanOrEqual(120)
  })

  it('starts later when asked', async () => {
    const begun = performance.now()
    const handle = await engine.client.start(three, 1, { startAfter: 300 })
    expect(await handle.result()).toBe(4)
    expect(performance.now() - begun).toBeGreaterThan(290)
  })
})

describe('signals', () => {
  it('reach a waiting execution', async () => {
    const handle = await engine.client.start(approval, null)
    await eventually(async () => (await engine.client.get(handle.executionId)).status === 'waiting')
    await engine.client.signal(handle.executionId, 'approved', { by: 'ada' })
    expect(await handle.result()).toEqual({ by: 'ada' })
  })

  it('time out as undefined', async () => {
    const handle = await engine.client.start(approval, 60)
    expect(await handle.result()).toBe('timed out')
  })

  it('that do not match the schema are set aside and the wait goes on', async () => {
    const handle = await engine.client.start(approval, null)
    await engine.client.signal(handle.executionId, 'approved', { by: 7 })
    await engine.client.signal(handle.executionId, 'approved', { by: 'bob' })
    expect(await handle.result()).toEqual({ by: 'bob' })
    expect(await types(handle.executionId)).toContain('signal_rejected')
  })

  it('are queued in order and deduplicated', async () => {
    const handle = await engine.client.start(ordered, 5)
    for (const n of [1, 2, 3])
      await engine.client.signal(handle.executionId, 'next', n, { signalId: `s${n}` })
    await engine.client.signal(handle.executionId, 'next', 2, { signalId: 's2' })
    for (const n of [4, 5]) await engine.client.signal(handle.executionId, 'next', n, { signalId: `s${n}` })
    expect(await handle.result()).toEqual([1, 2, 3, 4, 5])
    await expect(engine.client.signal(handle.executionId, 'next', 6)).rejects.toMatchObject({
      code: 'EXECUTION_CLOSED',
    })
    await engine.client.signal(handle.executionId, 'next', 5, { signalId: 's5' })
  })
})

describe('children', () => {
  it('give their results and failures to their parent', async () => {
    const handle = await engine.client.start(parent, [1, -1, 3])
    expect(await handle.result()).toEqual([2, 'RangeError: negative', 6])
  })

  it('with a bad input fail at the await point', async () => {
    const handle = await engine.client.start(parent, ['x' as unknown as number])
    expect(await handle.result()).toEqual([expect.stringContaining('does not match its schema')])
  })
})

describe('queries and updates', () => {
  it('read and change live state; a refused update leaves no trace', async () => {
    const handle = await engine.client.start(counter, null)
    expect(await engine.client.update(handle.executionId, 'add', 5)).toBe(5)
    expect(await engine.client.update(handle.executionId, 'add', 7, { updateId: 'u7' })).toBe(12)
    expect(await engine.client.update(handle.executionId, 'add', 7, { updateId: 'u7' })).toBe(12)
    await expect(engine.client.update(handle.executionId, 'add', 101)).rejects.toMatchObject({
      code: 'UPDATE_REJECTED',
    })
    await expect(engine.client.update(handle.executionId, 'add', 'x')).rejects.toMatchObject({
      code: 'UPDATE_REJECTED',
    })
    expect(await engine.client.query(handle.executionId, 'total')).toBe(12)
    await expect(engine.client.query(handle.executionId, 'nope')).rejects.toMatchObject({
      code: 'QUERY_FAILED',
    })
    await engine.client.update(handle.executionId, 'finish')
    expect(await handle.result()).toBe(12)
    expect(await engine.client.query(handle.executionId, 'total')).toBe(12)
  })
})

describe('lifecycle', () => {
  it('continues as new with an empty history', async () => {
    const handle = await engine.client.start(loop, 3)
    expect(await handle.result()).toBe('done in run 3')
    expect((await engine.client.get(handle.executionId)).run).toBe(3)
  })

  it('undoes what was done, in reverse, when it fails', async () => {
    const handle = await engine.client.start(saga, null)
    await expect(handle.result()).rejects.toMatchObject({
      code: 'EXECUTION_FAILED',
      cause: { name: 'RangeError' },
    })
    const names = (await engine.client.history(handle.executionId)).events.map((event) => event.name)
    expect(names).toEqual(['saga', 'hotel', 'flight', 'undo flight', 'undo hotel', undefined])
    expect(calls.get('undo hotel room 7')).toBe(1)
  })

  it('cancels at the await point and runs clean-up steps', async () => {
    const handle = await engine.client.start(cancelable, null)
    await engine.client.cancel(handle.executionId, 'enough')
    await expect(handle.result()).rejects.toMatchObject({ code: 'EXECUTION_CANCELED' })
    expect(calls.get('cleaned')).toBe(1)
  })

  it('terminates, pauses, resumes and deletes', async () => {
    const handle = await engine.client.start(approval, null)
    const id = handle.executionId
    await engine.client.pause(id)
    await eventually(async () => (await engine.client.get(id)).status === 'paused')
    await engine.client.signal(id, 'approved', { by: 'ada' })
    await engine.client.resume(id)
    expect(await handle.result()).toEqual({ by: 'ada' })
    const other = await engine.client.start(approval, null)
    await expect(engine.client.delete(other.executionId)).rejects.toMatchObject({
      code: 'EXECUTION_NOT_CLOSED',
    })
    await engine.client.terminate(other.executionId, 'why not')
    await expect(other.result()).rejects.toMatchObject({ code: 'EXECUTION_TERMINATED' })
    await engine.client.delete(other.executionId)
    await expect(engine.client.get(other.executionId)).rejects.toMatchObject({ code: 'EXECUTION_NOT_FOUND' })
  })
})

describe('starts', () => {
  it('of one id make one execution; policies decide what the others get', async () => {
    const starts = await Promise.all(
      Array.from({ length: 20 }, () => engine.client.start(three, 1, { id: 'one-of-many' })),
    )
    expect(starts.filter((handle) => handle.created)).toHaveLength(1)
    await starts[0]?.result()
    await expect(
      engine.client.start(three, 1, { id: 'one-of-many', idPolicy: 'reject' }),
    ).rejects.toMatchObject({
      code: 'EXECUTION_EXISTS',
    })
    const again = await engine.client.start(three, 5, { id: 'one-of-many', idPolicy: 'allow-after-close' })
    expect(again.created).toBe(true)
    expect(await again.result()).toBe(8)
    await engine.client.start(approval, null, { id: 'replace-me' })
    const replaced = await engine.client.start(approval, 30, { id: 'replace-me', idPolicy: 'replace' })
    expect(await replaced.result()).toBe('timed out')
  })

  it('10,000 in one call', async () => {
    const handles = await engine.client.startMany(
      Array.from({ length: 10_000 }, (_, index) => ({ workflow: three, input: index })),
    )
    const results = await Promise.all(handles.map((handle) => handle.result()))
    expect(results.slice(0, 3)).toEqual([3, 4, 5])
  }, 60_000)

  it('within the caller’s own transaction exist if it commits', async () => {
    const sql = database.connect()
    await sql
      .begin(async (transaction) => {
        await engine.client.start(three, 1, { id: 'rolled-back', transaction })
        throw new Error('no')
      })
      .catch(() => undefined)
    await expect(engine.client.get('rolled-back')).rejects.toMatchObject({ code: 'EXECUTION_NOT_FOUND' })
    await ownTransaction(sql, async (transaction) => {
      await engine.client.start(three, 1, { id: 'committed', transaction })
    })
    expect(await engine.client.result('committed')).toBe(4)
  })

  it('of unknown workflows, with bad ids and bad inputs are refused', async () => {
    await expect(engine.client.start('nobody', 1)).rejects.toMatchObject({ code: 'UNKNOWN_WORKFLOW' })
    await expect(engine.client.start(child, 'x' as unknown as number)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
    for (const id of ['', ' x', 'a\nb', 'x'.repeat(201)]) {
      await expect(engine.client.start(three, 1, { id })).rejects.toMatchObject({ code: 'INVALID_ID' })
    }
  })
})
