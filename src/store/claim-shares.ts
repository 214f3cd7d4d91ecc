// A claim when there is more than can be taken: by priority, and within one by turns between the workflows, so that
// a flood of one workflow delays a ready execution of another by no more than the batch before it.

import { partitionColumns, shareOf, taken } from './claim.js'
import { textArray } from './arrays.js'
import { decodeClaimed, type Home, type RawClaimed } from './rows.js'
import type { Claimed, ClaimRequest } from './store.js'
import type { Database } from './tables.js'

/** Ranges of the index that one claim reads; of more, another part each time. */
const RANGES_MAX = 640
const SHARE_MIN = 2

/**
 * As `claimReady`, in another order: the most urgent first; among the equally urgent the oldest of each workflow, then
 * the second oldest of each.
 * Indexes: executions_shared, one bounded range per partition and workflow; executions_pkey. Rows locked and written:
 * `limit`.
 */
export async function claimShares(
  database: Database,
  request: ClaimRequest & { readonly token: number },
  home: Home,
): Promise<Claimed[]> {
  const { sql, tables } = database
  const partitions = partOf(request)
  const w = partitionColumns(partitions)
  const rows = await sql<RawClaimed[]>`
    with near as (
      select d.region, d.partition, d.execution_id, d.ready_at, d.priority,
        row_number() over (partition by d.priority, d.workflow order by d.ready_at) as turn
      from unnest(${w.region}::text[], ${w.partition}::int2[]) as w (region, partition)
      cross join unnest(${textArray(request.workflows)}::text[]) as f (workflow)
      cross join lateral (
        select e.region, e.partition, e.execution_id, e.ready_at, e.workflow, e.priority
        from ${tables.by('executions_shared')} as e
        where e.region = w.region and e.partition = w.partition and e.workflow = f.workflow
          and e.ready_at <= now() - ${request.lateMs ?? 0}::float8 * interval '1 millisecond'
          and e.ready_at is not null and e.claimed_by is null
          and e.status in ('queued', 'running', 'waiting', 'blocked')
        order by e.priority, e.ready_at
        limit ${shareEach(request, partitions.length)}::int8
      ) as d
    ), ${taken(database, request, sql`n.priority, n.turn, n.ready_at`)}`
  return rows.map((row) => decodeClaimed(row, home))
}

/** All, or as many as the bound allows, beginning where the token says: it is drawn anew by each claim. */
function partOf({ partitions, workflows, token }: ClaimRequest & { readonly token: number }) {
  const most = Math.max(1, Math.floor(RANGES_MAX / Math.max(1, workflows.length)))
  if (partitions.length <= most) return partitions
  const from = token % partitions.length
  return [...partitions.slice(from), ...partitions.slice(0, from)].slice(0, most)
}

/** As much as of a partition alone when there is one workflow, and so much of each that all together stay bounded. */
function shareEach({ limit, workflows }: ClaimRequest, partitions: number): number {
  const share = shareOf(limit, partitions)
  return Math.min(limit, Math.max(SHARE_MIN, Math.ceil((2 * share) / Math.max(1, workflows.length))))
}
