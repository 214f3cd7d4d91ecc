// Pause, resume and terminate, whatever the execution is doing; and what a node leaves behind when it stops.

import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

const calls = new Map<string, number>()
const gates = new Map<string, (() => void)[]>()

function count(what: string): number {
  const next = (calls.get(what) ?? 0) + 1
  calls.set(what, next)
  return next
}

function gate(name: string): Promise<void> {
  return new Promise((resolve) => gates.set(name, [...(gates.get(name) ?? []), resolve]))
}

function openAll(name: string): void {
  for (const open of gates.get(name) ?? []) open()
}

type Doing = 'step' | 'many steps' | 'quick retry' | 'slow retry' | 'sleep' | 'signal' | 'child'

const child = workflow({ name: 'child' }, async (ctx) => ctx.signal('go', z.unknown()))

const doing = workflow({ name: 'doing' }, async (ctx, what: Doing) => {
  const id = ctx.executionId
  const failing = (): string => {
    if (!calls.has(`${id} let`)) throw new Error('not yet')
    return 'done'
  }
  const forever = { retry: { attempts: Infinity, backoff: 'constant', jitter: 0 } } as const
  // Many of them: a request may come to one that is about to end.
  for (let n = 0; what === 'step' && n < 50; n++) await ctx.step('step', () => gate(id))
  if (what === 'many steps')
    await Promise.all(
      Array.from({ length: 40 }, () =>
        ctx.step('one of many', async () => {
          count(`${id} many`)
          await gate(id)
        }),
      ),
    )
  if (what === 'quick retry') await ctx.step('quick', failing, { retry: { ...forever.retry, initial: 20 } })
  if (what === 'slow retry') await ctx.step('slow', failing, { retry: { ...forever.retry, initial: '1.1s' } })
  if (what === 'sleep') await ctx.sleep(300)
  if (what === 'signal') await ctx.signal('go', z.unknown())
  if (what === 'child') await ctx.child(child, null, { id: `${id}-child` })
  return ctx.step('last', () => count(`${id} last`))
})

const signals = new Map<string, AbortSignal>()

const long = workflow({ name: 'long' }, async (ctx) =>
  ctx.step('long', ({ signal }) => {
    signals.set(ctx.executionId, signal)
    return new Promise(() => undefined)
  }),
)

const using = useEngine([doing, child, long], { limits: { stepsPerExecutionMax: 10 } })
const all: Doing[] = ['step', 'quick retry', 'slow retry', 'sleep', 'signal', 'child']

async function becomes(id: string, ...statuses: string[]): Promise<void> {
  await eventually(async () => expect(statuses).toContain((await using.client.get(id)).status))
}

/** Waits until it does what it is to do. */
async function begin(what: Doing): Promise<string> {
  const { executionId: id } = await using.client.start(doing, what)
  if (what === 'step') await eventually(() => gates.get(id))
  else if (what !== 'quick retry') await becomes(id, 'waiting')
  if (what === 'child') await becomes(`${id}-child`, 'waiting')
  return id
}

/** Whatever was sent to it has been seen by the node that runs it. */
async function isRead(id: string): Promise<void> {
  const sql = using.database.connect({ max: 1 })
  await eventually(
    async () =>
      (await sql`select 1 from executions where execution_id = ${id} and ready_at is null`).length === 1,
  )
}

/** Lets steps end, one after the other, until the execution has come to this. */
async function openUntil(id: string, status: string): Promise<void> {
  await eventually(
    async () => {
      openAll(id)
      return (await using.client.get(id)).status === status
    },
    { everyMs: 1, deadlineMs: 20_000 },
  )
}

/** Lets it go on. */
async function release(id: string, what: Doing): Promise<void> {
  calls.set(`${id} let`, 1)
  if (what === 'step') openAll(id)
  if (what === 'signal') await using.client.signal(id, 'go')
  if (what === 'child') await using.client.signal(`${id}-child`, 'go')
}

