// Answers of the database that never come: what it wrote for a node is found again, though nobody told the node.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { CerebelumError } from '../../src/core/errors.js'
import { systemClock, type Clock } from '../../src/core/ports.js'
import { createEngineOn, type Engine } from '../../src/engine/create-engine.js'
import type { Store } from '../../src/store/store.js'
import { workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'

const simple = workflow({ name: 'simple' }, async (ctx) => ctx.step('step', () => 'done'))

/** Upkeep comes around twice a second instead of every half minute. */
const hasty: Clock = {
  ...systemClock,
  after: (ms, callback, options) =>
    systemClock.after(ms >= 29_000 && ms <= 30_000 ? 500 : ms, callback, options),
}

let database: TestDatabase
let engine: Engine
let loses = false

beforeAll(async () => {
  database = await createTestDatabase()
  const store = await database.openStore()
  const lossy: Store = {
    ...store,
    async insertExecutions(rows) {
      const outcomes = await store.insertExecutions(rows)
      if (!loses) return outcomes
      loses = false
      throw new CerebelumError('OUTCOME_UNKNOWN', 'The connection was lost during a start.')
    },
  }
  engine = createEngineOn(lossy, { workflows: [simple], clock: hasty })
  await engine.start()
})
afterAll(async () => {
  await engine?.stop()
  await database?.drop()
})

it('a start that was claimed for a node which never heard of it runs all the same', async () => {
  loses = true
  await expect(engine.client.start(simple, null, { id: 'unheard' })).rejects.toMatchObject({
    code: 'OUTCOME_UNKNOWN',
  })
  expect((await engine.client.get('unheard')).node).toBe(engine.nodeId)
  expect(await engine.client.result('unheard', { timeout: '20s' })).toBe('done')
})
