// How much a schema takes up on disk, indexes included. For benchmarks and planning, not for a running engine.

import { detectDialect } from './dialect.js'
import { asStoreError } from './failures.js'
import { createPool } from './pool.js'

/** Null on CockroachDB, which keeps rows of all schemas in ranges that it compresses and drops when it likes. */
export async function readSchemaBytes(place: {
  readonly url: string
  readonly schema: string
}): Promise<number | null> {
  const { url, schema } = place
  const name = 'cerebelum sizes'
  const pool = createPool({ url, connections: 1, statementTimeoutMs: TIMEOUT_MS, settings: false, name })
  try {
    if ((await detectDialect(pool)) === 'cockroachdb') return null
    const [row] = await pool<{ bytes: number }[]>`
      select coalesce(sum(pg_total_relation_size(c.oid)), 0)::float8 as bytes
      from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
      where n.nspname = ${schema}::text and c.relkind in ('r', 'm')`
    return row?.bytes ?? null
  } catch (error) {
    throw asStoreError(error, { call: 'readSchemaBytes', doubtful: false })
  } finally {
    await pool.end({ timeout: CLOSE_SECONDS })
  }
}

const TIMEOUT_MS = 60_000
const CLOSE_SECONDS = 5
