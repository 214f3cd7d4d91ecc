// Leases: which node processes are alive, by the database's clock. Few rows; correctness never rests on them.

import { textArray } from './arrays.js'
import { decodeLease, type RawLease } from './rows.js'
import type { Cluster, NodeReport } from './store.js'
import type { Database } from './tables.js'

export interface NewLease {
  readonly nodeId: string
  readonly region: string
  readonly address: string | null
  readonly release: string
  readonly capacity: number
  readonly workflows: readonly string[]
  readonly report: NodeReport
  readonly leaseMs: number
}

/** A node joins. Repeating it after a lost answer renews what is there. One row, by leases_pkey. */
export async function insertLease({ sql, tables }: Database, lease: NewLease): Promise<void> {
  await sql`
    insert into ${tables.leases} (node_id, region, address, release, capacity, workflows, load, expires_at)
    values (
      ${lease.nodeId}::text, ${lease.region}::text, ${lease.address}::text, ${lease.release}::text,
      ${lease.capacity}::int4, ${JSON.stringify(lease.workflows)}::text, ${JSON.stringify(lease.report)}::text,
      now() + ${lease.leaseMs}::float8 * interval '1 millisecond'
    )
    on conflict (node_id) do update set
      region = excluded.region, address = excluded.address, release = excluded.release,
      capacity = excluded.capacity, workflows = excluded.workflows, load = excluded.load, renewed_at = now(),
      expires_at = excluded.expires_at`
}

/**
 * Renews a lease that is there, also one that ran out but that nobody has reaped: as long as the row stands, nobody
 * took anything from the node. A database that stalled for all would else kill all. One row, by leases_pkey.
 */
export async function renewLease(
  { sql, tables }: Database,
  lease: {
    readonly nodeId: string
    readonly leaseMs: number
    readonly report: NodeReport
  },
): Promise<boolean> {
  const rows = await sql<object[]>`
    update ${tables.leases} set
      expires_at = now() + ${lease.leaseMs}::float8 * interval '1 millisecond', renewed_at = now(),
      load = ${JSON.stringify(lease.report)}::text
    where node_id = ${lease.nodeId}::text
    returning node_id`
  return rows.length > 0
}

interface RawClusterLease extends RawLease {
  readonly at: Date
  readonly partitions_epoch: string
}

/**
 * All leases, alive or run out, and a number that changes with every change of a partition's owner, so that nobody needs
 * to read the partitions to see that nothing moved. A statement of its own: together with a renewal it would be a
 * transaction that reads what all others write. One row per node process; reads all partitions.
 */
export async function readCluster({ sql, tables }: Database): Promise<Cluster> {
  const rows = await sql<RawClusterLease[]>`
    select l.node_id, l.region, l.address, l.release, l.capacity, l.load, l.workflows, l.started_at,
      l.renewed_at, l.expires_at,
      l.expires_at <= now() as expired, now() as at,
      (select coalesce(sum(p.epoch), 0)::text from ${tables.partitions} as p) as partitions_epoch
    from ${tables.leases} as l
    order by l.node_id`
  return {
    leases: rows.map(decodeLease),
    at: rows[0]?.at ?? null,
    partitionsEpoch: rows[0]?.partitions_epoch ?? null,
  }
}

/** Deletes one lease. One row, by leases_pkey. */
export async function deleteLease({ sql, tables }: Database, nodeId: string): Promise<void> {
  await sql`delete from ${tables.leases} where node_id = ${nodeId}::text`
}

/** Nodes whose leases ran out at least `graceMs` ago. Reads one row per node process. */
export async function findExpired({ sql, tables }: Database, graceMs: number): Promise<string[]> {
  const rows = await sql<{ node_id: string }[]>`
    select l.node_id from ${tables.leases} as l
    where l.expires_at <= now() - ${graceMs}::float8 * interval '1 millisecond'
    order by l.node_id`
  return rows.map((row) => row.node_id)
}

/** Deletes those of these leases that have not been renewed; returns which are still there. Index: leases_pkey. */
export async function deleteExpired(
  { sql, tables }: Database,
  expired: { readonly nodeIds: readonly string[]; readonly graceMs: number },
): Promise<Set<string>> {
  const nodeIds = textArray(expired.nodeIds)
  await sql`
    delete from ${tables.leases}
    where node_id = any(${nodeIds}::text[])
      and expires_at <= now() - ${expired.graceMs}::float8 * interval '1 millisecond'`
  const rows = await sql<{ node_id: string }[]>`
    select l.node_id from ${tables.leases} as l where l.node_id = any(${nodeIds}::text[])`
  return new Set(rows.map((row) => row.node_id))
}

