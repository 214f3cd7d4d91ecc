// Faults that do not go away: every call of the store ends within the retry span with an error that says so, leaves
// nothing half done, and what it did without knowing is found again. A server that stands still is given up in time.

import type postgres from 'postgres'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { errorCode } from '../../src/core/errors.js'
import type { Store } from '../../src/store/store.js'
import { createTestDatabase, databaseUrl, type TestDatabase } from '../support/database.js'
import { type Fault, type Proxy, startProxy } from '../support/proxy.js'
import { dumpOf, readRows } from '../support/store-dump.js'
import { STORE_CALLS, type StoreCall, type World } from '../support/store-calls.js'
import { claimIn, commitOf, idsOf, Place, startClaimed, startRow } from '../support/store-rows.js'

const RETRY_FOR_MS = 400
const STATEMENT_TIMEOUT_MS = 300

let database: TestDatabase
let proxy: Proxy
/** Through the proxy; opened anew for each test, so that what one lost the other does not find. */
let store: Store
let direct: Store
let sql: postgres.Sql

beforeAll(async () => {
  database = await createTestDatabase()
  proxy = await startProxy(databaseUrl())
  direct = await database.openStore()
  sql = database.connect({ max: 1 })
  await sql`create table payments (id text not null primary key)`
})
beforeEach(async () => {
  store = await database.openStore({
    url: proxy.url,
    retryForMs: RETRY_FOR_MS,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    connections: STORE_CALLS.length,
  })
})
afterEach(() => {
  proxy.plan = () => undefined
})
afterAll(async () => {
  await database.drop()
  await proxy.close()
})

function worldOf(place: Place): World {
  return { store: direct, place, node: place.node('a'), schema: database.schema, sql }
}

/** Its beginning may be gone before the rest: it is nobody's but its readers'. */
const IN_PARTS = 'removeExpired: a long history'

/** Calls of which every one would find the rows of the others are left out where rows are compared. */
const ALONE = STORE_CALLS.filter(({ name }) => name !== IN_PARTS).filter(
  ({ of }) => !['buryLeases', 'sweepConsumed', 'takePartitions', 'fireSchedules', 'takeSweep'].includes(of),
)

describe.each<[Fault, readonly string[]]>([
  [{ kind: 'cut-before' }, ['OUTCOME_UNKNOWN', 'DATABASE_UNAVAILABLE']],
  [{ kind: 'expel', code: '57P01' }, ['OUTCOME_UNKNOWN', 'DATABASE_UNAVAILABLE']],
  [{ kind: 'refuse', code: '40001' }, ['DATABASE_UNAVAILABLE']],
  [{ kind: 'refuse', code: '53300' }, ['DATABASE_UNAVAILABLE']],
])('%j of every statement', (fault, codes) => {
  test('every call fails within the span, and nothing of it is written', async () => {
    const prepared = await Promise.all(ALONE.map((call) => prepare(call)))
    proxy.plan = () => fault
    const startedMs = performance.now()
    const results = await Promise.allSettled(prepared.map(({ call, world }) => call.run({ ...world, store })))
    expect(performance.now() - startedMs).toBeLessThan(20_000)
    const others = results.flatMap((result, n) => {
      const code = result.status === 'rejected' ? errorCode(result.reason) : 'none'
      return codes.includes(code ?? 'untyped') ? [] : [[prepared[n]?.call.name, code]]
    })
    expect(others).toEqual([])
    for (const { call, world, rows } of prepared) {
      expect([call.name, await dumpRows(world.place)]).toEqual([call.name, rows])
    }
  })
})

async function prepare(call: StoreCall): Promise<{ call: StoreCall; world: World; rows: unknown }> {
  const world = worldOf(new Place())
  await call.prepare?.(world)
  return { call, world, rows: await dumpRows(world.place) }
}

async function dumpRows(place: Place): Promise<unknown> {
  return dumpOf(place, await readRows(sql, place))
}

