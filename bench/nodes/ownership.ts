// Who owns which partition, as the database has it.

import { performance } from 'node:perf_hooks'
import type { Place } from '../harness/place.js'

export type Ownership = ReadonlyMap<number, string>

interface Where {
  readonly place: Place
  readonly schema: string
}

const POLL_MS = 50
const DEADLINE_MS = 120_000

export async function owners({ place: { sql }, schema }: Where): Promise<Ownership> {
  const rows = await sql<{ id: number; owner: string }[]>`
    select p.id, p.owner from ${sql(`${schema}.partitions`)} as p
    where p.owner in (select l.node_id from ${sql(`${schema}.leases`)} as l)`
  return new Map(rows.map(({ id, owner }) => [id, owner]))
}

/** Waits until this many nodes live and each owns its fair share of all partitions. */
export async function settled({ place, schema, nodes }: Where & { readonly nodes: number }): Promise<void> {
  const { sql } = place
  const deadline = performance.now() + DEADLINE_MS
  for (;;) {
    const rows = await sql<{ owned: number }[]>`
      select count(p.id)::int4 as owned from ${sql(`${schema}.leases`)} as l
      left join ${sql(`${schema}.partitions`)} as p on p.owner = l.node_id
      group by l.node_id`
    const [all] = await sql<{ count: number }[]>`
      select count(*)::int4 as count from ${sql(`${schema}.partitions`)}`
    const owned = rows.map((row) => row.owned)
    const isFair = Math.max(...owned) - Math.min(...owned) <= 1
    const isWhole = owned.reduce((sum, each) => sum + each, 0) === all?.count
    if (owned.length === nodes && isFair && isWhole) return
    if (performance.now() > deadline)
      throw new Error(`not settled: ${owned.length} of ${nodes} nodes own ${owned.join(', ')} partitions`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
