// The cluster as people ask for it: leases, partitions, and what each node holds. Three reads that need not agree to the
// millisecond; nobody decides anything by them.

import { readCluster } from './leases.js'
import { readPartitions } from './partitions.js'
import { decodeHeldCount, type RawHeldCount } from './rows.js'
import type { ClusterRows, HeldCount } from './store.js'
import type { Database } from './tables.js'

export async function readClusterStats(database: Database): Promise<ClusterRows> {
  const [{ leases, at }, partitions, held] = await Promise.all([
    readCluster(database),
    readPartitions(database),
    countHeld(database),
  ])
  return { at: at ?? (await readTime(database)), leases, partitions, held }
}

/** More than this is not counted: it would cost the database more than the figure is worth. */
const HELD_MAX = 500_000

/** Index: executions_claimed, all that is held, at most HELD_MAX rows. */
async function countHeld({ sql, tables }: Database): Promise<HeldCount[]> {
  const rows = await sql<RawHeldCount[]>`
    select h.claimed_by as node_id, h.status, count(*)::int4 as executions
    from (
      select e.claimed_by, e.status from ${tables.executions} as e
      where e.claimed_by is not null limit ${HELD_MAX}::int8
    ) as h
    group by h.claimed_by, h.status
    order by h.claimed_by, h.status`
  return rows.map(decodeHeldCount)
}

/** Without any lease there is no row to read it from. */
async function readTime({ sql }: Database): Promise<Date> {
  const [row] = await sql<{ at: Date }[]>`select now() as at`
  return row?.at ?? new Date(Number.NaN)
}