describe('every answer lost', () => {
  test('whatever a call did, it did once and whole, or not at all', async () => {
    // A claim that is tried again claims more (the next test); a lane writes its commits apart where it must; and
    // what a node that left still had is found by the reaper.
    const calls = ALONE.filter(
      ({ of, name }) => !['claim', 'removeLease'].includes(of) && !name.includes('that tells'),
    )
    const prepared = await Promise.all(calls.map((call) => prepare(call)))
    proxy.plan = () => ({ kind: 'lose-answer' })
    const results = await Promise.allSettled(prepared.map(({ call, world }) => call.run({ ...world, store })))
    proxy.plan = () => undefined
    expect(new Set(results.map(({ status }) => status))).toEqual(new Set(['rejected']))
    for (const { call, world, rows } of prepared) {
      const done = await prepare(call)
      await call.run(done.world)
      const whole = await dumpRows(done.world.place)
      expect([
        [call.name, rows],
        [call.name, whole],
      ]).toContainEqual([call.name, await dumpRows(world.place)])
    }
  })

  test('what lost claims and lost starts took is handed out by the next claim, once', async () => {
    const place = new Place()
    const node = place.node('a')
    const started = [place.key('started 1'), place.key('started 2')]
    await direct.insertExecutions(place.keys(3).map((key) => startRow(key)))
    proxy.plan = () => ({ kind: 'lose-answer' })
    const lost = await Promise.allSettled([
      claimIn(store, place, { nodeId: node, limit: 2 }),
      store.insertExecutions(started.map((key) => startRow(key, { claimedBy: node, startId: 's' }))),
    ])
    proxy.plan = () => undefined
    expect(lost.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    // A start that is asked again is told that it is there, and that somebody else has the claim.
    const [again] = await store.insertExecutions([
      startRow(place.key('started 1'), { claimedBy: node, startId: 's' }),
    ])
    expect(again).toMatchObject({ kind: 'created', claimed: false })
    const claimed = await claimIn(store, place, { nodeId: node })
    expect(idsOf(claimed)).toEqual(idsOf([...place.keys(3), ...started].map((key) => ({ key }))))
    expect(await claimIn(store, place, { nodeId: node })).toEqual([])
    const [first] = claimed
    if (first === undefined) throw new Error('five of them')
    const { claimEpoch } = first
    expect(await store.commit([commitOf(first.key, node, { claimEpoch })])).toMatchObject([
      { kind: 'committed' },
    ])
  })
})

describe('a server that stands still', () => {
  test('is given up after the time-out of a statement, and what it got is done once', async () => {
    const calls = ALONE.filter(({ of }) => ['commit', 'terminate', 'transact', 'sendMessages'].includes(of))
    const patient = await database.openStore({ url: proxy.url, statementTimeoutMs: STATEMENT_TIMEOUT_MS })
    const prepared = await Promise.all(calls.map((call) => prepare(call)))
    // The last statement of each: the one that the outcome hangs on.
    const left = new Map([['commit', calls.length]])
    proxy.plan = (text) => {
      if (text !== 'commit' && !/^\s*with (passed|x|m) as/.test(text)) return undefined
      const count = left.get(text) ?? 1
      left.set(text, count - 1)
      return count > 0 ? { kind: 'stall' } : undefined
    }
    await Promise.all(prepared.map(({ call, world }) => call.run({ ...world, store: patient })))
    expect(left.size).toBeGreaterThan(3)
    for (const { call, world } of prepared) {
      const done = await prepare(call)
      await call.run(done.world)
      expect([call.name, await dumpRows(world.place)]).toEqual([call.name, await dumpRows(done.world.place)])
    }
  }, 60_000)
})

test('a conflict that never ends is told as what it is: the database could not', async () => {
  const place = new Place()
  await startClaimed(direct, place.node('a'), [place.key('one')])
  proxy.plan = () => ({ kind: 'refuse', code: '40001' })
  const commit = store.commit([commitOf(place.key('one'), place.node('a'))])
  await expect(commit).rejects.toMatchObject({
    code: 'DATABASE_UNAVAILABLE',
    details: { call: 'commit', retryAfterMs: expect.any(Number) },
    message: expect.stringContaining('try again'),
  })
})
