// Cancellation: an error at the await point, whatever the execution is doing, and clean-up that may take its time.

import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { CanceledError } from '../../src/core/failure.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { ownTransaction } from '../support/own-transaction.js'
import { eventually } from '../support/wait.js'

const ran = new Map<string, string[]>()

function note(id: string, what: string): string {
  ran.set(id, [...(ran.get(id) ?? []), what])
  return what
}

type At = 'sleep' | 'signal' | 'retry' | 'step' | 'deaf step' | 'parallel'

/** Waits at one point, cleans up in two steps with a sleep in between. */
const waits = workflow({ name: 'waits' }, async (ctx, at: At) => {
  const id = ctx.executionId
  const stubborn = { retry: { attempts: Infinity, initial: '1 hour' } }
  const failing = (): never => {
    throw new Error('no')
  }
  const heeding = (signal: AbortSignal): Promise<void> =>
    new Promise((_, reject) => {
      note(id, 'begun')
      signal.addEventListener('abort', () => {
        note(id, 'aborted')
        reject(signal.reason as Error)
      })
    })
  try {
    if (at === 'sleep') await ctx.sleep('1 year')
    if (at === 'signal') await ctx.signal('go', z.unknown())
    if (at === 'retry') await ctx.step('retry', failing, stubborn)
    if (at === 'step') await ctx.step('step', ({ signal }) => heeding(signal))
    if (at === 'deaf step') await ctx.step('deaf', async () => new Promise(() => note(id, 'begun')))
    if (at === 'parallel') await Promise.all([ctx.sleep('1 year'), ctx.signal('go', z.unknown())])
    return 'not canceled'
  } finally {
    await ctx.step('clean', () => note(id, 'clean'))
    await ctx.sleep(20)
    await ctx.step('up', () => note(id, 'up'))
  }
})

const swallows = workflow({ name: 'swallows' }, async (ctx) => {
  try {
    await ctx.sleep('1 year')
  } catch (error) {
    if (!(error instanceof CanceledError)) throw error
  }
  const word = await ctx.signal('word', z.string())
  return [ctx.isCanceled, word]
})

const rethrows = workflow({ name: 'rethrows' }, async (ctx) => {
  try {
    await ctx.sleep('1 year')
  } catch (cause) {
    throw new RangeError('wrapped', { cause })
  }
})

const first = workflow({ name: 'first' }, async (ctx) => {
  await ctx.step('first', () => note(ctx.executionId, 'first'))
  await ctx.sleep('1 year')
})

const child = workflow({ name: 'child' }, async (ctx) => {
  try {
    await ctx.sleep('1 year')
  } finally {
    await ctx.step('clean', () => note('child', 'clean'))
  }
})

const family = workflow({ name: 'family' }, async (ctx) => {
  const id = `${ctx.executionId}-child`
  return ctx.child(child, null, { id, closePolicy: 'cancel' })
})

const loops = workflow({ name: 'loops' }, async (ctx, run: number) => {
  if (run === 1) {
    await ctx.signal('next', z.unknown())
    return ctx.continueAsNew(2)
  }
  await ctx.sleep('1 year')
})

const using = useEngine([waits, swallows, rethrows, first, child, family, loops], {
  limits: { cancelGraceMs: 200 },
})

async function becomes(id: string, status: string): Promise<void> {
  await eventually(async () => expect((await using.client.get(id)).status).toBe(status))
}

async function isCanceled(id: string): Promise<void> {
  await expect(using.client.result(id, { timeout: '10s' })).rejects.toMatchObject({
    code: 'EXECUTION_CANCELED',
    cause: { name: 'CanceledError' },
  })
}

