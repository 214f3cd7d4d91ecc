// The lean lane statement of ends: executions that close and tell nobody. It says the same of their rows as the large one
// (`commit.ts`), without what only messages, timers and other transitions need.

import { fenceColumns, type Passed } from './fence.js'
import type { Commit } from './store.js'
import { instantArray, plainArray, textArray } from './arrays.js'
import type { Database } from './tables.js'

/** Whether these commits hold nothing that this statement cannot say. */
export function areEnds(commits: readonly Commit[]): boolean {
  return commits.every(isEnd)
}

function isEnd({ events, consumed, messages, attributes, transition }: Commit): boolean {
  return (
    transition?.kind === 'close' &&
    attributes === undefined &&
    (consumed?.length ?? 0) === 0 &&
    (messages?.length ?? 0) === 0 &&
    events.every(
      ({ messageId, dueAt, delayMs }) =>
        messageId === undefined && dueAt === undefined && delayMs === undefined,
    )
  )
}

/**
 * The UPDATE decides by the fence, so that the row lock decides between two writers. Index: executions_pkey, one row per
 * commit. Rows written: those, and the events.
 */
export function closeExecutions(database: Database, commits: readonly Commit[]): Promise<Passed[]> {
  const { sql, tables } = database
  const x = fenceColumns(commits)
  const status = textArray(
    commits.map(({ transition }) => (transition?.kind === 'close' ? transition.status : null)),
  )
  const last = plainArray(commits.map(({ expectedVersion, events }) => expectedVersion + events.length))
  const v = columnsOf(commits)
  return sql<Passed[]>`
    with closed as (
      update ${tables.by('executions_pkey')} as e set
        status = u.status,
        version = case when u.version > e.version then u.version else e.version end,
        claimed_by = null,
        ready_at = null,
        attempts = case when u.version > e.version then 0 else e.attempts end,
        note = null,
        closed_at = date_trunc('milliseconds', now())
      from (
        select x.n, x.region, x.partition, x.execution_id, x.epoch, x.status, x.version
        from unnest(
          ${x.n}::int4[], ${x.region}::text[], ${x.partition}::int2[], ${x.executionId}::text[], ${x.epoch}::int4[],
          ${status}::text[], ${last}::int4[]
        ) as x (n, region, partition, execution_id, epoch, status, version)
        order by x.region, x.partition, x.execution_id
      ) as u
      where e.region = u.region and e.partition = u.partition and e.execution_id = u.execution_id
        and e.claimed_by = ${x.nodeId}::text and e.claim_epoch = u.epoch
      returning u.n, e.region, e.partition, e.execution_id
    ), appended as (
      insert into ${tables.events} (
        region, partition, execution_id, version, type, seq, name, attempt, detail, payload, at
      )
      select c.region, c.partition, c.execution_id, v.version, v.type, v.seq, v.name, v.attempt, v.detail, v.payload,
        coalesce(v.at, now())
      from unnest(
        ${v.n}::int4[], ${v.version}::int4[], ${v.type}::text[], ${v.seq}::int4[], ${v.name}::text[],
        ${v.attempt}::int2[], ${v.detail}::text[], ${v.payload}::text[], ${v.at}::timestamptz[]
      ) as v (n, version, type, seq, name, attempt, detail, payload, at)
      join closed as c on c.n = v.n
      returning 1
    )
    select now() as at, null::text as rung,
      case when count(*) < ${commits.length}::int8 then coalesce(string_agg(c.n::text, ','), '') end as passed
    from closed as c`
}

function columnsOf(commits: readonly Commit[]) {
  const rows = commits.flatMap(({ events, expectedVersion }, n) =>
    events.map((event, ordinal) => ({ n, event, version: expectedVersion + 1 + ordinal })),
  )
  return {
    n: plainArray(rows.map(({ n }) => n)),
    version: plainArray(rows.map(({ version }) => version)),
    type: textArray(rows.map(({ event }) => event.type)),
    seq: plainArray(rows.map(({ event }) => event.seq)),
    name: textArray(rows.map(({ event }) => event.name)),
    attempt: plainArray(rows.map(({ event }) => event.attempt)),
    detail: textArray(rows.map(({ event }) => event.detail)),
    payload: textArray(rows.map(({ event }) => event.payload)),
    at: instantArray(rows.map(({ event }) => event.at)),
  }
}