describe.each(all)('an execution in a %s', (what) => {
  it('is paused when nothing of it is in flight, does nothing then, and goes on when it is resumed', async () => {
    const id = await begin(what)
    await using.client.pause(id)
    // A step in flight is let end.
    if (what === 'step') await openUntil(id, 'paused')
    await becomes(id, 'paused')
    if (what !== 'step') await release(id, what)
    if (what === 'child') await becomes(`${id}-child`, 'completed')
    expect((await using.client.get(id)).status).toBe('paused')
    expect(calls.get(`${id} last`)).toBeUndefined()
    await using.client.resume(id)
    if (what === 'step') await openUntil(id, 'completed')
    expect(await using.client.result(id, { timeout: '20s' })).toBe(1)
  })

  it('is terminated at once, and what it left behind changes nothing any more', async () => {
    const id = await begin(what)
    await using.client.terminate(id, 'enough')
    await expect(using.client.result(id)).rejects.toMatchObject({ code: 'EXECUTION_TERMINATED' })
    await release(id, what).catch(() => undefined)
    const types = await using.types(id)
    expect(types.at(-1)).toBe('terminated')
    expect(calls.get(`${id} last`)).toBeUndefined()
    await expect(using.client.pause(id)).rejects.toMatchObject({ code: 'EXECUTION_CLOSED' })
    await expect(using.client.resume(id)).rejects.toMatchObject({ code: 'EXECUTION_NOT_RESUMABLE' })
  })

  it('is handed on by a node that stops, and loses nothing', async () => {
    const node = await using.join()
    const { executionId: id } = await node.client.start(doing, what)
    if (what === 'step') await eventually(() => gates.get(id))
    else if (what !== 'quick retry') await becomes(id, 'waiting')
    const stopped = node.stop()
    if (what === 'step') await release(id, what)
    await stopped
    const [row] = await using.database.connect({ max: 1 })`
      select claimed_by from executions where execution_id = ${id}`
    expect(row?.['claimed_by']).not.toBe(node.nodeId)
    if (what === 'child') await becomes(`${id}-child`, 'waiting')
    await release(id, what)
    if (what === 'step') await openUntil(id, 'completed')
    expect(await using.client.result(id, { timeout: '20s' })).toBe(1)
  })
})

describe('a step that takes long', () => {
  it.each(['here', 'elsewhere'] as const)('is aborted when its execution is terminated %s', async (where) => {
    const other = await using.join()
    const { executionId: id } = await using.client.start(long, null)
    await eventually(() => signals.get(id))
    const { client } = where === 'here' ? using : other
    await client.terminate(id)
    await eventually(() => signals.get(id)?.aborted)
    await other.stop()
  })
})

describe('steps that wait for their turn', () => {
  it('are left to the next claim by a pause: only those in flight are let end', async () => {
    const { executionId: id } = await using.client.start(doing, 'many steps')
    await eventually(() => calls.get(`${id} many`) === 10)
    await using.client.pause(id)
    await isRead(id)
    await openUntil(id, 'paused')
    const before = calls.get(`${id} many`) ?? 0
    expect(before).toBeLessThan(40)
    await using.client.resume(id)
    const result = using.client.result(id, { timeout: '20s' })
    await openUntil(id, 'completed')
    expect(await result).toBe(1)
    // Each of them once: what had ended was recorded, what had not begun began later.
    expect(calls.get(`${id} many`)).toBe(40)
  })
})

describe('an execution that is to begin later', () => {
  it('may be terminated', async () => {
    const { executionId: id } = await using.client.start(doing, 'signal', { startAfter: '1 day' })
    await using.client.terminate(id)
    await expect(using.client.result(id)).rejects.toMatchObject({ code: 'EXECUTION_TERMINATED' })
  })

  it('that was asked to pause pauses before its first step', async () => {
    const { executionId: id } = await using.client.start(doing, 'sleep', { startAfter: 300 })
    await using.client.pause(id)
    await becomes(id, 'paused')
    expect(await using.types(id)).toEqual(['started', 'paused'])
    await using.client.resume(id)
    expect(await using.client.result(id)).toBe(1)
  })
})
