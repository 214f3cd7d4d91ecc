// Compensation: what was done is undone, in reverse order, once, whatever else was going on when the workflow failed.

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { StepContext } from '../../src/workflow/context.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

const done = new Map<string, string[]>()

function note(id: string, what: string): string {
  done.set(id, [...(done.get(id) ?? []), what])
  return what
}

/** Gates that steps wait at until the test opens them. */
const gates = new Map<string, () => void>()

function gate(name: string): Promise<void> {
  return new Promise((resolve) => gates.set(name, resolve))
}

async function open(name: string): Promise<void> {
  const opened = await eventually(() => gates.get(name))
  opened()
}

/** Books in parallel; one of the bookings fails while another is under way. */
const parallel = workflow({ name: 'parallel' }, async (ctx) => {
  const id = ctx.executionId
  const undo = (what: string) => (result: string) => note(id, `undo ${what} ${result}`)
  await ctx.step('account', () => note(id, 'account'), { compensate: undo('account') })
  return Promise.all([
    ctx.step('hotel', async () => gate(`${id} hotel`).then(() => note(id, 'hotel')), {
      compensate: undo('hotel'),
    }),
    ctx.step('train', () => note(id, 'train'), { compensate: undo('train') }),
    ctx.step(
      'flight',
      async () => {
        await gate(`${id} flight`)
        throw new RangeError('fully booked')
      },
      { retry: false },
    ),
  ])
})

/** In flight when it is canceled; heeds its signal or not. */
const canceled = workflow({ name: 'canceled' }, async (ctx, heeds: boolean) => {
  const id = ctx.executionId
  const work = async (step: StepContext): Promise<string> => {
    await Promise.race([gate(`${id} charge`), ...(heeds ? [aborted(step.signal)] : [])])
    return note(id, 'charged')
  }
  await ctx.step('charge', work, { compensate: (result) => note(id, `undo ${result}`) })
  return 'done'
})

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}

const retried = workflow({ name: 'retried' }, async (ctx) => {
  const id = ctx.executionId
  return Promise.all([
    ctx.step(
      'stubborn',
      () => {
        note(id, 'tried')
        throw new Error('never works')
      },
      { retry: { attempts: Infinity, initial: '1 hour' }, compensate: () => note(id, 'undo') },
    ),
    ctx.step('failing', async () => gate(`${id} failing`).then(() => Promise.reject(new Error('no'))), {
      retry: false,
    }),
  ])
})

const slowUndo = workflow({ name: 'slow-undo' }, async (ctx) => {
  const id = ctx.executionId
  await ctx.step('first', () => 1, { compensate: () => note(id, 'undo first') })
  await ctx.step('second', () => 2, {
    compensate: async () => gate(`${id} undo`).then(() => note(id, 'undo second')),
  })
  throw new RangeError('on purpose')
})

const badUndo = workflow({ name: 'bad-undo' }, async (ctx) => {
  const id = ctx.executionId
  await ctx.step('first', () => 1, { compensate: () => note(id, 'undo first') })
  await ctx.step('second', () => 2, {
    compensate: () => {
      note(id, 'undo second')
      throw Object.assign(new Error('cannot be undone'), { retryable: false })
    },
  })
  ctx.compensate('third', () => note(id, 'undo third'))
  let tries = 0
  ctx.compensate('flaky', () => {
    if (++tries < 3) throw new Error('again')
    return note(id, `undo flaky after ${tries}`)
  })
  throw new RangeError('on purpose')
})

const waiting = workflow({ name: 'waiting' }, async (ctx) => {
  const id = ctx.executionId
  await ctx.step('first', () => 1, { compensate: () => note(id, 'undo first') })
  await ctx.signal('go', z.unknown())
  return 'done'
})

const handled = workflow({ name: 'handled' }, async (ctx) => {
  const id = ctx.executionId
  await ctx.step('first', () => 1, { compensate: () => note(id, 'undo first') })
  try {
    await ctx.step('second', () => Promise.reject(new Error('no')), { retry: false })
  } catch {
    return 'done anyway'
  }
  return 'unreachable'
})

const using = useEngine([parallel, canceled, retried, slowUndo, badUndo, waiting, handled], {
  limits: { cancelGraceMs: 200 },
})

async function names(id: string): Promise<(string | undefined)[]> {
  return (await using.events(id)).map((event) => event.name)
}

