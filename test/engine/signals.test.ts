// Signals: in order, once each, to the wait that is first in line, and kept until somebody waits.

import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

const collect = workflow({ name: 'collect' }, async (ctx, n: number) => {
  const got: number[] = []
  while (got.length < n) got.push(await ctx.signal('next', z.number()))
  return got
})

/** Continues as new after each signal, with a wait left behind that nobody listens to any more. */
const rounds = workflow({ name: 'rounds' }, async (ctx, got: number[]) => {
  void ctx.signal('never', z.unknown())
  const next = await ctx.signal('next', z.number())
  const all = [...got, next]
  if (all.length < 20) return ctx.continueAsNew(all)
  return all
})

const line = workflow({ name: 'line' }, async (ctx) =>
  Promise.all([1, 2, 3].map(async (n) => `${n}: ${await ctx.signal('turn', z.string())}`)),
)

const choosy = workflow({ name: 'choosy' }, async (ctx) =>
  Promise.all([
    ctx.signal('word', z.string().min(3)),
    ctx.signal('word', z.string().min(3), { timeout: '1 minute' }),
  ]),
)

const patient = workflow({ name: 'patient' }, async (ctx, ms: number) => {
  await ctx.sleep(ms)
  return ctx.signal('early', z.string(), { timeout: 5_000 })
})

const declared = workflow(
  { name: 'declared', signals: { count: z.coerce.number().transform((n) => n * 2) } },
  async (ctx) =>
    ctx.signal(
      'count',
      z.coerce.number().transform((n) => n * 2),
    ),
)

const rich = workflow({ name: 'rich' }, async (ctx) => ctx.signal('any', z.unknown()))

const racing = workflow({ name: 'racing' }, async (ctx, ms: number) => {
  const word = await ctx.signal('word', z.string(), { timeout: ms })
  const later = word === undefined ? await ctx.signal('word', z.string()) : undefined
  return { word, later }
})

const using = useEngine([collect, rounds, line, choosy, patient, declared, rich, racing])

async function becomes(id: string, status: string): Promise<void> {
  await eventually(async () => expect((await using.client.get(id)).status).toBe(status))
}

describe('signals', () => {
  it('by the thousand reach one execution in their order, at a cost that does not grow with their number', async () => {
    const many = 2_000
    const { executionId: id } = await using.client.start(collect, many, { startAfter: '1 second' })
    for (let n = 0; n < many; n += 500) {
      await Promise.all(Array.from({ length: 500 }, (_, index) => using.client.signal(id, 'next', n + index)))
    }
    expect(await using.client.result(id, { timeout: '60s' })).toEqual(
      Array.from({ length: many }, (_, index) => index),
    )
    // The last tenth beside the first, on the same machine: one that looks through all of them takes 19 times as long.
    const took = async (from: number): Promise<number> => {
      const { events } = await using.client.history(id, { after: from, limit: many / 10 })
      return (events.at(-1)?.at.getTime() ?? Number.NaN) - (events[0]?.at.getTime() ?? Number.NaN)
    }
    expect(await took(many * 0.9)).toBeLessThan(Math.max(await took(1), 200) * 8)
  }, 90_000)

  it('that come while an execution continues as new reach its next runs, none lost, none twice', async () => {
    const { executionId: id } = await using.client.start(rounds, [])
    for (let n = 0; n < 20; n++) {
      await using.client.signal(id, 'next', n)
      await using.client.signal(id, 'never', n)
    }
    expect(await using.client.result(id, { timeout: '20s' })).toEqual(Array.from({ length: 20 }, (_, n) => n))
    expect((await using.client.get(id)).run).toBe(20)
    expect(await using.types(id)).not.toContain('blocked')
  })

  it('go to the waits of their name in the order in which those began', async () => {
    const { executionId: id } = await using.client.start(line, null)
    for (const word of ['a', 'b', 'c']) await using.client.signal(id, 'turn', word)
    expect(await using.client.result(id)).toEqual(['1: a', '2: b', '3: c'])
  })

  it('that do not match are recorded as rejected; the waits keep their places', async () => {
    const { executionId: id } = await using.client.start(choosy, null)
    for (const word of ['x', 'first', 'y', 7, 'second']) await using.client.signal(id, 'word', word)
    expect(await using.client.result(id)).toEqual(['first', 'second'])
    expect((await using.types(id)).filter((type) => type === 'signal_rejected')).toHaveLength(3)
  })

  it('that come before the wait, or before the start, are kept', async () => {
    const { executionId: id } = await using.client.start(patient, 50)
    await using.client.signal(id, 'early', 'kept')
    expect(await using.client.result(id)).toBe('kept')
    const { executionId: later } = await using.client.start(patient, 0, { startAfter: 500 })
    await using.client.signal(later, 'early', 'kept, too')
    expect((await using.client.get(later)).status).not.toBe('completed')
    expect(await using.client.result(later)).toBe('kept, too')
    expect(await using.types(later)).toContain('signal_received')
  })

  it('that a workflow declares are checked when they are sent, and transformed once', async () => {
    const { executionId: id } = await using.client.start(declared, null)
    await expect(using.client.signal(id, 'count', 'many')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await using.client.signal(id, 'count', '21')
    expect(await using.client.result(id)).toBe(42)
  })

  it('carry values of every kind', async () => {
    const value = {
      at: new Date(0),
      all: new Map([['a', new Set([1n])]]),
      bytes: new Uint16Array([1, 65_535]),
      nothing: undefined,
      error: new TypeError('outer', { cause: new RangeError('inner') }),
    }
    const { executionId: id } = await using.client.start(rich, null)
    await using.client.signal(id, 'any', value)
    const got = (await using.client.result(id)) as typeof value
    expect(got).toMatchObject({ ...value, error: { name: 'TypeError', cause: { name: 'RangeError' } } })
  })

  it('race with their time-outs: one outcome, and the signal is never lost', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const { executionId: id } = await using.client.start(racing, 40)
        await new Promise((resolve) => setTimeout(resolve, 25 + index))
        await using.client.signal(id, 'word', 'hello')
        return using.client.result(id, { timeout: '20s' })
      }),
    )
    for (const outcome of outcomes) {
      expect([
        { word: 'hello', later: undefined },
        { word: undefined, later: 'hello' },
      ]).toContainEqual(outcome)
    }
  })

  it('are no repetition of something else that has the same id', async () => {
    const { executionId: id } = await using.client.start(collect, 2)
    // No handler for it: it stays in the inbox.
    const update = using.client
      .update(id, 'none', null, { updateId: 'order-7' })
      .catch((error: unknown) => error)
    const sql = using.database.connect({ max: 1 })
    await eventually(async () => (await sql`select 1 from signals where execution_id = ${id}`).length === 1)
    await using.client.signal(id, 'next', 1, { signalId: 'order-7' })
    await using.client.signal(id, 'next', 1, { signalId: 'order-7' })
    await using.client.signal(id, 'next', 2, { signalId: 'order-8' })
    expect(await using.client.result(id)).toEqual([1, 2])
    expect(await update).toMatchObject({ code: 'EXECUTION_CLOSED' })
  })

  it('that nobody waits for do not keep an execution from suspending', async () => {
    const { executionId: id } = await using.client.start(collect, 1)
    for (let n = 0; n < 10; n++) await using.client.signal(id, 'other', n)
    await becomes(id, 'waiting')
    await using.client.signal(id, 'next', 1)
    expect(await using.client.result(id)).toEqual([1])
  })
})
