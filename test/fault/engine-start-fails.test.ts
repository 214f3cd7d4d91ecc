// A node whose start fails half-way: it must not go on beating for a lease under which nothing works, because it would be
// given partitions that nobody looks after.

import { afterAll, beforeAll, expect, it } from 'vitest'
import type postgres from 'postgres'
import { createEngineOn } from '../../src/engine/create-engine.js'
import type { Store } from '../../src/store/store.js'
import { workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { eventually } from '../support/wait.js'

const quick = workflow({ name: 'quick' }, async () => 'done')

let database: TestDatabase
let sql: postgres.Sql

beforeAll(async () => {
  database = await createTestDatabase()
  sql = database.connect({ max: 1 })
})
afterAll(() => database?.drop())

it.each(['registerDefinitions', 'updateLimits', 'insertLease', 'readCluster'] as const)(
  'at %s leaves no lease that lasts, and can be tried again',
  async (call) => {
    const store = await database.openStore()
    const engine = createEngineOn(failingOnce(store, call), { workflows: [quick] })
    await expect(engine.start()).rejects.toThrow('not now')
    await eventually(
      async () => expect(await sql`select node_id from leases where expires_at > now()`).toEqual([]),
      { what: 'the end of the lease' },
    )

    await engine.start()
    const { executionId } = await engine.client.start('quick')
    expect(await engine.client.result(executionId, { timeout: '30s' })).toBe('done')
    await engine.stop()
    expect(await sql`select node_id from leases`).toEqual([])
  },
)

function failingOnce(store: Store, call: keyof Store): Store {
  let isFirst = true
  return new Proxy(store, {
    get(target, name, receiver) {
      if (name !== call || !isFirst) return Reflect.get(target, name, receiver)
      isFirst = false
      return () => Promise.reject(new Error('not now'))
    },
  })
}
