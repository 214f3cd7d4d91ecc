// Claims: taking executions whose doorbell rings, and the doorbells that ring on what a node holds already.

import type { ExecutionKey } from '../core/execution.js'
import { textArray, plainArray } from './arrays.js'
import { keyColumns, sortedKeys } from './keys.js'
import { type Home, decodeClaimed, type RawClaimed } from './rows.js'
import { unionOfRegions } from './ranges.js'
import type { Claimed, ClaimRequest, Rung } from './store.js'
import type { Database } from './tables.js'

/**
 * Takes up to `limit` ready executions of these partitions, the oldest first; two nodes never get the same one.
 * `token` marks what this call took, so that it can be found again when its answer is lost.
 * First the candidates are read, then they are locked one after the other until there are enough: a claim locks what
 * it takes, and another one finds the rest at the same moment.
 * Indexes: executions_ready, one bounded range per partition, a share of `limit` rows each; executions_pkey. Rows
 * locked and written: `limit`.
 */
export async function claimReady(
  database: Database,
  request: ClaimRequest & { readonly token: number },
  home: Home,
): Promise<Claimed[]> {
  const { sql } = database
  const rows = await sql<RawClaimed[]>`
    with near as ${longestRinging(database, request)}, ${taken(database, request, sql`n.ready_at`)}`
  return rows.map((row) => decodeClaimed(row, home))
}

/** On CockroachDB up to `limit` rows of each range: it merges them, and the first ones of all are as good as a share of each. */
function longestRinging(database: Database, { since, lateMs, workflows, partitions, limit }: ClaimRequest) {
  const { sql, tables } = database
  const condition = sql`e.ready_at >= ${since?.toISOString() ?? '-infinity'}::timestamptz
    and e.ready_at <= now() - ${lateMs ?? 0}::float8 * interval '1 millisecond'
    and e.ready_at is not null and e.claimed_by is null
    and e.status in ('queued', 'running', 'waiting', 'blocked')
    and e.workflow = any(${textArray(workflows)}::text[])`
  if (tables.dialect === 'cockroachdb') {
    const ranges = unionOfRegions(
      database,
      partitions,
      (wanted) => sql`(
        select e.region, e.partition, e.execution_id, e.ready_at
        from ${tables.by('executions_ready')} as e
        where e.region = ${wanted.region}::text and e.partition = any(${wanted.partitions}::int2[])
          and ${condition}
        order by e.ready_at
        limit ${limit}::int8
      )`,
    )
    return sql`(${ranges})`
  }
  const w = partitionColumns(partitions)
  return sql`(
      select d.region, d.partition, d.execution_id, d.ready_at
      from unnest(${w.region}::text[], ${w.partition}::int2[]) as w (region, partition)
      cross join lateral (
        select e.region, e.partition, e.execution_id, e.ready_at
        from ${tables.executions} as e
        where e.region = w.region and e.partition = w.partition and ${condition}
        order by e.ready_at
        limit ${shareOf(limit, partitions.length)}::int8
      ) as d
    )`
}

/** The rest of a claim: of the candidates in `near` the first ones in this order that nobody else holds. */
export function taken(
  database: Database,
  request: ClaimRequest & { readonly token: number },
  order: ReturnType<typeof claimedColumns>,
) {
  const { sql, tables } = database
  return sql`due as (
      select e.region, e.partition, e.execution_id, e.ready_at
      from (
        select n.* from near as n
        order by ${order}
        limit ${lockableOf(database, request.limit)}::int8
      ) as n
      join ${tables.by('executions_pkey')} as e
        on e.region = n.region and e.partition = n.partition and e.execution_id = n.execution_id
      where e.ready_at is not null and e.claimed_by is null and e.status in ('queued', 'running', 'waiting', 'blocked')
      order by ${order}
      limit ${request.limit}::int8
      for update of e skip locked
    )
    update ${tables.by('executions_pkey')} as e set
      claimed_by = ${request.nodeId}::text, claim_epoch = e.claim_epoch + 1, claim_token = ${request.token}::int4,
      ready_at = null, status = 'running'
    from due as d
    where e.region = d.region and e.partition = d.partition and e.execution_id = d.execution_id
    returning ${claimedColumns(database)}, d.ready_at as rung_at`
}

/**
 * How many candidates to read of each partition: several times its even share, because the partitions are never
 * quite even, and not `limit` of each, because a long queue would be read over and over.
 */
export function shareOf(limit: number, partitions: number): number {
  return Math.min(limit, Math.max(SHARE_MIN, Math.ceil((SHARES * limit) / Math.max(1, partitions))))
}

/**
 * How many candidates to go through for `limit` locks: PostgreSQL takes locks until there are enough. CockroachDB may
 * first lock all candidates and then choose, so it gets no more of them than may be locked; what others hold of these
 * is missing, and the next call gets the rest.
 */
export function lockableOf({ tables }: Database, limit: number): number | null {
  return tables.dialect === 'cockroachdb' ? limit : null
}

const SHARES = 4
const SHARE_MIN = 20

