// A claim when there is more than can be taken: by priority, and within one by turns between the workflows, so that
// a flood of one workflow delays a ready execution of another by no more than the batch before it.

import { partitionColumns, shareOf, taken } from './claim.js'
import { textArray } from './arrays.js'
import { unionAll, unionOfRegions } from './ranges.js'
import { decodeClaimed, type Home, type RawClaimed } from './rows.js'
import type { Claimed, ClaimRequest } from './store.js'
import type { Database } from './tables.js'

/** Ranges of the index that one claim reads; of more, another part each time. */
const RANGES_MAX = 640
/** CockroachDB plans each range anew at every claim: 64 of them in 30 ms. */
const PLANNED_RANGES_MAX = 128
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
  const { sql } = database
  const rows = await sql<RawClaimed[]>`
    with near as (
      select d.region, d.partition, d.execution_id, d.ready_at, d.priority,
        row_number() over (partition by d.priority, d.workflow order by d.ready_at) as turn
      from ${firstOfEach(database, request)} as d
    ), ${taken(database, request, sql`n.priority, n.turn, n.ready_at`)}`
  return rows.map((row) => decodeClaimed(row, home))
}

/** Of CockroachDB a workflow is asked for all its partitions together, and by itself, so that each gets its turns. */
function firstOfEach(database: Database, request: ClaimRequest & { readonly token: number }) {
  const { sql, tables } = database
  const condition = sql`e.ready_at <= now() - ${request.lateMs ?? 0}::float8 * interval '1 millisecond'
    and e.ready_at is not null and e.claimed_by is null
    and e.status in ('queued', 'running', 'waiting', 'blocked')`
  const columns = sql`e.region, e.partition, e.execution_id, e.ready_at, e.workflow, e.priority`
  if (tables.dialect === 'cockroachdb') {
    const partitions = partOf(request, PLANNED_RANGES_MAX)
    const ranges = request.workflows.map((workflow) =>
      unionOfRegions(
        database,
        partitions,
        (wanted) => sql`(
          select ${columns} from ${tables.by('executions_shared')} as e
          where e.region = ${wanted.region}::text and e.partition = any(${wanted.partitions}::int2[])
            and e.workflow = ${workflow}::text and ${condition}
          order by e.priority, e.ready_at
          limit ${shareEach(request, 1)}::int8
        )`,
      ),
    )
    return sql`(${unionAll(database, ranges)})`
  }
  const partitions = partOf(request, RANGES_MAX)
  const w = partitionColumns(partitions)
  return sql`(
        select f.region, f.partition, f.execution_id, f.ready_at, f.workflow, f.priority
        from unnest(${w.region}::text[], ${w.partition}::int2[]) as w (region, partition)
        cross join unnest(${textArray(request.workflows)}::text[]) as v (workflow)
        cross join lateral (
          select ${columns} from ${tables.executions} as e
          where e.region = w.region and e.partition = w.partition and e.workflow = v.workflow and ${condition}
          order by e.priority, e.ready_at
          limit ${shareEach(request, partitions.length)}::int8
        ) as f
      )`
}

/** All, or as many as the bound allows, beginning where the token says: it is drawn anew by each claim. */
function partOf(
  { partitions, workflows, token }: ClaimRequest & { readonly token: number },
  rangesMax: number,
) {
  const most = Math.max(1, Math.floor(rangesMax / Math.max(1, workflows.length)))
  if (partitions.length <= most) return partitions
  const from = token % partitions.length
  return [...partitions.slice(from), ...partitions.slice(0, from)].slice(0, most)
}

/** As much as of a partition alone when there is one workflow, and so much of each that all together stay bounded. */
function shareEach({ limit, workflows }: ClaimRequest, partitions: number): number {
  const share = shareOf(limit, partitions)
  return Math.min(limit, Math.max(SHARE_MIN, Math.ceil((2 * share) / Math.max(1, workflows.length))))
}
