// Tables as an installation has them after a while: most of it closed, some at work, some ringing, some waiting. Large
// enough that reading one from end to end is not the cheapest way, with statistics that say so.

import type postgres from 'postgres'
import { WORKFLOW } from './store-rows.js'
import { eventually } from './wait.js'

const EXECUTIONS = 20_000
const TABLES = [
  'executions',
  'events',
  'timers',
  'signals',
  'gates',
  'turns',
  'definitions',
  'leases',
  'partitions',
]

export async function fillTables(sql: postgres.Sql, dialect: 'postgres' | 'cockroachdb'): Promise<void> {
  // Statistics that it collects by itself are of half a minute ago: of tables that were empty.
  if (dialect === 'cockroachdb') {
    for (const table of TABLES)
      await sql.unsafe(`alter table ${table} set (sql_stats_automatic_collection_enabled = false)`)
  }
  await sql`
    insert into definitions (workflow, version)
    select 'filled ' || n::text, '1' from generate_series(0, 9) as t (n)`
  await sql`
    insert into executions (
      region, partition, execution_id, workflow, workflow_version, status, version, claimed_by, claim_epoch, ready_at,
      inbox, parent_id, parent_seq, parent_run, attributes, started_at, closed_at
    )
    select 'local', (n % 64)::int2, 'filled ' || n::text,
      case when n % 10 > 7 then ${WORKFLOW}::text else 'filled ' || (n % 10)::text end, '1',
      case
        when n % 10 < 7 then 'completed' when n % 100 = 71 then 'failed' when n % 10 = 8 then 'running' else 'waiting'
      end,
      3, case when n % 20 = 8 then 'filler ' || (n % 47)::text end, 1,
      case when n % 20 = 18 then now() - n * interval '1 millisecond' end,
      1, case when n % 10 = 3 then 'filled ' || (n / 100)::text end, 1, 1,
      case when n % 10 = 2 then ('{"city":"c' || (n % 500)::text || '"}')::jsonb end,
      now() - n * interval '1 minute', case when n % 10 < 7 or n % 100 = 71 then now() end
    from generate_series(1, ${EXECUTIONS}::int4) as t (n)`
  await sql`
    insert into events (region, partition, execution_id, version, type, seq, payload)
    select 'local', (n % 64)::int2, 'filled ' || n::text, v::int4,
      case when v = 1 then 'started' else 'step_completed' end, v::int4, '1'
    from generate_series(1, ${EXECUTIONS}::int4) as t (n) cross join generate_series(1, 3) as u (v)`
  await sql`
    insert into timers (region, partition, execution_id, version, due_at)
    select 'local', (n % 64)::int2, 'filled ' || n::text, 1, now() + (n - 500) * interval '1 second'
    from generate_series(1, ${EXECUTIONS / 2}::int4) as t (n)`
  await sql`
    insert into signals (region, partition, execution_id, message_id, position, kind, name, consumed_at)
    select 'local', (n % 64)::int2, 'filled ' || n::text, 'm', 1, 'signal', 's',
      case when n % 5 > 0 then now() - n * interval '1 minute' end
    from generate_series(1, ${EXECUTIONS}::int4) as t (n)`
  await sql`
    insert into gates (gate_id, workflow, rule, key, running_max, due_at)
    select 'gate ' || n::text, 'filled ' || (n % 1000)::text, 'concurrency', n::text, 3, now() + n * interval '1 second'
    from generate_series(1, ${EXECUTIONS / 4}::int4) as t (n)`
  await sql`
    insert into turns (
      region, partition, execution_id, run, stage, gate_id, state, priority, queued_at, started_at
    )
    select 'local', (n % 64)::int2, 'filled ' || n::text, 1, 0, 'gate ' || (n % ${EXECUTIONS / 4}::int4)::text,
      case when n % 3 = 0 then 'held' else 'waiting' end, 3, now(), now()
    from generate_series(1, ${EXECUTIONS}::int4) as t (n)`
  await analyzeTables(sql, dialect)
}

export async function analyzeTables(sql: postgres.Sql, dialect: 'postgres' | 'cockroachdb'): Promise<void> {
  for (const table of TABLES) {
    if (dialect === 'postgres') await sql`analyze ${sql(table)}`
    // Left undone, without a word, while the database itself is at it.
    else await eventually(() => analyzed(sql, table), { what: `statistics of ${table}`, deadlineMs: 60_000 })
  }
}

async function analyzed(sql: postgres.Sql, table: string): Promise<boolean> {
  const [before] = await sql<{ at: Date }[]>`select now() as at`
  await sql.unsafe(`analyze ${table}`)
  const rows = await sql.unsafe<{ created: Date }[]>(
    `select created from [show statistics for table ${table}]`,
  )
  return before !== undefined && rows.some(({ created }) => created >= before.at)
}
