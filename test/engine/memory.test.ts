// What a node holds in memory once it has done its work: nothing of it.

import v8 from 'node:v8'
import vm from 'node:vm'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'

const child = workflow({ name: 'child' }, async (ctx, n: number) => ctx.step('step', () => n))

/** A bit of everything: races, timers that are left behind, children, retries, handlers, signals with time-outs. */
const mixed = workflow({ name: 'mixed' }, async (ctx, n: number) => {
  ctx.onQuery('n', () => n)
  ctx.onUpdate('n', z.unknown(), () => n)
  await ctx.step('one', () => 'x'.repeat(1_000))
  await Promise.race([ctx.step('two', async () => n), ctx.sleep('1 minute')])
  if (n % 4 === 0) await ctx.child(child, n)
  if (n % 7 === 0) {
    await ctx
      .step('fails', () => Promise.reject(new Error('no')), { retry: { attempts: 2, initial: 1 } })
      .catch(() => undefined)
  }
  return ctx.signal('go', z.unknown(), { timeout: n % 3 === 0 ? 20 : '1 minute' })
})

const using = useEngine([child, mixed], { cache: { executionsMax: 50 } })

async function round(): Promise<void> {
  const handles = await using.client.startMany(
    Array.from({ length: 500 }, (_, index) => ({ workflow: mixed, input: index })),
  )
  await Promise.all(
    handles.map(async ({ executionId }) => using.client.signal(executionId, 'go').catch(() => undefined)),
  )
  await Promise.all(handles.map((handle) => handle.result({ timeout: '60s' })))
}

it('the heap is as large after 6,000 executions as after 2,000', async () => {
  v8.setFlagsFromString('--expose_gc')
  const collect: unknown = vm.runInNewContext('gc')
  if (typeof collect !== 'function') throw new Error('no garbage collector to call')
  const heapOf = async (rounds: number): Promise<number> => {
    for (let n = 0; n < rounds; n++) await round()
    // Twice: what finalizers free is collected by the second.
    collect()
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    return process.memoryUsage().heapUsed / 1e6
  }
  const before = await heapOf(4)
  const after = await heapOf(8)
  expect(using.engine.running).toBe(0)
  // 4,000 executions that left but a kilobyte behind would show as 4 MB.
  expect(after - before).toBeLessThan(3)
}, 120_000)
