// What the statements lock: no more rows than they take, and always in one order, so that none waits for another that
// waits for it.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type postgres from 'postgres'
import { createPool } from '../../src/store/pool.js'
import type { Store } from '../../src/store/store.js'
import { createTestDatabase, databaseUrl, type TestDatabase } from '../support/database.js'
import { type Proxy, startProxy } from '../support/proxy.js'
import {
  claimIn,
  Place,
  releaseOf,
  reportTo,
  signalTo,
  startClaimed,
  startRow,
  stepCompleted,
} from '../support/store-rows.js'
import type { Statement } from '../support/wire.js'

let database: TestDatabase
let proxy: Proxy
let store: Store
let sql: postgres.Sql
/** One connection, to hold a statement's locks. */
let holder: postgres.Sql
let last: Statement | undefined

beforeAll(async () => {
  database = await createTestDatabase()
  proxy = await startProxy(databaseUrl())
  proxy.onStatement = (statement) => {
    if (!/pg_notify/.test(statement.text)) last = statement
  }
  store = await database.openStore({ url: proxy.url })
  sql = database.connect({ max: 1 })
  holder = createPool({
    url: databaseUrl(),
    connections: 1,
    statementTimeoutMs: 30_000,
    settings: false,
    name: 'holder',
  })
})
afterAll(async () => {
  await holder.end()
  await database.drop()
  await proxy.close()
})

/** Carries out the statement that the store sent last, and looks what others can still lock meanwhile. */
async function whileHeld(look: () => Promise<number>): Promise<{ taken: number; free: number }> {
  if (last === undefined) throw new Error('the store has sent nothing')
  await holder.unsafe('begin')
  try {
    const rows = await holder.unsafe(last.text, [...last.parameters])
    return { taken: Number(rows[0]?.['taken'] ?? rows.length), free: await look() }
  } finally {
    await holder.unsafe('rollback')
  }
}

describe('a statement that takes some of many locks no more than those', () => {
  test('claim', async () => {
    const place = new Place()
    expect(await claimIn(store, place, { partitions: 4, limit: 10 })).toEqual([])
    const keys = [0, 1, 2, 3].flatMap((partition) =>
      Array.from({ length: 25 }, (_, n) => place.key(`${partition} ${n}`, partition)),
    )
    await sql.begin((inner) =>
      store.insertExecutionsWithin(
        inner,
        keys.map((key) => startRow(key)),
      ),
    )
    const { taken, free } = await whileHeld(async () => {
      const rows = await sql`
        select 1 from executions where region = ${place.region}::text for update skip locked`
      return rows.length
    })
    expect({ taken, free }).toEqual({ taken: 10, free: 90 })
  })

  test('fireTimers', async () => {
    const place = new Place()
    await sql`
      insert into timers (region, partition, execution_id, version, due_at)
      select ${place.region}::text, (n % 4)::int2, n::text, 1, '2020-01-01' from generate_series(1, 100) as t (n)`
    await store.fireTimers(place.partitions(4), 1)
    // The last statement asks when the next is due; the one before took the timer.
    const texts: Statement[] = []
    const { onStatement } = proxy
    proxy.onStatement = (statement) => void texts.push(statement)
    await store.fireTimers(place.partitions(4), 10)
    proxy.onStatement = onStatement
    last = texts.find(({ text }) => text.includes('delete'))
    const { taken, free } = await whileHeld(async () => {
      const rows = await sql`select 1 from timers where region = ${place.region}::text for update skip locked`
      return rows.length
    })
    expect({ taken, free }).toEqual({ taken: 10, free: 79 })
  })
})

test('lanes, messages, timers, doorbells and starts that cross each other wait for nobody who waits for them', async () => {
  const place = new Place()
  const node = place.node('a')
  const keys = place.keys(120)
  const seen = proxy.states.length
  await startClaimed(store, node, keys)
  const far = (n: number) => keys.at(-1 - n) ?? keys[0] ?? place.key('none')
  for (let round = 0; round < 12; round++) {
    const version = 1 + round
    const claimEpoch = 1 + round
    await Promise.all([
      ...[0, 1, 2, 3].map((lane) =>
        store.commit(
          keys.flatMap((key, n) =>
            n % 4 !== lane
              ? []
              : {
                  ...releaseOf(key, node, { status: 'running', readyInMs: 0 }),
                  claimEpoch,
                  expectedVersion: version,
                  events: [{ ...stepCompleted(round), delayMs: 0 }],
                  messages: [reportTo(far(n), `${round} from ${n}`)],
                },
          ),
        ),
      ),
      store.sendMessages(
        keys.toReversed().map((key) => signalTo(key, `m${round}`)),
        10_000,
      ),
      store.fireTimers(place.partitions(), 200),
      store.takeRung(node, 200),
      store.ringStranded(keys.toReversed()),
      store.insertExecutions(keys.toReversed().map((key) => startRow(key))),
      store.insertExecutions(keys.map((key) => startRow(key))),
    ])
    for (let claimed = 0; claimed < keys.length;) {
      claimed += (await claimIn(store, place, { nodeId: node, limit: 200 })).length
    }
  }
  expect(proxy.states.slice(seen).filter((state) => state === '40P01')).toEqual([])
}, 120_000)
