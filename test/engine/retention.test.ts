// Retention as users have it: closed executions go by themselves when their time is over, also of workflows that no node
// runs any more; whoever starts one of their ids again meanwhile has it.

import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Handle } from '../../src/client/client.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { findViolations } from '../support/invariants.js'
import { eventually } from '../support/wait.js'

const quick = workflow({ name: 'quick' }, async (ctx, input: string) => ctx.step('one', () => input))
const kept = workflow({ name: 'kept', retention: 'off' }, async (_ctx, input: string) => input)
const failing = workflow(
  { name: 'failing', retention: { failed: '90 days' } },
  async (_ctx, fail: boolean) => {
    if (fail) throw new Error('no')
  },
)
const waits = workflow({ name: 'waits' }, async (ctx, _input: null) => ctx.signal('go', z.boolean()))
const family = workflow({ name: 'family' }, async (ctx, input: string) => {
  const child = await ctx.child(quick, input)
  await ctx.signal('go', z.boolean())
  return child
})

describe('retention', () => {
  const using = useEngine([quick, kept, failing, waits, family], { retention: '30 days' })

  /** As if all of it had been done so many days ago. */
  async function age(days: number): Promise<void> {
    const sql = using.database.connect({ max: 1 })
    await sql`
      update executions set
        started_at = started_at - ${days}::float8 * interval '1 day',
        closed_at = closed_at - ${days}::float8 * interval '1 day'`
    await sql`update retention set due_at = now() where due_at is not null`
    await sql.end()
  }

  async function has(executionId: string): Promise<boolean> {
    return (await using.client.list({ limit: 1_000 })).executions.some(
      (one) => one.executionId === executionId,
    )
  }

  /** A node that comes looks at once. */
  async function untilSwept(gone: readonly string[]): Promise<void> {
    const node = await using.join()
    await eventually(async () => (await Promise.all(gone.map(has))).every((is) => !is), {
      what: 'the removal',
      deadlineMs: 30_000,
    })
    await node.stop()
  }

  test('removes what closed long enough ago, by workflow and status, and nothing that is open', async () => {
    const { client } = using
    const handles: Handle[] = [
      await client.start(quick, 'a', { id: 'quick' }),
      await client.start(kept, 'a', { id: 'kept' }),
      await client.start(failing, true, { id: 'failed' }),
      await client.start(failing, false, { id: 'completed' }),
    ]
    await Promise.all(handles.map((handle) => handle.result().catch(() => undefined)))
    await client.start(waits, null, { id: 'open' })
    await eventually(async () => (await client.get('open')).status === 'waiting')
    await age(31)
    await untilSwept(['quick', 'completed'])
    expect(await Promise.all(['kept', 'failed', 'open'].map(has))).toEqual([true, true, true])
    // The id is as good as new.
    expect(await (await client.start(quick, 'b', { id: 'quick' })).result()).toBe('b')
    await client.signal('open', 'go', true)
    await client.result('open')
    expect(await findViolations(using.database.connect({ max: 1 }))).toEqual([])
  })

  test('a child stays until its parent has ended, and a parent goes after its children', async () => {
    const { client } = using
    await client.start(family, 'x', { id: 'parent' })
    const childId = await eventually(async () => {
      const { executions } = await client.list({ parentId: 'parent' })
      return executions.find(({ status }) => status === 'completed')?.executionId
    })
    await client.start(quick, 'a', { id: 'witness' })
    await client.result('witness')
    await age(31)
    await untilSwept(['witness'])
    expect(await has(childId)).toBe(true)
    await client.signal('parent', 'go', true)
    expect(await client.result('parent')).toBe('x')
    await age(31)
    await untilSwept([childId])
    await age(0)
    await untilSwept(['parent'])
  })

  test('of those that are started again while they are removed, every one runs', async () => {
    const { client } = using
    const ids = Array.from({ length: 100 }, (_, n) => `again-${n}`)
    for (let round = 0; round < 3; round++) {
      const options = { idPolicy: 'allow-after-close' } as const
      await Promise.all(
        ids.map(async (id) => (await client.start(quick, `first ${round}`, { id, ...options })).result()),
      )
      await age(31)
      const node = using.join()
      const results = await Promise.all(
        ids.map(async (id, n) => {
          if (n % 2 === 0) await node
          return (await client.start(quick, `again ${round}`, { id, ...options })).result()
        }),
      )
      expect(results).toEqual(ids.map(() => `again ${round}`))
      await (await node).stop()
    }
    expect(await findViolations(using.database.connect({ max: 1 }))).toEqual([])
  })

  test('what the last node said of a workflow goes on when none runs it any more', async () => {
    const { client } = using
    const once = workflow({ name: 'once', retention: '2 days' }, async () => 'done')
    const node = await using.join({ workflows: [once] })
    await (await node.client.start(once, undefined, { id: 'once' })).result()
    await node.stop()
    await age(3)
    await untilSwept(['once'])
    expect(client).toBeDefined()
  })
})
