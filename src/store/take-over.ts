// The claims of nodes that are no more: an heir takes what it can go on with, straight from the dead, and the rest is handed
// back with its doorbell ringing. One statement for both, so that each row is written once between its node's death
// and the next event, and whoever takes over may die half-way: the next one carries on.

import { textArray } from './arrays.js'
import { claimedColumns } from './claim.js'
import { decodeClaimed, type Home, type RawClaimed } from './rows.js'
import type { Claimed } from './store.js'
import type { Database } from './tables.js'

export interface Estate {
  /** Only what has no lease (any more) is touched. */
  readonly nodeIds: readonly string[]
  /** Undefined: the node left in good order, and nothing is counted. */
  readonly crashesMax: number | undefined
  /** Who goes on with what runs these workflows; null: everything is handed back. */
  readonly heir: {
    readonly nodeId: string
    readonly workflows: readonly string[]
    readonly token: number
  } | null
  readonly limit: number
}

export interface Settled {
  readonly claimed: readonly Claimed[]
  /** Where doorbells ring now. */
  readonly rung: ReadonlySet<number>
  /** Claims of the dead that are no more, whatever became of them. */
  readonly ended: number
}

/**
 * Ends up to `limit` claims of nodes without a lease. If they died, each execution that has not grown since its last
 * crash is counted one more: from the second on it is taken by nobody but waits, twice as long each time, and at
 * `crashesMax` it becomes a dead letter. The lease is looked at again in the statement, so that a node that came back in
 * between keeps what it holds; several that take over at once get each to one.
 * Indexes: executions_claimed; leases_pkey; events_pkey, what is newer than the row of each. Rows written: at most `limit`.
 */
export async function takeOver(database: Database, estate: Estate, home: Home): Promise<Settled> {
  const { sql, tables } = database
  const { heir } = estate
  const crashesMax = estate.crashesMax ?? null
  const deadNote =
    `Its node died ${String(crashesMax)} times in a row while it was at work, without any progress in between. ` +
    'Look for what ends or blocks the process, then retry it.'
  const rows = await sql<(RawClaimed & { readonly taken: boolean; readonly status: string })[]>`
    with held as (
      select e.region, e.partition, e.execution_id, e.claimed_by, e.claim_epoch, e.attempts, e.version, e.workflow
      from ${tables.by('executions_claimed')} as e
      where e.claimed_by = any(${textArray(estate.nodeIds)}::text[])
        and not exists (select 1 from ${tables.leases} as l where l.node_id = e.claimed_by)
      limit ${estate.limit}::int8
      for update of e skip locked
    ), grown as (
      select h.region, h.partition, h.execution_id, h.claimed_by, h.claim_epoch, h.attempts, h.version, h.workflow, (
        select max(v.version) from ${tables.by('events_pkey')} as v
        where v.region = h.region and v.partition = h.partition and v.execution_id = h.execution_id
          and v.version > h.version
      ) as last_version
      from held as h
    ), counted as (
      select h.region, h.partition, h.execution_id, h.claimed_by, h.claim_epoch, h.workflow,
        coalesce(h.last_version, h.version) as version,
        case
          when ${crashesMax}::int4 is null then h.attempts::int4
          when h.last_version > h.version then 1
          else least(h.attempts + 1, 1000)
        end as crashes
      from grown as h
    ), judged as (
      select c.region, c.partition, c.execution_id, c.claimed_by, c.claim_epoch, c.version, c.crashes,
        c.crashes < ${SUSPECT}::int4 and c.crashes < ${crashesMax}::int4
          and c.workflow = any(${textArray(heir?.workflows ?? [])}::text[]) as taken
      from counted as c
    )
    update ${tables.by('executions_pkey')} as e set
      claimed_by = case when h.taken then ${heir?.nodeId ?? null}::text end,
      claim_epoch = case when h.taken then e.claim_epoch + 1 else e.claim_epoch end,
      claim_token = case when h.taken then ${heir?.token ?? null}::int4 else e.claim_token end,
      version = h.version, attempts = h.crashes::int2,
      status = case when h.crashes >= ${crashesMax}::int4 then 'dead' else e.status end,
      note = case when h.crashes >= ${crashesMax}::int4 then ${deadNote}::text else e.note end,
      ready_at = case
        when h.taken or h.crashes >= ${crashesMax}::int4 then null
        -- Not the instant at which this began: a timer that rang since must be due for whoever answers.
        when ${crashesMax}::int4 is null or h.crashes < ${SUSPECT}::int4 then clock_timestamp()
        else clock_timestamp()
          + least(
            ${CRASH_WAIT_MS}::float8 * power(2::float8, (h.crashes - ${SUSPECT}::int4)::float8),
            ${CRASH_WAIT_MAX_MS}::float8
          ) * interval '1 millisecond'
      end
    from (
      select j.region, j.partition, j.execution_id, j.claimed_by, j.claim_epoch, j.version, j.crashes,
        coalesce(j.taken, false) as taken
      from judged as j order by j.region, j.partition, j.execution_id
    ) as h
    where e.region = h.region and e.partition = h.partition and e.execution_id = h.execution_id
      -- Not as an index would like it: that one would read all that is left of the estate for every batch.
      and (e.claimed_by = h.claimed_by) is true and e.claim_epoch = h.claim_epoch
    returning ${claimedColumns(database)}, h.taken, e.status`
  const claimed = rows.filter(({ taken }) => taken).map((row) => decodeClaimed(row, home))
  const rung = rows.filter(({ taken, status }) => !taken && status !== 'dead').map((row) => row.partition)
  return { claimed, rung: new Set(rung), ended: rows.length }
}

/** One crash is bad luck; what was there at two is not taken, but rings, and is claimed with care. */
const SUSPECT = 2
/** The first wait of what may have killed its node, and the longest. */
const CRASH_WAIT_MS = 100
const CRASH_WAIT_MAX_MS = 10_000