/**
 * Nodes that hold claims but have no lease. Index: executions_claimed, walked from one node id to the next, so
 * that it reads a few entries per node however much each holds; at most `limit` nodes.
 */
export async function findOrphaned({ sql, tables }: Database, limit: number): Promise<string[]> {
  const rows = await sql<{ node_id: string }[]>`
    with recursive holders (node_id, n) as (
      select (
        select e.claimed_by from ${tables.executions} as e
        where e.claimed_by is not null order by e.claimed_by limit 1
      ), 1
      union all
      select (
        select e.claimed_by from ${tables.executions} as e
        where e.claimed_by is not null and e.claimed_by > h.node_id order by e.claimed_by limit 1
      ), h.n + 1
      from holders as h where h.node_id is not null and h.n < ${limit}::int4
    )
    select h.node_id from holders as h
    where h.node_id is not null
      and not exists (select 1 from ${tables.leases} as l where l.node_id = h.node_id)`
  return rows.map((row) => row.node_id)
}

/**
 * Takes up to `limit` claims from a node that has no lease (any more) and rings their doorbells. `crashesMax` undefined:
 * the node left in good order. Else it died, and each execution that has not grown since its last crash is counted one
 * more: from the second on it waits, twice as long each time, and at `crashesMax` it becomes a dead letter. The lease is
 * looked at again in the statement, so that a node that came back in between keeps what it holds.
 * Returns the partition of each. Indexes: executions_claimed; events_pkey, the last row of each. Rows written: at most
 * `limit`.
 */
export async function handBack(
  { sql, tables }: Database,
  options: { readonly nodeId: string; readonly crashesMax: number | undefined; readonly limit: number },
): Promise<number[]> {
  const crashesMax = options.crashesMax ?? null
  const deadNote =
    `Its node died ${String(crashesMax)} times in a row while it was at work, without any progress in between. ` +
    'Look for what ends or blocks the process, then retry it.'
  const rows = await sql<{ partition: number }[]>`
    with held as (
      select e.region, e.partition, e.execution_id, e.claim_epoch, e.attempts, e.version, (
        select v.version from ${tables.events} as v
        where v.region = e.region and v.partition = e.partition and v.execution_id = e.execution_id
        order by v.version desc limit 1
      ) as last_version
      from ${tables.executions} as e
      where e.claimed_by = ${options.nodeId}::text
        and not exists (select 1 from ${tables.leases} as l where l.node_id = ${options.nodeId}::text)
      limit ${options.limit}::int8
      for update of e skip locked
    ), counted as (
      select h.region, h.partition, h.execution_id, h.claim_epoch, coalesce(h.last_version, h.version) as version,
        case
          when ${crashesMax}::int4 is null then h.attempts::int4
          when h.last_version > h.version then 1
          else least(h.attempts + 1, 1000)
        end as crashes
      from held as h
    )
    update ${tables.executions} as e set
      claimed_by = null, version = h.version, attempts = h.crashes::int2,
      status = case when h.crashes >= ${crashesMax}::int4 then 'dead' else e.status end,
      note = case when h.crashes >= ${crashesMax}::int4 then ${deadNote}::text else e.note end,
      ready_at = case
        when h.crashes >= ${crashesMax}::int4 then null
        -- Not the instant at which this began: a timer that rang since must be due for whoever answers.
        when ${crashesMax}::int4 is null or h.crashes < 2 then clock_timestamp()
        else clock_timestamp() + least(${CRASH_WAIT_MS}::float8 * power(2::float8, (h.crashes - 2)::float8), ${CRASH_WAIT_MAX_MS}::float8)
          * interval '1 millisecond'
      end
    from (select c.region, c.partition, c.execution_id, c.claim_epoch, c.version, c.crashes
      from counted as c order by c.region, c.partition, c.execution_id
    ) as h
    where e.region = h.region and e.partition = h.partition and e.execution_id = h.execution_id
      and e.claimed_by = ${options.nodeId}::text and e.claim_epoch = h.claim_epoch
    returning e.partition`
  return rows.map((row) => row.partition)
}

/** The first wait of what may have killed its node, and the longest. */
const CRASH_WAIT_MS = 100
const CRASH_WAIT_MAX_MS = 10_000