describe('a workflow that fails', () => {
  it('waits for what is in flight and undoes that first, in reverse of the order in which it was done', async () => {
    const { executionId: id } = await using.client.start(parallel, null)
    await open(`${id} flight`)
    await eventually(async () => (await using.types(id)).includes('step_failed'))
    await open(`${id} hotel`)
    await expect(using.client.result(id)).rejects.toMatchObject({ cause: { name: 'RangeError' } })
    expect(done.get(id)).toEqual([
      'account',
      'train',
      'hotel',
      'undo hotel hotel',
      'undo train train',
      'undo account account',
    ])
  })

  it('tries nothing again that it would have to undo', async () => {
    const { executionId: id } = await using.client.start(retried, null)
    await eventually(async () => (await using.types(id)).includes('step_retrying'))
    await open(`${id} failing`)
    await expect(using.client.result(id)).rejects.toMatchObject({ cause: { message: 'no' } })
    expect(done.get(id)).toEqual(['tried'])
  })

  it('undoes everything though it is asked to cancel meanwhile, and stays failed', async () => {
    const { executionId: id } = await using.client.start(slowUndo, null)
    await eventually(() => gates.get(`${id} undo`))
    await using.client.cancel(id)
    await using.client.cancel(id)
    // Read, and ignored.
    const sql = using.database.connect({ max: 1 })
    await eventually(
      async () =>
        (await sql`select 1 from signals where execution_id = ${id} and consumed_at is null`).length === 0,
    )
    await open(`${id} undo`)
    await expect(using.client.result(id)).rejects.toMatchObject({ code: 'EXECUTION_FAILED' })
    expect(done.get(id)).toEqual(['undo second', 'undo first'])
  })

  it('retries what cannot be undone, gives it up in the end, and undoes the rest', async () => {
    const { executionId: id } = await using.client.start(badUndo, null)
    await expect(using.client.result(id)).rejects.toMatchObject({ cause: { message: 'on purpose' } })
    expect(done.get(id)).toEqual(['undo flaky after 3', 'undo third', 'undo second', 'undo first'])
    expect(using.logged).toContainEqual(expect.stringContaining('a compensation failed for good'))
  })

  it('goes on undoing after a crash where it stopped', async () => {
    const node = await using.join({ drainMs: 0 })
    const { executionId: id } = await node.client.start(slowUndo, null)
    const crashed = await eventually(() => gates.get(`${id} undo`))
    gates.delete(`${id} undo`)
    await node.stop()
    crashed()
    await open(`${id} undo`)
    await expect(using.client.result(id)).rejects.toMatchObject({ code: 'EXECUTION_FAILED' })
    // The crashed attempt ended, too: at least once.
    expect(done.get(id)).toEqual(['undo second', 'undo second', 'undo first'])
    expect((await names(id)).filter((name) => name === 'undo second')).toHaveLength(1)
  })
})

describe('a workflow that is canceled', () => {
  it('undoes a step that was in flight and completed nevertheless', async () => {
    const { executionId: id } = await using.client.start(canceled, false)
    await eventually(() => gates.get(`${id} charge`))
    await using.client.cancel(id)
    await eventually(async () => (await using.types(id)).includes('cancel_requested'))
    // Longer than the grace for steps that need not be undone.
    await sleep(300)
    await open(`${id} charge`)
    await expect(using.client.result(id)).rejects.toMatchObject({ code: 'EXECUTION_CANCELED' })
    expect(done.get(id)).toEqual(['charged', 'undo charged'])
  })

  it('has nothing to undo of a step that heeded its signal', async () => {
    const { executionId: id } = await using.client.start(canceled, true)
    await eventually(() => gates.get(`${id} charge`))
    await using.client.cancel(id)
    await expect(using.client.result(id)).rejects.toMatchObject({ code: 'EXECUTION_CANCELED' })
    expect(done.get(id)).toBeUndefined()
  })

  it('runs a step in flight to its end after a crash, with its signal aborted, and undoes it', async () => {
    const node = await using.join({ drainMs: 0 })
    const { executionId: id } = await node.client.start(canceled, false)
    await eventually(() => gates.get(`${id} charge`))
    await node.client.cancel(id)
    await eventually(async () => (await using.types(id)).includes('cancel_requested'))
    gates.delete(`${id} charge`)
    await node.stop()
    await open(`${id} charge`)
    await expect(using.client.result(id)).rejects.toMatchObject({ code: 'EXECUTION_CANCELED' })
    expect(done.get(id)).toEqual(['charged', 'undo charged'])
  })

  it('undoes what it did before', async () => {
    const { executionId: id } = await using.client.start(waiting, null)
    await eventually(async () => (await using.client.get(id)).status === 'waiting')
    await using.client.cancel(id)
    await expect(using.client.result(id)).rejects.toMatchObject({ code: 'EXECUTION_CANCELED' })
    expect(done.get(id)).toEqual(['undo first'])
  })
})

describe('nothing is undone', () => {
  it('of a workflow that is terminated', async () => {
    const { executionId: id } = await using.client.start(waiting, null)
    await eventually(async () => (await using.client.get(id)).status === 'waiting')
    await using.client.terminate(id)
    await expect(using.client.result(id)).rejects.toMatchObject({ code: 'EXECUTION_TERMINATED' })
    expect(done.get(id)).toBeUndefined()
  })

  it('of a workflow that handles its failure', async () => {
    const { executionId: id } = await using.client.start(handled, null)
    expect(await using.client.result(id)).toBe('done anyway')
    expect(done.get(id)).toBeUndefined()
  })
})
