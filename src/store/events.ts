// Reading histories. Appends are in `commit.ts`, `starts.ts` and the single transitions.

import type { Event } from '../core/event.js'
import type { ExecutionKey } from '../core/execution.js'
import { plainArray } from './arrays.js'
import { groupByIndex, keyColumns } from './keys.js'
import { decodeEvent, type RawEvent } from './rows.js'
import type { Database } from './tables.js'

/** The events from a version on, per execution, in order. */
export async function readHistories(
  database: Database,
  wanted: readonly Wanted[],
  limit: number,
): Promise<Event[][]> {
  const histories = await readRawHistories(database, wanted, limit)
  return histories.map((events) => events.map(decodeEvent))
}

interface Wanted {
  readonly key: ExecutionKey
  readonly from: number
}

/** The events from a version on, per execution, as they stand there. */
export async function readRawHistories(
  database: Database,
  wanted: readonly Wanted[],
  limit: number,
): Promise<RawEvent[][]> {
  const [first, ...others] = wanted
  if (first === undefined) return []
  return others.length === 0
    ? [await readHistory(database, first, limit)]
    : readSeveralHistories(database, wanted, limit)
}

/**
 * One alone, which is how the pages of a long one are read: CockroachDB reads each of several to its end, whatever the
 * limit. Index: events_pkey, one range, at most `limit` rows of it.
 */
async function readHistory(
  { sql, tables }: Database,
  { key, from }: Wanted,
  limit: number,
): Promise<RawEvent[]> {
  return sql<RawEvent[]>`
    select e.version, e.type, e.seq, e.name, e.attempt, e.detail, e.payload, e.message_id, e.due_at, e.at
    from ${tables.by('events_pkey')} as e
    where e.region = ${key.region}::text and e.partition = ${key.partition}::int2
      and e.execution_id = ${key.executionId}::text and e.version >= ${from}::int4
    order by e.version
    limit ${limit}::int8`
}

/** Index: events_pkey, one range each, at most `limit` rows of it. */
async function readSeveralHistories(
  database: Database,
  wanted: readonly Wanted[],
  limit: number,
): Promise<RawEvent[][]> {
  const { sql, tables } = database
  const k = keyColumns(wanted.map((entry) => entry.key))
  const from = plainArray(wanted.map((entry) => entry.from))
  const rows = await sql<(RawEvent & { n: number })[]>`
    select k.n, h.version, h.type, h.seq, h.name, h.attempt, h.detail, h.payload, h.message_id, h.due_at, h.at
    from unnest(
      ${k.n}::int4[], ${k.region}::text[], ${k.partition}::int2[], ${k.executionId}::text[], ${from}::int4[]
    ) as k (n, region, partition, execution_id, from_version)
    cross join lateral (
      select e.version, e.type, e.seq, e.name, e.attempt, e.detail, e.payload, e.message_id, e.due_at, e.at
      from ${tables.by('events_pkey')} as e
      where e.region = k.region and e.partition = k.partition and e.execution_id = k.execution_id
        and e.version >= k.from_version
      order by e.version
      limit ${limit}::int8
    ) as h
    order by k.n, h.version`
  return groupByIndex(wanted.length, rows, (row) => row)
}
