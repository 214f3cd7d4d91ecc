// A claim that takes effect when the node that asked for it has been buried and joined anew: what it took belongs to
// nobody who lives, and would lie there until somebody looks for the claims of the dead.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { createEngineOn, type Engine } from '../../src/engine/create-engine.js'
import type { Store } from '../../src/store/store.js'
import { workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { eventually } from '../support/wait.js'

const greets = workflow({ name: 'greets' }, async (_ctx, name) => `Hello ${String(name)}`)
let database: TestDatabase
let engine: Engine
let held: (() => void)[] = []
let isHolding = false

beforeAll(async () => {
  database = await createTestDatabase()
  const store = await database.openStore()
  const slow: Store = {
    ...store,
    async claim(request) {
      if (isHolding) await new Promise<void>((resolve) => held.push(resolve))
      return store.claim(request)
    },
    // Nobody looks for the claims of the dead: that would help only later, and hide what this is about.
    buryLeases: () => Promise.resolve([]),
  }
  engine = createEngineOn(slow, { workflows: [greets] })
  await engine.start()
})
afterAll(async () => {
  for (const go of held) go()
  await engine.stop()
  await database.drop()
})

it('a claim for the node that this one was is given back at once', async () => {
  const { nodeId } = engine
  isHolding = true
  await eventually(() => held.length > 0)
  const sql = database.connect()
  await sql`delete from leases where node_id = ${nodeId}::text`
  await eventually(() => engine.nodeId !== nodeId && engine.isReady)
  const elsewhere = await database.openStore()
  const key = elsewhere.keyOf('late')
  const detail = JSON.stringify({ workflow: 'greets', workflowVersion: '1', run: 1 })
  const event = { type: 'started', name: 'greets', detail, payload: '"Ada"' } as const
  const start = { key, workflow: 'greets', workflowVersion: '1', startId: null, claimedBy: null, event }
  await elsewhere.insertExecutions([start])
  isHolding = false
  for (const go of held.splice(0)) go()
  expect(await engine.client.result('late')).toBe('Hello Ada')
  const [row] = await sql`select claim_epoch from executions where execution_id = 'late'`
  // The first claim was the late one.
  expect(row?.['claim_epoch']).toBe(2)
})
