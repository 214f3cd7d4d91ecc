// How many executions start, and how they end, over the last while: by when they were started, because that is what an
// index knows. Of each workflow the newest only, so that a busy hour costs as much as a quiet one. For people.

import { readDefinitions } from './definitions.js'
import { slices } from './keys.js'
import { decodeThroughput, type RawThroughput } from './rows.js'
import type { ThroughputQuery, ThroughputRow } from './store.js'
import type { Database } from './tables.js'

/** Of each workflow; what is older is not counted. */
export const THROUGHPUT_ROWS_MAX = 20_000
const AT_ONCE = 5

type Ask = <T>(work: () => Promise<T>) => Promise<T>

/** `ask` retries: each statement on its own. */
export async function readThroughput(
  database: Database,
  query: ThroughputQuery,
  ask: Ask,
): Promise<ThroughputRow[]> {
  const { workflow } = query
  if (workflow !== undefined) return ask(() => readOfWorkflow(database, query, workflow))
  const definitions = await ask(() => readDefinitions(database))
  const workflows = [...new Set(definitions.map((definition) => definition.workflow))]
  const rows: ThroughputRow[] = []
  for (const slice of slices(workflows, AT_ONCE)) {
    const found = await Promise.all(slice.map((one) => ask(() => readOfWorkflow(database, query, one))))
    rows.push(...found.flat())
  }
  return rows
}

/** Index: executions_listed, one range, the newest THROUGHPUT_ROWS_MAX of it. */
async function readOfWorkflow(
  { sql, tables }: Database,
  { lastMs, bucketMs }: ThroughputQuery,
  workflow: string,
): Promise<ThroughputRow[]> {
  const rows = await sql<RawThroughput[]>`
    select
      to_timestamp(
        floor(extract(epoch from t.started_at)::float8 * 1000 / ${bucketMs}::float8) * ${bucketMs}::float8 / 1000
      ) as at,
      count(*)::int4 as started,
      count(*) filter (where t.status = 'completed')::int4 as completed,
      count(*) filter (where t.status = 'failed')::int4 as failed,
      count(*) filter (where t.status = 'canceled')::int4 as canceled,
      count(*) filter (where t.status = 'terminated')::int4 as terminated,
      percentile_cont(0.5) within group (order by t.lasted_ms) as p50_ms,
      percentile_cont(0.95) within group (order by t.lasted_ms) as p95_ms
    from (
      select e.started_at, e.status,
        (extract(epoch from e.closed_at - e.started_at) * 1000)::float8 as lasted_ms
      from ${tables.by('executions_listed')} as e
      where e.workflow = ${workflow}::text
        and e.started_at >= now() - ${lastMs}::float8 * interval '1 millisecond'
      order by e.started_at desc, e.execution_id desc
      limit ${THROUGHPUT_ROWS_MAX}::int8
    ) as t
    group by 1
    order by 1`
  return rows.map((row) => decodeThroughput(row, workflow))
}
