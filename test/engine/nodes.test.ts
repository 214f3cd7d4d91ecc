// Several nodes on one database: they share the work, and what one of them remembers never outlives what another did.

import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createClient } from '../../src/client/open-client.js'
import { workflow, type Workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

/** The same workflow, as each node has it: counts what this node does. */
function worker(done: { steps: number }): Workflow<null, string> {
  return workflow<null, string>({ name: 'worker' }, async (ctx) => {
    for (let n = 0; n < 3; n++) {
      await ctx.step('work', async () => {
        done.steps++
        await new Promise((resolve) => setTimeout(resolve, 5))
      })
      await ctx.sleep(10)
    }
    return 'done'
  })
}

const counting = workflow({ name: 'counting' }, async (ctx, rounds: number) => {
  const seen: string[] = []
  for (let n = 0; n < rounds; n++) {
    seen.push(await ctx.signal('next', z.string()))
    seen.push(await ctx.step('echo', () => `${n}`))
  }
  return [...seen, ctx.random()]
})

const here = { steps: 0 }
const there = { steps: 0 }
const using = useEngine([worker(here), counting])

describe('two nodes', () => {
  it('share what a client without a node starts', async () => {
    const other = await using.join({ workflows: [worker(there), counting], capacity: 20 })
    const sql = using.database.connect({ max: 1 })
    await eventually(async () => (await sql`select distinct owner from partitions`).length === 2)
    const { url, schema } = using.database
    const client = await createClient({ database: { url, schema } })
    const requests = Array.from({ length: 200 }, () => ({ workflow: 'worker', input: null }))
    const handles = await client.startMany(requests)
    const results = await Promise.all(handles.map((handle) => handle.result({ timeout: '20s' })))
    expect(new Set(results)).toEqual(new Set(['done']))
    expect(here.steps + there.steps).toBe(600)
    expect(here.steps).toBeGreaterThan(0)
    expect(there.steps).toBeGreaterThan(0)
    await client.close()
    await other.stop()
  })

  it('never go on from a copy in memory when another has worked on the execution since', async () => {
    const store = await using.database.openStore()
    const { executionId: id } = await using.client.start(counting, 6)
    const key = store.keyOf(id)
    for (let n = 0; n < 6; n++) {
      await eventually(async () => (await using.client.get(id)).status === 'waiting')
      if (n % 2 === 1) await visit(n === 3)
      await using.client.signal(id, 'next', `signal ${n}`)
    }
    expect(await using.client.result(id, { timeout: '20s' })).toEqual([
      ...Array.from({ length: 6 }, (_, n) => [`signal ${n}`, `${n}`]).flat(),
      expect.any(Number),
    ])

    /** Another node claims it, and gives it back; as seen by the first, with something appended or without. */
    async function visit(appends: boolean): Promise<void> {
      await using.client.pause(id)
      await eventually(async () => (await using.client.get(id)).status === 'paused')
      const sql = using.database.connect({ max: 1 })
      await sql`
        update executions set status = 'running', claimed_by = 'visitor', claim_epoch = claim_epoch + 1
        where execution_id = ${id}`
      const [row] = await store.readExecutions([key])
      const version = (await using.events(id)).length
      const outcome = await store.commit([
        {
          key,
          nodeId: 'visitor',
          claimEpoch: row?.claimEpoch ?? -1,
          expectedVersion: version,
          events: appends ? [{ type: 'patched', name: 'by another' }] : [],
          transition: { kind: 'release', status: 'waiting' },
        },
      ])
      expect(outcome).toMatchObject([{ kind: 'committed' }])
    }
  })
})
