// Upkeep: executions that lost their claim and went silent, and rows that nobody needs any more.

import type { ExecutionKey } from '../core/execution.js'
import { plainArray, textArray } from './arrays.js'
import { partitionColumns } from './claim.js'
import { keyColumns, sortedKeys } from './keys.js'
import { type Partitions, unionOfRegions } from './ranges.js'
import type { Database } from './tables.js'

/** Rings these executions if they are running, nobody's and silent. Index: executions_pkey, one row per key. */
export async function ringStranded(database: Database, keys: readonly ExecutionKey[]): Promise<number> {
  if (keys.length === 0) return 0
  const { sql, tables } = database
  const rows = await sql<object[]>`
    with silent as (
      select e.region, e.partition, e.execution_id
      from ${sortedKeys(database, keyColumns(keys))} as k
      join ${tables.by('executions_pkey')} as e
        on e.region = k.region and e.partition = k.partition and e.execution_id = k.execution_id
      where e.status = 'running' and e.claimed_by is null and e.ready_at is null
      order by k.region, k.partition, k.execution_id
      for update of e
    )
    update ${tables.by('executions_pkey')} as e set ready_at = now()
    from silent as s
    where e.region = s.region and e.partition = s.partition and e.execution_id = s.execution_id
    returning 1`
  return rows.length
}

/**
 * Finds such executions and rings them; what others hold is left to the next time. Indexes: executions_stranded, at most
 * `limit` rows per partition; executions_pkey. Rows locked and written: at most `limit`.
 */
export async function sweepStranded(
  database: Database,
  partitions: Partitions,
  limit: number,
): Promise<number> {
  if (partitions.length === 0) return 0
  const { sql, tables } = database
  const rows = await sql<object[]>`
    with silent as (
      select e.region, e.partition, e.execution_id
      from (select d.region, d.partition, d.execution_id from ${stranded(database, partitions, limit)} as d limit ${limit}::int8) as d
      join ${tables.by('executions_pkey')} as e
        on e.region = d.region and e.partition = d.partition and e.execution_id = d.execution_id
      where e.status = 'running' and e.claimed_by is null and e.ready_at is null
      for update of e skip locked
    )
    update ${tables.by('executions_pkey')} as e set ready_at = now()
    from silent as s
    where e.region = s.region and e.partition = s.partition and e.execution_id = s.execution_id
    returning 1`
  return rows.length
}

function stranded(database: Database, partitions: Partitions, limit: number) {
  const { sql, tables } = database
  const condition = sql`e.status = 'running' and e.claimed_by is null and e.ready_at is null`
  if (tables.dialect === 'cockroachdb') {
    const ranges = unionOfRegions(
      database,
      partitions,
      (wanted) => sql`(
        select e.region, e.partition, e.execution_id from ${tables.by('executions_stranded')} as e
        where e.region = ${wanted.region}::text and e.partition = any(${wanted.partitions}::int2[])
          and ${condition}
        limit ${limit}::int8
      )`,
    )
    return sql`(${ranges})`
  }
  const w = partitionColumns(partitions)
  return sql`(
        select f.region, f.partition, f.execution_id
        from unnest(${w.region}::text[], ${w.partition}::int2[]) as w (region, partition)
        cross join lateral (
          select e.region, e.partition, e.execution_id from ${tables.executions} as e
          where e.region = w.region and e.partition = w.partition and ${condition}
          limit ${limit}::int8
        ) as f
      )`
}

/**
 * Deletes messages consumed at least `olderThanMs` ago, at most `limit`. Until then they make a blind retry of their
 * sender recognisable.
 */
export async function sweepConsumed(database: Database, olderThanMs: number, limit: number): Promise<number> {
  const old = await findConsumed(database, olderThanMs, limit)
  if (old.length === 0) return 0
  return deleteConsumed(database, old)
}

interface RawConsumed {
  readonly region: string
  readonly partition: number
  readonly execution_id: string
  readonly message_id: string
}

/** Index: signals_consumed, at most `limit` rows. */
async function findConsumed(
  { sql, tables }: Database,
  olderThanMs: number,
  limit: number,
): Promise<RawConsumed[]> {
  return sql<RawConsumed[]>`
    select s.region, s.partition, s.execution_id, s.message_id
    from ${tables.signals} as s
    where s.consumed_at is not null
      and s.consumed_at <= now() - ${olderThanMs}::float8 * interval '1 millisecond'
    order by s.consumed_at
    limit ${limit}::int8`
}

/**
 * Index: signals_pkey, one row each. By the keys found, because a planner that is asked to find and delete in one takes
 * the bound for a tenth of the table, and reads all of it.
 */
async function deleteConsumed({ sql, tables }: Database, old: readonly RawConsumed[]): Promise<number> {
  const rows = await sql<object[]>`
    delete from ${tables.by('signals_pkey')} as s
    using unnest(
      ${textArray(old.map((row) => row.region))}::text[], ${plainArray(old.map((row) => row.partition))}::int2[],
      ${textArray(old.map((row) => row.execution_id))}::text[], ${textArray(old.map((row) => row.message_id))}::text[]
    ) as o (region, partition, execution_id, message_id)
    where s.region = o.region and s.partition = o.partition and s.execution_id = o.execution_id
      and s.message_id = o.message_id and s.consumed_at is not null
    returning 1`
  return rows.length
}
