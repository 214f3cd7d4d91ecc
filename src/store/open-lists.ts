// Lists of executions that wait or run: few among many that have closed, so each is found by an index that holds nothing
// else. What runs is held by a node or rings; a flood of what rings is not read to its end. (Every region and every
// node is greater than nothing: said, because CockroachDB would take a whole small index for a whole table.)

import { executionColumns } from './executions.js'
import { filters, inRange } from './list-filters.js'
import type { RawExecution } from './rows.js'
import type { ListQuery } from './store.js'
import type { Database } from './tables.js'

/** Of those that ring; more at once are a flood, of which any are as good as the newest. */
const RINGING_MAX = 20_000

/** Index: executions_waiting, one range, until `limit` rows of it pass the filters. */
export function listWaiting(
  database: Database,
  query: ListQuery,
  status: 'queued' | 'waiting',
): Promise<RawExecution[]> {
  const { sql, tables } = database
  return sql<RawExecution[]>`
    select ${executionColumns(database)}
    from ${tables.by('executions_waiting')} as e
    where e.status = ${status}::text and e.status in ('queued', 'waiting')
      and ${inRange(database, query)} and ${filters(database, query)}
    order by e.started_at desc, e.execution_id desc
    limit ${query.limit}::int8`
}

/** Index: executions_claimed, all that is held, by nodes that hold so many at most. */
export function listHeld(database: Database, query: ListQuery): Promise<RawExecution[]> {
  const { sql, tables } = database
  return sql<RawExecution[]>`
    select ${executionColumns(database)}
    from ${tables.by('executions_claimed')} as e
    where e.claimed_by is not null and e.claimed_by > '' and ${inRange(database, query)} and ${filters(database, query)}
    order by e.started_at desc, e.execution_id desc
    limit ${query.limit}::int8`
}

/** Index: executions_ready or executions_shared, at most RINGING_MAX rows that pass the filters. */
export function listRinging(database: Database, query: ListQuery): Promise<RawExecution[]> {
  const { sql, tables } = database
  return sql<RawExecution[]>`
    select ${executionColumns(database)}
    from (
      select ${executionColumns(database)}
      from ${tables.by('executions_ready')} as e
      where e.region > '' and e.ready_at is not null and e.claimed_by is null
        and ${inRange(database, query)} and ${filters(database, query)}
      limit ${RINGING_MAX}::int8
    ) as e
    order by e.started_at desc, e.execution_id desc
    limit ${query.limit}::int8`
}

/** Index: executions_stranded, all of it: what is nobody's and silent until upkeep rings it, a moment later. */
export function listStranded(database: Database, query: ListQuery): Promise<RawExecution[]> {
  const { sql, tables } = database
  return sql<RawExecution[]>`
    select ${executionColumns(database)}
    from ${tables.by('executions_stranded')} as e
    where e.region > '' and e.status = 'running' and e.claimed_by is null and e.ready_at is null
      and ${inRange(database, query)} and ${filters(database, query)}
    order by e.started_at desc, e.execution_id desc
    limit ${query.limit}::int8`
}
