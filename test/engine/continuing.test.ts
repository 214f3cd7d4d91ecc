// Continue as new, determinism, and values: what a run hands to the next, and what every replay must see again.

import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

const ran = new Map<string, string[]>()

function note(id: string, what: string): string {
  ran.set(id, [...(ran.get(id) ?? []), what])
  return what
}

interface Round {
  readonly n: number
  readonly drawn: readonly unknown[]
}

const rounds = workflow({ name: 'rounds' }, async (ctx, { n, drawn }: Round) => {
  const id = ctx.executionId
  const now = [...drawn, [ctx.run, ctx.random(), ctx.uuid()]]
  // In flight when the run ends: it is recorded first.
  void ctx.step('left behind', async () => note(id, `left behind ${n}`))
  // Never heard of again.
  void ctx.sleep('1 day')
  void ctx.signal('nobody sends this', z.unknown())
  if (n === 3) return now
  try {
    try {
      return await ctx.continueAsNew({ n: n + 1, drawn: now })
    } catch {
      note(id, 'caught')
    }
  } finally {
    note(id, 'finally')
  }
  return now
})

const strict = workflow({ name: 'strict', input: z.object({ n: z.number().max(2) }) }, async (ctx, { n }) =>
  ctx.continueAsNew({ n: n + 1 }),
)

const chance = workflow({ name: 'chance' }, async (ctx) => {
  const before = [ctx.now().getTime(), ctx.random(), ctx.uuid(), ctx.uuid()]
  await ctx.step('step', () => 0)
  const between = [ctx.now().getTime(), ctx.random()]
  await ctx.signal('go', z.unknown())
  return [...before, ...between, ctx.uuid()]
})

let isNew = false
/** The code before and after a change, as one. */
const patched = workflow({ name: 'patched' }, async (ctx) => {
  await ctx.step('first', () => 1)
  const way = isNew && ctx.patched('new-way') ? 'new' : 'old'
  const result = await ctx.step(way, () => way)
  await ctx.signal('go', z.unknown())
  return [result, isNew ? ctx.patched('new-way') : false]
})

const tagged = workflow({ name: 'tagged' }, async (ctx) => {
  ctx.setAttributes({ stage: 'first', price: 7, paid: false })
  await ctx.step('step', () => 0)
  ctx.setAttributes({ stage: 'second' })
  await ctx.signal('go', z.unknown())
  ctx.setAttributes({ paid: true })
})

const echo = workflow({ name: 'echo' }, async (_ctx, value: unknown) => value)

const values = workflow({ name: 'values' }, async (ctx, value: unknown) => {
  const stepped = await ctx.step('step', () => value)
  const told = await ctx.child(echo, stepped)
  const signaled = await ctx.signal('value', z.unknown())
  return { value, stepped, told, signaled }
})

const stubborn = workflow({ name: 'stubborn' }, async (ctx, run: number) => {
  if (run === 2) return ran.get(ctx.executionId)
  let tries = 0
  void ctx.step(
    'left alone',
    () => {
      if (++tries === 1) throw new Error('not yet')
      return note(ctx.executionId, 'ended')
    },
    { retry: { attempts: 2, initial: '1.1s', jitter: 0 } },
  )
  return ctx.continueAsNew(2)
})

const using = useEngine([stubborn, rounds, strict, chance, patched, tagged, echo, values])

/** Makes every copy in memory one of the past, so that the execution is replayed by whoever claims it next. */
async function forget(id: string): Promise<void> {
  await eventually(async () => (await using.client.get(id)).status === 'waiting')
  const sql = using.database.connect({ max: 1 })
  await sql`update executions set claim_epoch = claim_epoch + 1 where execution_id = ${id}`
}

