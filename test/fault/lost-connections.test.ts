// Connections that go away at the worst moments: unnoticed by a step's code, before a word was said, all at once.
// Those that are lost between the statements of a step are in test/store/lost-sessions.test.ts.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Store } from '../../src/store/store.js'
import { createTestDatabase, databaseUrl, type TestDatabase } from '../support/database.js'
import { type Proxy, startProxy } from '../support/proxy.js'
import { Place, startClaimed, startRow, stepCompleted } from '../support/store-rows.js'
import { eventually } from '../support/wait.js'

let database: TestDatabase
let proxy: Proxy
let store: Store

beforeAll(async () => {
  database = await createTestDatabase()
  proxy = await startProxy(databaseUrl())
  store = await database.openStore({ url: proxy.url, retryForMs: 20_000 })
})
afterAll(async () => {
  await database.drop()
  await proxy.close()
})

// What the driver throws outside of any promise would end a node.
const uncaught: unknown[] = []
const note = (error: unknown): void => void uncaught.push(error)
beforeEach(() => {
  process.on('uncaughtExceptionMonitor', note)
})
afterEach(() => {
  process.off('uncaughtExceptionMonitor', note)
  expect(uncaught).toEqual([])
})

test('a lost connection that the code of a step makes nothing of undoes the step, which runs again', async () => {
  const place = new Place()
  const key = place.key('one')
  await startClaimed(store, place.node('a'), [key])
  let runs = 0
  const { outcome } = await store.transact({
    key,
    nodeId: place.node('a'),
    claimEpoch: 1,
    lock: () => Promise.resolve(1),
    unlock: () => undefined,
    event: () => stepCompleted(1),
    work: async (sql) => {
      runs += 1
      if (runs === 1) proxy.cutAll()
      await Promise.allSettled([sql`select 1`])
      return runs
    },
  })
  expect(outcome).toMatchObject({ kind: 'committed' })
  expect(runs).toBe(2)
})

describe('a server that closes every connection before a word was said', () => {
  test('is unavailable within the span, and served again once it answers', async () => {
    const own = await database.openStore({ url: proxy.url, retryForMs: 1_000 })
    proxy.door = 'shut'
    proxy.cutAll()
    const startedMs = performance.now()
    const place = new Place()
    const calls = [
      own.readDefinitions(),
      own.insertExecutions([startRow(place.key('one'))]),
      own.terminate(place.key('none'), { type: 'terminated' }),
      own.ping(),
    ]
    const results = await Promise.allSettled(calls)
    expect(performance.now() - startedMs).toBeLessThan(10_000)
    for (const result of results) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { code: expect.stringMatching(/^(DATABASE_UNAVAILABLE|OUTCOME_UNKNOWN)$/) },
      })
    }
    proxy.door = 'open'
    await expect(own.readDefinitions()).resolves.toEqual([])
    await expect(own.terminate(place.key('none'), { type: 'terminated' })).resolves.toBe('not_found')
  })
})

test('connections cut over and over under load: every start is there once, and the pool serves on', async () => {
  const place = new Place()
  const keys = place.keys(200)
  let isOver = false
  const starts = Promise.all(
    keys.map((key, n) => store.insertExecutions([startRow(key, { startId: `start ${n}` })])),
  ).finally(() => (isOver = true))
  for (let cut = 0; cut < 20 && !isOver; cut++) {
    proxy.cutAll()
    await new Promise((resolve) => setImmediate(resolve))
    await eventually(() => isOver || proxy.connections > 0)
  }
  const outcomes = await starts
  expect(new Set(outcomes.flat().map(({ kind }) => kind))).toEqual(new Set(['created']))
  const histories = await store.readHistories(
    keys.map((key) => ({ key, from: 1 })),
    10,
  )
  expect(histories.map((events) => events.length)).toEqual(keys.map(() => 1))
})
