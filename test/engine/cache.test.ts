// Suspended executions in memory: what is counted of them, and that bytes bound them as well as their number.

import { expect, test } from 'vitest'
import { z } from 'zod'
import { workflow } from '../../src/workflow/define.js'
import type { Engine } from '../../src/engine/create-engine.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

const waits = workflow({ name: 'waits' }, async (ctx, text: string) => {
  await ctx.step('copy', () => text)
  return ctx.signal('go', z.boolean())
})

const using = useEngine([waits])

async function wake(engine: Engine, count: number, text: string): Promise<void> {
  const handles = await engine.client.startMany(
    Array.from({ length: count }, () => ({ workflow: waits, input: text })),
  )
  await eventually(() => engine.running === 0, { what: 'all to be suspended' })
  for (const { executionId } of handles) await engine.client.signal(executionId, 'go', true)
  await Promise.all(handles.map((handle) => handle.result()))
}

test('one that wakes is a hit where it was kept, and a miss where none are', async () => {
  const { schema, url } = using.database
  await wake(using.engine, 5, 'x')
  expect(using.engine.stats().cache).toMatchObject({
    hits: 5,
    misses: 0,
    stale: 0,
    evicted: 0,
    executions: 0,
  })
  expect(using.engine.stats()).toMatchObject({ running: 0, removed: 0, archived: 0 })
  await using.engine.stop()
  const none = await using.join({ cache: { executionsMax: 0 }, database: { url, schema } })
  await wake(none, 5, 'x')
  expect(none.stats().cache).toMatchObject({ hits: 0, misses: 5 })
  await none.stop()
})

test('payloads count: those go that were not used for longest, and bytes stay below the bound', async () => {
  const bytesMax = 100_000
  const small = await using.join({ cache: { bytesMax } })
  const handles = await small.client.startMany(
    Array.from({ length: 20 }, () => ({ workflow: waits, input: 'x'.repeat(10_000) })),
  )
  await eventually(() => small.running === 0 && small.stats().cache.executions > 0)
  const { bytes, executions, evicted } = small.stats().cache
  expect(bytes).toBeLessThanOrEqual(bytesMax)
  expect(executions).toBeLessThan(5)
  expect(executions + evicted).toBe(20)
  for (const { executionId } of handles) await small.client.signal(executionId, 'go', true)
  await Promise.all(handles.map((handle) => handle.result()))
})
