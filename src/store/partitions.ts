// Partitions: which node polls what. Affinity only: claims are safe whoever polls.

import { plainArray, textArray } from './arrays.js'
import { decodePartition, type RawPartition } from './rows.js'
import type { PartitionRow } from './store.js'
import type { Database } from './tables.js'

/** All partitions in order: as many rows as the installation has partitions. */
export async function readPartitions({ sql, tables }: Database): Promise<PartitionRow[]> {
  const rows = await sql<RawPartition[]>`
    select p.id, p.region, p.owner, p.epoch::text as epoch from ${tables.partitions} as p order by p.id`
  return rows.map(decodePartition)
}

/** Takes those that are nobody's, or whose owner has no lease. Index: partitions_pkey, leases_pkey. */
export async function takePartitions(
  { sql, tables }: Database,
  nodeId: string,
  partitions: readonly number[],
): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    update ${tables.partitions} as p set
      owner = ${nodeId}::text, epoch = case when p.owner = ${nodeId}::text then p.epoch else p.epoch + 1 end
    where p.id = any(${plainArray(partitions)}::int2[])
      and (
        p.owner is null or p.owner = ${nodeId}::text
        or not exists (select 1 from ${tables.leases} as l where l.node_id = p.owner)
      )
    returning p.id`
  return rows.map((row) => row.id)
}

/** Gives up those it owns. Index: partitions_pkey. */
export async function givePartitions(
  { sql, tables }: Database,
  nodeId: string,
  partitions: readonly number[],
): Promise<void> {
  await sql`
    update ${tables.partitions} set owner = null, epoch = epoch + 1
    where id = any(${plainArray(partitions)}::int2[]) and owner = ${nodeId}::text`
}

/** Everything these nodes owned is nobody's; how many that were. Reads all partitions, writes those of the nodes. */
export async function freePartitions({ sql, tables }: Database, nodeIds: readonly string[]): Promise<number> {
  const rows = await sql<object[]>`
    update ${tables.partitions} set owner = null, epoch = epoch + 1
    where owner = any(${textArray(nodeIds)}::text[])
    returning id`
  return rows.length
}
