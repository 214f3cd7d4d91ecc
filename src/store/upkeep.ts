// Upkeep: executions that lost their claim and went silent, and rows that nobody needs any more.

import type { ExecutionKey } from '../core/execution.js'
import { partitionColumns } from './claim.js'
import { keyColumns, sortedKeys } from './keys.js'
import type { Database } from './tables.js'

/** Rings these executions if they are running, nobody's and silent. Index: executions_pkey, one row per key. */
export async function ringStranded(database: Database, keys: readonly ExecutionKey[]): Promise<number> {
  if (keys.length === 0) return 0
  const { sql, tables } = database
  const rows = await sql<object[]>`
    update ${tables.executions} as e set ready_at = now()
    from ${sortedKeys(database, keyColumns(keys))} as k
    where e.region = k.region and e.partition = k.partition and e.execution_id = k.execution_id
      and e.status = 'running' and e.claimed_by is null and e.ready_at is null
    returning 1`
  return rows.length
}

/** Finds such executions and rings them. Index: executions_stranded, at most `limit` rows per partition. */
export async function sweepStranded(
  { sql, tables }: Database,
  partitions: readonly { readonly region: string; readonly partition: number }[],
  limit: number,
): Promise<number> {
  const w = partitionColumns(partitions)
  const rows = await sql<object[]>`
    with silent as (
      select d.region, d.partition, d.execution_id
      from unnest(${w.region}::text[], ${w.partition}::int2[]) as w (region, partition)
      cross join lateral (
        select e.region, e.partition, e.execution_id
        from ${tables.executions} as e
        where e.region = w.region and e.partition = w.partition
          and e.status = 'running' and e.claimed_by is null and e.ready_at is null
        limit ${limit}::int8
      ) as d
      limit ${limit}::int8
    )
    update ${tables.executions} as e set ready_at = now()
    from (select region, partition, execution_id from silent order by region, partition, execution_id) as s
    where e.region = s.region and e.partition = s.partition and e.execution_id = s.execution_id
      and e.status = 'running' and e.claimed_by is null and e.ready_at is null
    returning 1`
  return rows.length
}

/**
 * Deletes messages consumed at least `olderThanMs` ago. Until then they make a blind retry of their sender
 * recognisable. Index: signals_consumed. Rows deleted: at most `limit`.
 */
export async function deleteConsumed(
  { sql, tables }: Database,
  olderThanMs: number,
  limit: number,
): Promise<number> {
  const rows = await sql<object[]>`
    with old as (
      select s.region, s.partition, s.execution_id, s.message_id
      from ${tables.signals} as s
      where s.consumed_at is not null
        and s.consumed_at <= now() - ${olderThanMs}::float8 * interval '1 millisecond'
      order by s.consumed_at
      limit ${limit}::int8
    )
    delete from ${tables.signals} as s using old as o
    where s.region = o.region and s.partition = o.partition and s.execution_id = o.execution_id
      and s.message_id = o.message_id
    returning 1`
  return rows.length
}
