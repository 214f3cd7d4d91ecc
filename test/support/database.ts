// A schema of its own for a test file, in the database of the run, on PostgreSQL as on CockroachDB.
// One per file (in beforeAll): the DDL takes CockroachDB seconds. `drop` closes what was opened through it,
// and nothing of it may stay behind.

import { randomBytes } from 'node:crypto'
import type postgres from 'postgres'
import { inject } from 'vitest'
import { migrate } from '../../src/store/migrate.js'
import { reportingSchema } from '../../src/store/tables.js'
import { openStore } from '../../src/store/open.js'
import type { OpenStoreOptions, Store } from '../../src/store/store.js'
import { connect } from './connect.js'

export interface TestDatabase {
  readonly url: string
  readonly schema: string
  /** A store on this schema, closed by `drop`. */
  openStore(options?: Partial<OpenStoreOptions>): Promise<Store>
  /** A plain client with this schema first in its search path, ended by `drop`. */
  connect(options?: postgres.Options<Record<string, never>>): postgres.Sql
  drop(): Promise<void>
}

/**
 * @example
 * let database: TestDatabase
 * beforeAll(async () => { database = await createTestDatabase() })
 * afterAll(() => database.drop())
 */
export async function createTestDatabase(options: { readonly url?: string } = {}): Promise<TestDatabase> {
  const url = options.url ?? databaseUrl()
  const schema = `t_${randomBytes(6).toString('hex')}`
  await migrate({ url, schema })
  const stores = new Set<Store>()
  const clients = new Set<postgres.Sql>()
  return {
    url,
    schema,
    async openStore(overrides = {}) {
      const store = await openStore({ url, schema, ...overrides })
      stores.add(store)
      return store
    },
    connect(overrides = {}) {
      const sql = connect(url, { ...overrides, connection: { search_path: schema, ...overrides.connection } })
      clients.add(sql)
      return sql
    },
    async drop() {
      await Promise.all([...stores].map((store) => store.close()))
      await Promise.all([...clients].map((sql) => sql.end({ timeout: 5 })))
      const sql = connect(url, { max: 1 })
      try {
        for (const name of [reportingSchema(schema), schema])
          await sql`drop schema if exists ${sql(name)} cascade`
      } finally {
        await sql.end({ timeout: 5 })
      }
    },
  }
}

/** The database of this test run. */
export function databaseUrl(): string {
  return inject('databaseUrl')
}