describe('continue as new', () => {
  it('ends a run where it is called: steps in flight are recorded, nothing behind it runs', async () => {
    const { executionId: id } = await using.client.start(rounds, { n: 1, drawn: [] })
    const drawn = z.array(z.tuple([z.number(), z.number(), z.string()])).parse(await using.client.result(id))
    expect(ran.get(id)).toEqual(['left behind 1', 'left behind 2', 'left behind 3'])
    // Chance of its own for every run.
    expect(drawn.map(([run]) => run)).toEqual([1, 2, 3])
    expect(new Set(drawn.map(([, number]) => number)).size).toBe(3)
    expect(new Set(drawn.map(([, , uuid]) => uuid)).size).toBe(3)
    const types = await using.types(id)
    expect(types.filter((type) => type === 'started')).toHaveLength(3)
    expect(types.filter((type) => type === 'step_completed')).toHaveLength(3)
    expect((await using.client.get(id)).input).toMatchObject({ n: 3 })
  })

  it('waits for a step that nobody awaits, also while that waits for its next attempt', async () => {
    const { executionId: id } = await using.client.start(stubborn, 1)
    expect(await using.client.result(id)).toEqual(['ended'])
  })

  it('with an input that does not match fails the run', async () => {
    const { executionId: id } = await using.client.start(strict, { n: 1 })
    await expect(using.client.result(id)).rejects.toMatchObject({
      code: 'EXECUTION_FAILED',
      cause: { code: 'INVALID_INPUT' },
    })
    expect((await using.client.get(id)).run).toBe(2)
  })
})

describe('a replay', () => {
  it('sees the same time, chance and ids', async () => {
    const { executionId: id } = await using.client.start(chance, null)
    await using.client.signal(id, 'go')
    const live = await using.client.result(id)
    const sql = using.database.connect({ max: 1 })
    await sql`delete from events where execution_id = ${id} and type = 'completed'`
    await sql`
      update executions set status = 'running', closed_at = null, ready_at = now(), claim_epoch = claim_epoch + 2
      where execution_id = ${id}`
    expect(await using.client.result(id)).toEqual(live)
    const other = await using.client.start(chance, null)
    await using.client.signal(other.executionId, 'go')
    expect((await other.result())[1]).not.toEqual(z.array(z.unknown()).parse(live)[1])
  })

  it('takes the old way of a patch where it went before the change, the new one elsewhere', async () => {
    const { executionId: old } = await using.client.start(patched, null)
    await forget(old)
    isNew = true
    const { executionId: fresh } = await using.client.start(patched, null)
    await forget(fresh)
    for (const id of [old, fresh]) await using.client.signal(id, 'go')
    expect(await using.client.result(old)).toEqual(['old', false])
    expect(await using.client.result(fresh)).toEqual(['new', true])
    expect(await using.types(old)).not.toContain('patched')
    expect((await using.types(fresh)).filter((type) => type === 'patched')).toHaveLength(1)
  })

  it('sets no attribute twice; lists find them', async () => {
    const { executionId: id } = await using.client.start(tagged, null, { attributes: { from: 'start' } })
    await forget(id)
    expect((await using.client.get(id)).attributes).toEqual({
      from: 'start',
      stage: 'second',
      price: 7,
      paid: false,
    })
    const { executions } = await using.client.list({ attributes: { stage: 'second', price: 7 } })
    expect(executions.map(({ executionId }) => executionId)).toEqual([id])
    await using.client.signal(id, 'go')
    await using.client.result(id)
    expect((await using.client.get(id)).attributes['paid']).toBe(true)
    expect((await using.types(id)).filter((type) => type === 'attributes_set')).toHaveLength(3)
  })
})

describe('a value', () => {
  it('is the same as input, result of a step, input and result of a child, signal, and result', async () => {
    const shared = { a: 1 }
    const value = {
      at: new Date(1e12),
      map: new Map<unknown, unknown>([[{ deep: [1n] }, new Set(['x', undefined])]]),
      views: [new Uint8Array([0, 255]), new Float64Array([-0, NaN, Infinity]), new BigInt64Array([-1n])],
      nothing: undefined,
      odd: [NaN, -0, Infinity, 123456789012345678901234567890n],
      text: '\u0000 \ud800 "\\',
      shared: [shared, shared],
      error: Object.assign(new RangeError('outer', { cause: new TypeError('inner') }), { code: 'E' }),
      regexp: /a+/giu,
      url: new URL('https://example.com/?a=1'),
    }
    const { executionId: id } = await using.client.start(values, value)
    await using.client.signal(id, 'value', value)
    const got = z.record(z.string(), z.unknown()).parse(await using.client.result(id))
    for (const name of ['value', 'stepped', 'told', 'signaled']) {
      const { error, ...rest } = z.looseObject({ error: z.unknown() }).parse(got[name])
      const { error: sent, ...plain } = value
      expect(rest).toEqual(plain)
      expect(error).toMatchObject({
        name: 'RangeError',
        message: sent.message,
        code: 'E',
        cause: { name: 'TypeError', message: 'inner' },
      })
    }
  })
})