/** What a node took with these tokens. Index: executions_claimed, the rows that the node holds. */
export async function readByToken(
  database: Database,
  wanted: { readonly nodeId: string; readonly tokens: readonly number[] },
  home: Home,
): Promise<Claimed[]> {
  const { sql, tables } = database
  const rows = await sql<RawClaimed[]>`
    select ${claimedColumns(database)}
    from ${tables.by('executions_claimed')} as e
    where e.claimed_by = ${wanted.nodeId}::text and e.claim_token = any(${plainArray(wanted.tokens)}::int4[])`
  return rows.map((row) => decodeClaimed(row, home))
}

export function claimedColumns({ sql }: Database) {
  return sql`e.region, e.partition, e.execution_id, e.workflow, e.workflow_version, e.run, e.run_version, e.version,
    e.claim_epoch, e.inbox, e.attempts, e.parent_id, e.parent_seq, e.parent_run, now() as at`
}

interface RawRung {
  readonly region: string
  readonly partition: number
  readonly execution_id: string
  readonly claim_epoch: number
  readonly inbox: number
  readonly at: Date
}

/** What the node holds by the database's word. Index: executions_claimed, at most `limit` rows. Writes nothing. */
export async function findHeld(
  database: Database,
  nodeId: string,
  limit: number,
): Promise<{ readonly key: ExecutionKey; readonly claimEpoch: number }[]> {
  const { sql, tables } = database
  const rows = await sql<Pick<RawRung, 'region' | 'partition' | 'execution_id' | 'claim_epoch'>[]>`
    select e.region, e.partition, e.execution_id, e.claim_epoch
    from ${tables.by('executions_claimed')} as e
    where e.claimed_by = ${nodeId}::text
    limit ${limit}::int8`
  return rows.map((row) => ({
    key: { region: row.region, partition: row.partition, executionId: row.execution_id },
    claimEpoch: row.claim_epoch,
  }))
}

/** What the node holds and whose doorbell rings. Index: executions_claimed, at most `limit` rows. Writes nothing. */
export async function findRung(database: Database, nodeId: string, limit: number): Promise<Rung[]> {
  const { sql, tables } = database
  const rows = await sql<RawRung[]>`
    select e.region, e.partition, e.execution_id, e.claim_epoch, e.inbox, now() as at
    from ${tables.by('executions_claimed')} as e
    where e.claimed_by = ${nodeId}::text and e.ready_at is not null
    order by e.ready_at
    limit ${limit}::int8`
  return rows.map(decodeRung)
}

/**
 * Clears the doorbells found, and returns them as they are now: whatever rang since the finding is seen by this,
 * or rings again after it. `at` is not before the doorbell: a timer may have rung it while this waited for a lock.
 * Index: executions_pkey, the rows found.
 */
export async function clearRung(database: Database, nodeId: string, found: readonly Rung[]): Promise<Rung[]> {
  const { sql, tables } = database
  const k = keyColumns(found.map((rung) => rung.key))
  const rows = await sql<RawRung[]>`
    with rung as (
      select e.region, e.partition, e.execution_id, e.ready_at
      from ${sortedKeys(database, k)} as k
      join ${tables.by('executions_pkey')} as e
        on e.region = k.region and e.partition = k.partition and e.execution_id = k.execution_id
      where e.claimed_by = ${nodeId}::text and e.ready_at is not null
      order by k.region, k.partition, k.execution_id
      for update of e
    )
    update ${tables.by('executions_pkey')} as e set ready_at = null
    from rung as r
    where e.region = r.region and e.partition = r.partition and e.execution_id = r.execution_id
      and e.claimed_by = ${nodeId}::text
    returning e.region, e.partition, e.execution_id, e.claim_epoch, e.inbox, greatest(r.ready_at, now()) as at`
  return rows.map(decodeRung)
}

/**
 * The same rows without touching them, rung or not: for when it is unknown whether they have been cleared. Index:
 * executions_pkey or executions_claimed, the rows found or those that the node holds.
 */
export async function readHeld(database: Database, nodeId: string, found: readonly Rung[]): Promise<Rung[]> {
  const { sql, tables } = database
  const k = keyColumns(found.map((rung) => rung.key))
  const rows = await sql<RawRung[]>`
    select e.region, e.partition, e.execution_id, e.claim_epoch, e.inbox, now() as at
    from unnest(${k.region}::text[], ${k.partition}::int2[], ${k.executionId}::text[])
      as k (region, partition, execution_id)
    join ${tables.by('executions_pkey')} as e
      on e.region = k.region and e.partition = k.partition and e.execution_id = k.execution_id
    where e.claimed_by = ${nodeId}::text`
  return rows.map(decodeRung)
}

function decodeRung(raw: RawRung): Rung {
  return {
    key: { region: raw.region, partition: raw.partition, executionId: raw.execution_id },
    claimEpoch: raw.claim_epoch,
    inbox: raw.inbox,
    at: raw.at,
  }
}

export function partitionColumns(
  partitions: readonly { readonly region: string; readonly partition: number }[],
) {
  return {
    region: textArray(partitions.map((wanted) => wanted.region)),
    partition: plainArray(partitions.map((wanted) => wanted.partition)),
  }
}
