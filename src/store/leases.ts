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

/** Which of these nodes have leases. Index: leases_pkey. */
export async function findLeased({ sql, tables }: Database, nodeIds: readonly string[]): Promise<string[]> {
  const rows = await sql<{ node_id: string }[]>`
    select l.node_id from ${tables.leases} as l
    where l.node_id = any(${textArray(nodeIds)}::text[])
    order by l.node_id`
  return rows.map((row) => row.node_id)
}

/** Deletes these leases. Index: leases_pkey. */
export async function deleteLeases({ sql, tables }: Database, nodeIds: readonly string[]): Promise<void> {
  await sql`delete from ${tables.leases} where node_id = any(${textArray(nodeIds)}::text[])`
}

/**
 * Which leases count as run out: at least `graceMs` before `seenAt`, or before now. What was decided upon a reading must
 * not be carried out on what has run out since: the statement may have waited, with the renewals of all, for a database
 * that was away.
 */
export interface Over {
  readonly graceMs: number
  readonly seenAt: Date | undefined
}

/** Nodes whose leases have run out. Reads one row per node process. */
export async function findExpired({ sql, tables }: Database, over: Over): Promise<string[]> {
  const rows = await sql<{ node_id: string }[]>`
    select l.node_id from ${tables.leases} as l
    where l.expires_at <= ${overAt({ sql }, over)}
    order by l.node_id`
  return rows.map((row) => row.node_id)
}

/** Deletes those of these leases that have not been renewed; returns which are still there. Index: leases_pkey. */
export async function deleteExpired(
  { sql, tables }: Database,
  expired: Over & { readonly nodeIds: readonly string[] },
): Promise<Set<string>> {
  const nodeIds = textArray(expired.nodeIds)
  await sql`
    delete from ${tables.leases}
    where node_id = any(${nodeIds}::text[])
      and expires_at <= ${overAt({ sql }, expired)}`
  const rows = await sql<{ node_id: string }[]>`
    select l.node_id from ${tables.leases} as l where l.node_id = any(${nodeIds}::text[])`
  return new Set(rows.map((row) => row.node_id))
}

function overAt({ sql }: Pick<Database, 'sql'>, { graceMs, seenAt }: Over) {
  return sql`coalesce(${seenAt?.toISOString() ?? null}::timestamptz, now())
    - ${graceMs}::float8 * interval '1 millisecond'`
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
