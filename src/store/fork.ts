// Forks: a new execution out of the first events of another, in one statement. What is to be copied is read before
// (without payloads, which never leave the database); since histories only grow, nothing but the removal of the other can
// come between, and then nothing is written.

import type { ForkedEvent } from '../core/fork.js'
import type { ExecutionKey } from '../core/execution.js'
import { PRIORITY_DEFAULT } from '../core/priority.js'
import { plainArray } from './arrays.js'
import { readExecutions } from './executions.js'
import type { ForkRow, StartOutcome } from './store.js'
import { decodeEvent, type RawEvent } from './rows.js'
import type { Database } from './tables.js'

/** The events of a range, with the detail of those that tell what the copy is. Index: events_pkey, one range. */
export async function readForkable(
  { sql, tables }: Database,
  key: ExecutionKey,
  range: { readonly from: number; readonly to: number },
): Promise<ForkedEvent[]> {
  const rows = await sql<RawEvent[]>`
    select e.version, e.type, e.seq, null::text as name, null::int2 as attempt,
      case when e.type in ('started', 'attributes_set') then e.detail end as detail, null::text as payload,
      null::text as message_id, null::timestamptz as due_at, e.at
    from ${tables.by('events_pkey')} as e
    where e.region = ${key.region}::text and e.partition = ${key.partition}::int2
      and e.execution_id = ${key.executionId}::text
      and e.version >= ${range.from}::int4 and e.version <= ${range.to}::int4
    order by e.version`
  return rows.map(decodeEvent)
}

export async function insertFork(
  database: Database,
  row: ForkRow,
): Promise<StartOutcome | { readonly kind: 'gone' }> {
  const at = await copy(database, row)
  if (at !== null) return { kind: 'created', at, claimed: false }
  const [found] = await readExecutions(database, [row.key])
  if (found === null || found === undefined) return { kind: 'gone' }
  // This fork's own id: an earlier try of this call, or a call before it.
  if (found.startId === row.startId) return { kind: 'created', at: found.startedAt, claimed: false }
  return { kind: 'exists', row: found }
}

/**
 * Inserts the execution, its events in a numbering of its own and the timers that are still to come, unless the id is taken
 * or not all is there to be copied. Indexes: events_pkey, the range copied; executions_pkey. Rows written: one, the events
 * and at most as many timers.
 */
async function copy({ sql, tables }: Database, row: ForkRow): Promise<Date | null> {
  const { key, source, attributes } = row
  const rows = await sql<{ at: Date }[]>`
    with copied as (
      select (row_number() over (order by e.version))::int4 as version, e.type, e.seq, e.name, e.attempt, e.detail,
        e.payload, e.message_id, e.due_at, e.at
      from ${tables.by('events_pkey')} as e
      where e.region = ${source.key.region}::text and e.partition = ${source.key.partition}::int2
        and e.execution_id = ${source.key.executionId}::text
        and e.version >= ${source.from}::int4 and e.version <= ${source.to}::int4
        and e.version <> all (${plainArray(row.dropped)}::int4[])
    ), inserted as (
      insert into ${tables.executions} (
        region, partition, execution_id, workflow, workflow_version, status, version, claim_epoch, ready_at, start_id,
        attributes, priority, started_at
      )
      select ${key.region}::text, ${key.partition}::int2, ${key.executionId}::text, ${row.workflow}::text,
        ${row.workflowVersion}::text, 'running', ${row.count}::int4, 0, now(), ${row.startId}::text,
        ${attributes === undefined ? null : JSON.stringify(attributes)}::text::jsonb,
        ${row.priority ?? PRIORITY_DEFAULT}::int2, date_trunc('milliseconds', now())
      where (select count(*) from copied) = ${row.count}::int8
      on conflict (region, partition, execution_id) do nothing
      returning started_at
    ), opened as (
      insert into ${tables.events} (
        region, partition, execution_id, version, type, seq, name, attempt, detail, payload, message_id, due_at, at
      )
      select ${key.region}::text, ${key.partition}::int2, ${key.executionId}::text, c.version, c.type, c.seq, c.name,
        c.attempt, case when c.version = 1 then ${row.detail}::text else c.detail end, c.payload, c.message_id,
        case when c.version > 1 then c.due_at end, c.at
      from copied as c cross join inserted as i
      returning version, due_at
    ), timed as (
      insert into ${tables.timers} (region, partition, execution_id, version, due_at)
      select ${key.region}::text, ${key.partition}::int2, ${key.executionId}::text, o.version, o.due_at
      from opened as o where o.due_at > now()
      on conflict (region, partition, execution_id, version) do nothing
      returning 1
    )
    select i.started_at as at from inserted as i`
  return rows[0]?.at ?? null
}
