// Every call of the store with every fault at every one of its statements: its outcome and what it leaves in the
// database are those of the same call without a fault. Nothing twice, nothing half, nothing lost.

import type postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Store } from '../../src/store/store.js'
import { createTestDatabase, databaseUrl, type TestDatabase } from '../support/database.js'
import { type Fault, type Proxy, startProxy } from '../support/proxy.js'
import { dumpOf, readRows } from '../support/store-dump.js'
import { STORE_CALLS, type StoreCall, type World } from '../support/store-calls.js'
import { Place } from '../support/store-rows.js'

/** At every statement of a call … */
const FAULTS: readonly Fault[] = [
  { kind: 'refuse', code: '40001' },
  { kind: 'expel', code: '57P01' },
  { kind: 'cut-before' },
  { kind: 'lose-answer' },
]
/** … and those of the same kinds at the last one, which the outcome hangs on. */
const FAULTS_AT_THE_END: readonly Fault[] = [
  { kind: 'refuse', code: '40P01' },
  { kind: 'refuse', code: '08006' },
  { kind: 'cut-within' },
  { kind: 'cut-answer' },
  { kind: 'delay', ms: 20 },
]

/** Not retried by promise (they are the caller's), or no statement of their own. */
const WITHOUT_FAULTS = [
  'dialect',
  'partitionCount',
  'hasHints',
  'keyOf',
  'ping',
  'onHint',
  'carryHints',
  'close',
  'insertExecutionsWithin',
  'restartWithin',
]

let database: TestDatabase
let proxy: Proxy
let store: Store
let direct: Store
let sql: postgres.Sql

beforeAll(async () => {
  database = await createTestDatabase()
  proxy = await startProxy(databaseUrl())
  direct = await database.openStore()
  sql = database.connect({ max: 1 })
  await sql`create table payments (id text not null primary key)`
  store = await database.openStore({ url: proxy.url })
})
afterAll(async () => {
  await database.drop()
  await proxy.close()
})

test('no call of the store is left out', () => {
  const covered = new Set<string>(STORE_CALLS.map((call) => call.of))
  expect(
    Object.keys(store)
      .filter((name) => !covered.has(name))
      .toSorted(),
  ).toEqual(WITHOUT_FAULTS.toSorted())
})

describe.each(STORE_CALLS)('$name', (call) => {
  let expected: Run

  beforeAll(async () => {
    expected = await run(call, () => undefined)
    expect(expected.statements).toBeGreaterThan(0)
  })

  test.each(FAULTS)('%j at any of its statements changes nothing', async (fault) => {
    for (let at = 0; at < expected.statements; at++) await expectSame(fault, at)
  })

  test.each(FAULTS_AT_THE_END)('%j at the last of its statements changes nothing', (fault) =>
    expectSame(fault, expected.statements - 1),
  )

  async function expectSame(fault: Fault, at: number): Promise<void> {
    const { outcome, rows, faults } = await run(call, (n) => (n === at ? fault : undefined))
    expect({ at, faults, outcome, rows }).toEqual({
      at,
      faults: 1,
      outcome: expected.outcome,
      rows: expected.rows,
    })
  }
})

interface Run {
  readonly outcome: unknown
  readonly rows: unknown
  readonly statements: number
  readonly faults: number
}

/** One call in a place of its own; `faultAt` is asked for each of its statements, by their number. */
async function run(call: StoreCall, faultAt: (n: number) => Fault | undefined): Promise<Run> {
  const place = new Place()
  const world: World = { store: direct, place, node: place.node('a'), schema: database.schema, sql }
  await call.prepare?.(world)
  let statements = 0
  let faults = 0
  proxy.plan = (text) => {
    if (/pg_notify|^listen/.test(text)) return undefined
    const fault = faultAt(statements)
    statements += 1
    if (fault !== undefined) faults += 1
    return fault
  }
  const outcome = await call.run({ ...world, store })
  proxy.plan = () => undefined
  const found = {
    outcome: dumpOf(place, outcome),
    rows: dumpOf(place, await readRows(sql, place)),
    statements,
    faults,
  }
  await cleanUp(place)
  return found
}

/** What others would see of it. */
async function cleanUp(place: Place): Promise<void> {
  const prefix = `${place.region}%`
  await sql`update partitions set owner = null where owner like ${prefix}::text`
  await sql`update executions set claimed_by = null where execution_id like ${prefix}::text`
  await sql`delete from schedules where schedule_id like ${prefix}::text`
  await sql`delete from retention where workflow like ${prefix}::text`
  await sql`delete from gates where workflow like ${prefix}::text`
  await sql`delete from leases where node_id like ${prefix}::text`
  await sql`delete from signals where execution_id like ${prefix}::text`
}
