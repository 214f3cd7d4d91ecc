// Reading rows of `executions`: by key and as lists.

import type { ExecutionKey } from '../core/execution.js'
import { groupByIndex, keyColumns } from './keys.js'
import { decodeExecution, type RawExecution } from './rows.js'
import type { ExecutionRow } from './store.js'
import type { Database } from './tables.js'

/** Rows by key, in the order asked, null where there is none. Index: executions_pkey, one row per key. */
export async function readExecutions(
  database: Database,
  keys: readonly ExecutionKey[],
): Promise<(ExecutionRow | null)[]> {
  if (keys.length === 0) return []
  const { sql, tables } = database
  const k = keyColumns(keys)
  const rows = await sql<(RawExecution & { n: number })[]>`
    select k.n, ${executionColumns(database)}
    from unnest(${k.n}::int4[], ${k.region}::text[], ${k.partition}::int2[], ${k.executionId}::text[])
      as k (n, region, partition, execution_id)
    join ${tables.by('executions_pkey')} as e
      on e.region = k.region and e.partition = k.partition and e.execution_id = k.execution_id`
  return groupByIndex(keys.length, rows, decodeExecution).map((found) => found[0] ?? null)
}

/** The columns of a row as `decodeExecution` reads them, of the table called `e`. */
export function executionColumns({ sql }: Database) {
  return sql`e.region, e.partition, e.execution_id, e.workflow, e.workflow_version, e.status, e.run, e.run_version,
    e.version, e.claimed_by, e.claim_epoch, e.ready_at, e.attempts, e.inbox, e.start_id, e.parent_id, e.attributes,
    e.note, e.started_at, e.closed_at`
}
