// One look at all that an idle node would else poll for: doorbells, timers, schedules, gates. It reads a row of an index for each
// and writes nothing, so that a hundred idle nodes cost the database a hundred small statements a second.

import { textArray } from './arrays.js'
import { partitionColumns } from './claim.js'
import type { Glance, GlanceRequest } from './store.js'
import type { Database } from './tables.js'

/** Indexes: executions_ready or executions_shared, timers_due, one bounded range per partition; schedules_due and gates_due, a row each. Writes nothing. */
export async function glance(database: Database, request: GlanceRequest): Promise<Glance> {
  const { sql, tables } = database
  const { own, others, lateMs, workflows } = request
  const [row] = await sql<
    {
      is_ready: boolean
      is_late: boolean
      timer_in_ms: number | null
      schedule_in_ms: number | null
      gate_in_ms: number | null
    }[]
  >`
    select
      exists (select 1 from ${ringing(database, { partitions: own, lateMs: 0, workflows })} as d) as is_ready,
      exists (select 1 from ${ringing(database, { partitions: others, lateMs, workflows })} as d) as is_late,
      (
        select (extract(epoch from min(d.due_at) - now()) * 1000)::float8 from ${firstTimers(database, own)} as d
      ) as timer_in_ms,
      (
        select (extract(epoch from s.due_at - now()) * 1000)::float8
        from ${tables.schedules} as s
        where s.due_at is not null and not s.paused
        order by s.due_at
        limit 1
      ) as schedule_in_ms,
      (
        select (extract(epoch from g.due_at - now()) * 1000)::float8
        from ${tables.gates} as g
        where g.due_at is not null
        order by g.due_at
        limit 1
      ) as gate_in_ms`
  return {
    isReady: row?.is_ready ?? false,
    isLate: row?.is_late ?? false,
    timerInMs: atLeastZero(row?.timer_in_ms),
    scheduleInMs: atLeastZero(row?.schedule_in_ms),
    gateInMs: atLeastZero(row?.gate_in_ms),
  }
}

interface Ringing {
  readonly partitions: GlanceRequest['own']
  readonly lateMs: number
  readonly workflows: readonly string[]
}

// Both come in two forms. PostgreSQL walks the index as `lateral` says; CockroachDB would read and sort all that it finds
// there, but ends a join that is held to an index at the first row, and makes a scan of one row of each partition.

function ringing({ sql, tables }: Database, { partitions, lateMs, workflows }: Ringing) {
  const w = partitionColumns(partitions)
  const condition = sql`e.region = w.region and e.partition = w.partition
    and e.ready_at <= now() - ${lateMs}::float8 * interval '1 millisecond'
    and e.ready_at is not null and e.claimed_by is null
    and e.status in ('queued', 'running', 'waiting', 'blocked')
    and e.workflow = any(${textArray(workflows)}::text[])`
  const wanted = sql`unnest(${w.region}::text[], ${w.partition}::int2[]) as w (region, partition)`
  return tables.dialect === 'cockroachdb'
    ? sql`(select e.execution_id from ${wanted} join ${tables.by('executions_ready')} as e on ${condition})`
    : sql`(
        select f.execution_id from ${wanted}
        cross join lateral (
          select e.execution_id from ${tables.executions} as e where ${condition} order by e.ready_at limit 1
        ) as f
      )`
}

function firstTimers({ sql, tables }: Database, partitions: GlanceRequest['own']) {
  const w = partitionColumns(partitions)
  return tables.dialect === 'cockroachdb'
    ? sql`(
        select min(t.due_at) as due_at from ${tables.by('timers_due')} as t
        where t.region = any(${w.region}::text[]) and t.partition = any(${w.partition}::int2[])
      )`
    : sql`(
        select f.due_at from unnest(${w.region}::text[], ${w.partition}::int2[]) as w (region, partition)
        cross join lateral (
          select t.due_at from ${tables.timers} as t
          where t.region = w.region and t.partition = w.partition
          order by t.due_at
          limit 1
        ) as f
      )`
}

function atLeastZero(ms: number | null | undefined): number | null {
  return ms === null || ms === undefined ? null : Math.max(0, ms)
}