describe('a request to cancel', () => {
  it.each(['sleep', 'signal', 'retry', 'parallel'] as const)(
    'reaches a %s, and the clean-up runs',
    async (at) => {
      const { executionId: id } = await using.client.start(waits, at)
      await becomes(id, 'waiting')
      await using.client.cancel(id, 'enough')
      await isCanceled(id)
      expect(ran.get(id)).toEqual(['clean', 'up'])
    },
  )

  it('aborts the signal of a step in flight', async () => {
    const { executionId: id } = await using.client.start(waits, 'step')
    await eventually(() => ran.get(id))
    await using.client.cancel(id)
    await isCanceled(id)
    expect(ran.get(id)).toEqual(['begun', 'aborted', 'clean', 'up'])
  })

  it('does not wait for ever for a step that does not heed it', async () => {
    const { executionId: id } = await using.client.start(waits, 'deaf step')
    await eventually(() => ran.get(id))
    await using.client.cancel(id)
    await isCanceled(id)
    expect(ran.get(id)).toEqual(['begun', 'clean', 'up'])
  })

  it('is one, however often it is made, also while the clean-up runs', async () => {
    const { executionId: id } = await using.client.start(waits, 'sleep')
    await becomes(id, 'waiting')
    await Promise.all([1, 2, 3].map(() => using.client.cancel(id)))
    await eventually(() => ran.get(id)?.includes('clean'))
    await using.client.cancel(id).catch(() => undefined)
    await isCanceled(id)
    expect(ran.get(id)).toEqual(['clean', 'up'])
    expect((await using.types(id)).filter((type) => type === 'cancel_requested')).toHaveLength(1)
  })

  it('may be swallowed: the execution goes on, and what is awaited later waits', async () => {
    const { executionId: id } = await using.client.start(swallows, null)
    await becomes(id, 'waiting')
    await using.client.cancel(id)
    await eventually(async () => (await using.types(id)).includes('cancel_requested'))
    await using.client.signal(id, 'word', 'hello')
    expect(await using.client.result(id)).toEqual([true, 'hello'])
  })

  it('that the code turns into another error makes it fail', async () => {
    const { executionId: id } = await using.client.start(rethrows, null)
    await becomes(id, 'waiting')
    await using.client.cancel(id)
    await expect(using.client.result(id)).rejects.toMatchObject({
      code: 'EXECUTION_FAILED',
      cause: { name: 'RangeError', cause: { name: 'CanceledError' } },
    })
  })

  it('waits while the execution is paused', async () => {
    const { executionId: id } = await using.client.start(waits, 'sleep')
    await using.client.pause(id)
    await becomes(id, 'paused')
    await using.client.cancel(id)
    await using.client.resume(id)
    await isCanceled(id)
    expect(ran.get(id)).toEqual(['clean', 'up'])
  })

  it('is passed on to a child, whose clean-up runs, too', async () => {
    const { executionId: id } = await using.client.start(family, null)
    await eventually(async () => (await using.types(id)).includes('child_started'))
    await becomes(`${id}-child`, 'waiting')
    await using.client.cancel(id)
    await isCanceled(id)
    await becomes(`${id}-child`, 'canceled')
    expect(ran.get('child')).toEqual(['clean'])
  })

  it('that comes before the first claim comes before the first step', async () => {
    const store = await using.database.openStore()
    const key = store.keyOf('unclaimed')
    // Written as by a client without a node; the request is there before anybody can have claimed it.
    const sql = using.database.connect({ max: 1 })
    await ownTransaction(sql, async (transaction) => {
      await using.client.start(first, null, { id: 'unclaimed', transaction })
      await transaction`
        update executions set inbox = 1 where execution_id = 'unclaimed'`
      await transaction`
        insert into signals (region, partition, execution_id, message_id, position, kind, name, payload)
        values (${key.region}, ${key.partition}, 'unclaimed', 'early', 1, 'cancel', 'cancel', '"early"')`
    })
    await isCanceled('unclaimed')
    expect(ran.get('unclaimed')).toBeUndefined()
  })

  it('ends at once what was to begin later, without running its code', async () => {
    const { executionId: id } = await using.client.start(first, null, { startAfter: '1 day' })
    await using.client.cancel(id, 'not today')
    await isCanceled(id)
    expect(await using.types(id)).toEqual(['started', 'cancel_requested', 'canceled'])
    expect(ran.get(id)).toBeUndefined()
  })

  it('that meets continue-as-new reaches the next run', async () => {
    const { executionId: id } = await using.client.start(loops, 1)
    await becomes(id, 'waiting')
    await Promise.all([using.client.signal(id, 'next'), using.client.cancel(id)])
    await isCanceled(id)
  })
})
