// One look at all that an idle node would else poll for: doorbells, timers, schedules, gates. It reads a row of an index for each
// and writes nothing, so that a hundred idle nodes cost the database a hundred small statements a second.

import { textArray } from './arrays.js'
import { partitionColumns } from './claim.js'
import type { Glance, GlanceRequest } from './store.js'
import type { Database } from './tables.js'

/** Indexes: executions_ready and timers_due, one bounded range per partition; schedules_due and gates_due, a row each. Writes nothing. */
export async function glance({ sql, tables }: Database, request: GlanceRequest): Promise<Glance> {
  const { own, others, lateMs, workflows } = request
  const w = partitionColumns(own)
  const o = partitionColumns(others)
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
      exists (
        select 1
        from unnest(${w.region}::text[], ${w.partition}::int2[]) as w (region, partition)
        cross join lateral (
          select e.execution_id from ${tables.executions} as e
          where e.region = w.region and e.partition = w.partition
            and e.ready_at <= now()
            and e.ready_at is not null and e.claimed_by is null
            and e.status in ('queued', 'running', 'waiting', 'blocked')
            and e.workflow = any(${textArray(workflows)}::text[])
          order by e.ready_at
          limit 1
        ) as d
      ) as is_ready,
      exists (
        select 1
        from unnest(${o.region}::text[], ${o.partition}::int2[]) as w (region, partition)
        cross join lateral (
          select e.execution_id from ${tables.executions} as e
          where e.region = w.region and e.partition = w.partition
            and e.ready_at <= now() - ${lateMs}::float8 * interval '1 millisecond'
            and e.ready_at is not null and e.claimed_by is null
            and e.status in ('queued', 'running', 'waiting', 'blocked')
            and e.workflow = any(${textArray(workflows)}::text[])
          order by e.ready_at
          limit 1
        ) as d
      ) as is_late,
      (
        select (extract(epoch from min(d.due_at) - now()) * 1000)::float8
        from unnest(${w.region}::text[], ${w.partition}::int2[]) as w (region, partition)
        cross join lateral (
          select t.due_at from ${tables.timers} as t
          where t.region = w.region and t.partition = w.partition
          order by t.due_at
          limit 1
        ) as d
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

function atLeastZero(ms: number | null | undefined): number | null {
  return ms === null || ms === undefined ? null : Math.max(0, ms)
}
