// How the suites of the store are run: each twice on one schema, as it is, and behind a proxy that refuses a third of
// all statements and transactions with a serialization failure. What a test sees must be the same both times.

import { randomInt } from 'node:crypto'
import type postgres from 'postgres'
import { afterAll, beforeAll, describe } from 'vitest'
import type { Store } from '../../src/store/store.js'
import { createTestDatabase, databaseUrl, type TestDatabase } from './database.js'
import { type Fault, type Proxy, startProxy } from './proxy.js'
import type { Place } from './store-rows.js'
import { eventually } from './wait.js'

export interface Conformance {
  /** The store under test. */
  readonly store: Store
  /** The database itself, never through the proxy. */
  readonly sql: postgres.Sql
  readonly database: TestDatabase
  /**
   * Until nothing in a place is taken for locked: CockroachDB does so for a while after a row was written, and whoever
   * skips locked rows comes back short.
   */
  settled(place: Place): Promise<void>
}

export function conformance(what: string, define: (context: Conformance) => void): void {
  describe(what, () => {
    let database: TestDatabase
    beforeAll(async () => {
      database = await createTestDatabase()
    })
    afterAll(() => database.drop())

    describe('on a quiet database', () => run(() => database, databaseUrl, define))

    describe('where a third of everything meets a conflict', () => {
      let proxy: Proxy
      beforeAll(async () => {
        proxy = await startProxy(databaseUrl())
      })
      afterAll(() => proxy.close())
      const url = (): string => proxy.url
      run(
        () => database,
        url,
        define,
        () => {
          proxy.plan = refuseAThird()
        },
      )
    })
  })
}

function run(
  database: () => TestDatabase,
  url: () => string,
  define: (context: Conformance) => void,
  onOpen: () => void = () => undefined,
): void {
  let store: Store | undefined
  let sql: postgres.Sql | undefined
  beforeAll(async () => {
    store = await database().openStore({ url: url() })
    sql = database().connect({ max: 3 })
    onOpen()
  })
  define({
    get store() {
      return opened(store)
    },
    get sql() {
      return opened(sql)
    },
    get database() {
      return database()
    },
    async settled({ region }) {
      const client = opened(sql)
      for (const [table, index, condition] of SKIPPING) {
        await eventually(() => allSeen(client, opened(store).dialect, { region, table, index, condition }))
      }
    },
  })
}

/** What statements that skip locked rows go by: of CockroachDB an entry of an index may be locked when its row is not. */
const SKIPPING = [
  ['executions', 'executions_pkey', 'true'],
  ['executions', 'executions_ready', 'ready_at is not null and claimed_by is null'],
  ['executions', 'executions_claimed', 'claimed_by is not null'],
  ['executions', 'executions_stranded', "status = 'running' and claimed_by is null and ready_at is null"],
  ['timers', 'timers_due', 'true'],
  ['retention', 'retention_due', 'due_at is not null'],
] as const

async function allSeen(
  sql: postgres.Sql,
  dialect: Store['dialect'],
  entries: { readonly region: string; table: string; index: string; condition: string },
): Promise<boolean> {
  const { region, table, index, condition } = entries
  const by = dialect === 'cockroachdb' ? `${table}@${index}` : table
  // A workflow's name is its place's region where a table has none.
  const place = table === 'retention' ? 'workflow' : 'region'
  const read = (how: string): Promise<object[]> =>
    sql.unsafe(`select 1 from ${by} where ${place} = $1::text and ${condition} ${how}`, [region])
  return (await read('for update skip locked')).length === (await read('')).length
}

function opened<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('only within a test')
  return value
}

/** One statement in three; of the transactions, one in three at one of its statements. */
function refuseAThird(): Proxy['plan'] {
  const refusal: Fault = { kind: 'refuse', code: '40001' }
  /** By connection: how many statements of its transaction pass before one is refused. */
  const passing = new Map<number, number>()
  return (text, connection) => {
    if (text === 'begin') passing.set(connection, isThird() ? randomInt(STATEMENTS_MAX) : Infinity)
    const left = passing.get(connection)
    if (text === 'commit' || text === 'rollback') passing.delete(connection)
    else if (left !== undefined) passing.set(connection, left - 1)
    if (text === 'rollback') return undefined
    if (left === undefined) return isThird() ? refusal : undefined
    return left === 0 || (text === 'commit' && left < STATEMENTS_MAX) ? refusal : undefined
  }
}

function isThird(): boolean {
  return randomInt(3) === 0
}

/** About as many as the longest transaction of the store has. */
const STATEMENTS_MAX = 8
