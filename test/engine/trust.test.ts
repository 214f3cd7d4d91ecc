// A node that did not renew its lease in time begins no step, and drops no work either: it waits until it is trusted
// again, or learns that it was buried.

import { expect, it } from 'vitest'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'

const LEASE_MS = 600
const begun: number[] = []

const hogs = workflow({ name: 'hogs' }, async (ctx) => {
  // Nothing else runs meanwhile, the heartbeat neither.
  await ctx.step('hog', () => {
    const until = performance.now() + 2 * LEASE_MS
    while (performance.now() < until);
  })
  await Promise.all([1, 2, 3].map((n) => ctx.step('after', () => begun.push(n))))
  await ctx.transaction('last', async () => begun.push(4))
  return 'done'
})

const using = useEngine([hogs], { leaseMs: LEASE_MS, heartbeatMs: 100 })

it('code that hogs the process for longer than a lease costs no claim and repeats no step', async () => {
  const { nodeId } = using.engine
  const handle = await using.client.start(hogs, null)
  expect(await handle.result()).toBe('done')
  expect(begun).toEqual([1, 2, 3, 4])
  expect(using.engine.nodeId).toBe(nodeId)
  const sql = using.database.connect()
  const rows = await sql`select claim_epoch from executions where execution_id = ${handle.executionId}`
  expect(rows[0]?.['claim_epoch']).toBe(1)
  expect(using.logged).toEqual([])
})
