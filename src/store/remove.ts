// How closed executions are taken out of the database, whoever asks for it: a person, one at a time, or retention, many
// in one statement. All that belongs to an execution goes with its row, or nothing does; one that has begun anew since it
// was looked at is somebody else, and stays. A history longer than a statement should delete is cut from its beginning
// first: to nobody but readers it is worth anything any more.

import type { ExecutionKey } from '../core/execution.js'
import { instantArray } from './arrays.js'
import { keyColumns } from './keys.js'
import { type RetryPolicy, withRetry } from './retry.js'
import type { Database } from './tables.js'

/** An execution as it closed: the id alone could be another one's by now. */
export interface Closed {
  readonly key: ExecutionKey
  readonly version: number
  readonly closedAt: Date
}

/** Events of one statement: about 25 ms of the database, and nobody waits for what it locks. */
const EVENTS_MAX = 5_000
const EXECUTIONS_MAX = 500

/** Removes those that are as they were; returns how many. Batch by batch: what was removed stays so when it is stopped. */
export async function removeClosed(
  database: Database,
  policy: RetryPolicy,
  closed: readonly Closed[],
): Promise<number> {
  let removed = 0
  for (const batch of batchesOf(closed)) {
    for (const one of batch) await trimHistory(database, policy, one)
    removed += await withRetry(policy, 'removeClosed', async ({ doubtful }) => {
      const count = await deleteClosed(database, batch)
      return doubtful ? Math.max(count, 1) : count
    })
  }
  return removed
}

/** Leaves at most a statement's worth of events to be deleted together with the row. */
export async function trimHistory(
  database: Database,
  policy: RetryPolicy,
  { key, version, closedAt }: Closed,
): Promise<void> {
  for (let through = EVENTS_MAX; through < version; through += EVENTS_MAX) {
    await withRetry(policy, 'trimHistory', () => deleteEvents(database, { key, closedAt }, through))
  }
}

/** As many as a statement may delete the events of; one with more of them stands alone. */
function batchesOf(closed: readonly Closed[]): Closed[][] {
  const batches: Closed[][] = []
  let events = Infinity
  for (const one of closed) {
    events += Math.min(one.version, EVENTS_MAX)
    const last = batches.at(-1)
    if (last === undefined || events > EVENTS_MAX || last.length >= EXECUTIONS_MAX) {
      batches.push([one])
      events = Math.min(one.version, EVENTS_MAX)
    } else last.push(one)
  }
  return batches
}

/**
 * Deletes executions that are closed as they were, each with all that belongs to it. What somebody has locked is left for
 * the next time: it is being started again. Indexes: executions_pkey, timers_pkey, turns_pkey, signals_pkey, events_pkey,
 * one range each per execution.
 */
export async function deleteClosed(
  database: Database,
  closed: readonly Pick<Closed, 'key' | 'closedAt'>[],
): Promise<number> {
  if (closed.length === 0) return 0
  const { sql, tables } = database
  const k = keyColumns(closed.map(({ key }) => key))
  const [row] = await sql<{ removed: number }[]>`
    with gone as (
      select e.region, e.partition, e.execution_id
      from (
        select k.region, k.partition, k.execution_id, k.closed_at
        from unnest(
          ${k.region}::text[], ${k.partition}::int2[], ${k.executionId}::text[],
          ${instantArray(closed.map(({ closedAt }) => closedAt))}::timestamptz[]
        ) as k (region, partition, execution_id, closed_at)
        order by k.region, k.partition, k.execution_id
      ) as k
      join ${tables.by('executions_pkey')} as e
        on e.region = k.region and e.partition = k.partition and e.execution_id = k.execution_id
      -- Not as an equation: CockroachDB would join by it too, and read and lock the whole table for that.
      where e.closed_at >= k.closed_at and e.closed_at < k.closed_at + interval '1 millisecond'
      order by k.region, k.partition, k.execution_id
      for update of e skip locked
    ), untimed as (
      delete from ${tables.by('timers_pkey')} as t using gone as g
      where t.region = g.region and t.partition = g.partition and t.execution_id = g.execution_id
      returning 1
    ), unlined as (
      delete from ${tables.by('turns_pkey')} as t using gone as g
      where t.region = g.region and t.partition = g.partition and t.execution_id = g.execution_id
      returning 1
    ), unread as (
      delete from ${tables.by('signals_pkey')} as s using gone as g
      where s.region = g.region and s.partition = g.partition and s.execution_id = g.execution_id
      returning 1
    ), forgotten as (
      delete from ${tables.by('events_pkey')} as v using gone as g
      where v.region = g.region and v.partition = g.partition and v.execution_id = g.execution_id
      returning 1
    ), removed as (
      delete from ${tables.by('executions_pkey')} as e using gone as g
      where e.region = g.region and e.partition = g.partition and e.execution_id = g.execution_id
      returning 1
    )
    select count(*)::int4 as removed from removed`
  return row?.removed ?? 0
}

/** The beginning of one history. Indexes: executions_pkey, one row; events_pkey, one range. */
async function deleteEvents(
  { sql, tables }: Database,
  { key, closedAt }: Pick<Closed, 'key' | 'closedAt'>,
  through: number,
): Promise<void> {
  await sql`
    with gone as (
      select e.region, e.partition, e.execution_id
      from ${tables.by('executions_pkey')} as e
      where e.region = ${key.region}::text and e.partition = ${key.partition}::int2
        and e.execution_id = ${key.executionId}::text
        and date_trunc('milliseconds', e.closed_at) = ${closedAt.toISOString()}::timestamptz
      for update skip locked
    )
    delete from ${tables.by('events_pkey')} as v using gone as g
    where v.region = g.region and v.partition = g.partition and v.execution_id = g.execution_id
      and v.version <= ${through}::int4`
}
