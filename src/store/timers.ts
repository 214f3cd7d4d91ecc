// Timers: rows that say "look at this execution at this instant". They are derived from events; taking one only
// rings a doorbell, and what is due is judged by the execution itself.

import { lockableOf, partitionColumns, shareOf } from './claim.js'
import { unionOfRegions } from './ranges.js'
import type { Database } from './tables.js'

type Wanted = readonly { readonly region: string; readonly partition: number }[]

/**
 * Takes due timers and rings their executions. The doorbell carries the instant of the taking, also where it rang
 * before: whoever answers it judges by a time that is not before it. With an older one, a claim that had begun already
 * would find the timer not due yet, and nothing would ring for it again.
 * Indexes: timers_due, one bounded range per partition, a share of `limit` rows each; timers_pkey; executions_pkey.
 * Rows locked and deleted: at most `limit`; rows rung: no more than that.
 */
export async function takeTimers(database: Database, partitions: Wanted, limit: number): Promise<number> {
  const { sql, tables } = database
  const rows = await sql<{ taken: number }[]>`
    with near as ${firstDue(database, partitions, limit)}, due as (
      select t.region, t.partition, t.execution_id, t.version
      from (
        select n.region, n.partition, n.execution_id, n.version, n.due_at from near as n
        order by n.due_at
        limit ${lockableOf(database, limit)}::int8
      ) as n
      join ${tables.by('timers_pkey')} as t
        on t.region = n.region and t.partition = n.partition and t.execution_id = n.execution_id
        and t.version = n.version
      order by n.due_at
      limit ${limit}::int8
      for update of t skip locked
    ), taken as (
      delete from ${tables.by('timers_pkey')} as t using due as d
      where t.region = d.region and t.partition = d.partition and t.execution_id = d.execution_id
        and t.version = d.version
      returning t.region, t.partition, t.execution_id
    ), rung as (
      update ${tables.by('executions_pkey')} as e set ready_at = greatest(coalesce(e.ready_at, now()), now())
      from (
        select distinct region, partition, execution_id from taken order by region, partition, execution_id
      ) as d
      where e.region = d.region and e.partition = d.partition and e.execution_id = d.execution_id
        and e.status in ('queued', 'running', 'waiting', 'blocked')
      returning 1
    )
    select count(*)::int4 as taken from taken`
  return rows[0]?.taken ?? 0
}

/** A share of `limit` of each range, or on CockroachDB, which merges them, the first ones of all. */
function firstDue(database: Database, partitions: Wanted, limit: number) {
  const { sql, tables } = database
  if (tables.dialect === 'cockroachdb') {
    const ranges = unionOfRegions(
      database,
      partitions,
      (wanted) => sql`(
        select t.region, t.partition, t.execution_id, t.version, t.due_at
        from ${tables.by('timers_due')} as t
        where t.region = ${wanted.region}::text and t.partition = any(${wanted.partitions}::int2[])
          and t.due_at <= now()
        order by t.due_at
        limit ${limit}::int8
      )`,
    )
    return sql`(${ranges})`
  }
  const w = partitionColumns(partitions)
  return sql`(
      select d.region, d.partition, d.execution_id, d.version, d.due_at
      from unnest(${w.region}::text[], ${w.partition}::int2[]) as w (region, partition)
      cross join lateral (
        select t.region, t.partition, t.execution_id, t.version, t.due_at
        from ${tables.timers} as t
        where t.region = w.region and t.partition = w.partition and t.due_at <= now()
        order by t.due_at
        limit ${shareOf(limit, partitions.length)}::int8
      ) as d
    )`
}

/** When the next timer of these partitions is due, in ms from now, or null. */
export async function readNextTimer(database: Database, partitions: Wanted): Promise<number | null> {
  const regions = new Set(partitions.map(({ region }) => region))
  const found =
    database.tables.dialect === 'cockroachdb'
      ? await Promise.all(
          [...regions].map((region) =>
            readNextOfRegion(
              database,
              region,
              partitions.filter((wanted) => wanted.region === region),
            ),
          ),
        )
      : [await readNextOfEach(database, partitions)]
  const times = found.filter((nextInMs) => nextInMs !== null)
  return times.length === 0 ? null : Math.max(0, Math.min(...times))
}

interface RawNext {
  readonly next_in_ms: number | null
}

/** For PostgreSQL. Index: timers_due, one row per partition. */
async function readNextOfEach(database: Database, partitions: Wanted): Promise<number | null> {
  const { sql, tables } = database
  const w = partitionColumns(partitions)
  const rows = await sql<RawNext[]>`
    select (extract(epoch from min(d.due_at) - now()) * 1000)::float8 as next_in_ms
    from unnest(${w.region}::text[], ${w.partition}::int2[]) as w (region, partition)
    cross join lateral (
      select t.due_at from ${tables.timers} as t
      where t.region = w.region and t.partition = w.partition
      order by t.due_at
      limit 1
    ) as d`
  return rows[0]?.next_in_ms ?? null
}

/**
 * For CockroachDB, which would sort all timers for the other; of the values of an array it makes a scan each, of one row.
 * Index: timers_due, one row per partition.
 */
async function readNextOfRegion(
  database: Database,
  region: string,
  partitions: Wanted,
): Promise<number | null> {
  const { sql, tables } = database
  const w = partitionColumns(partitions)
  const rows = await sql<RawNext[]>`
    select (extract(epoch from min(t.due_at) - now()) * 1000)::float8 as next_in_ms
    from ${tables.by('timers_due')} as t
    where t.region = ${region}::text and t.partition = any(${w.partition}::int2[])`
  return rows[0]?.next_in_ms ?? null
}
