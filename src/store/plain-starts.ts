// The lean statement of starts: executions that begin at once, without a parent, attributes or a priority of their own.
// It says the same of them as the large one (`starts.ts`), and answers with one row instead of a row each.

import type { StartRow } from './store.js'
import { plainArray, textArray } from './arrays.js'
import type { Database } from './tables.js'

/** Whether these starts hold nothing that this statement cannot say. */
export function arePlain(starts: readonly StartRow[]): boolean {
  return starts.every(
    ({ startAt, parent, attributes, priority, event }) =>
      startAt === undefined &&
      parent === undefined &&
      attributes === undefined &&
      priority === undefined &&
      event.messageId === undefined,
  )
}

/**
 * Inserts those whose id is free, each with its first event; returns them, in their order. Index: executions_pkey. Rows
 * written: two per start.
 */
export async function insertPlainStarts(
  database: Database,
  starts: readonly StartRow[],
  token: number,
): Promise<{ n: number; at: Date }[]> {
  const { sql, tables } = database
  const s = columnsOf(starts)
  const [row] = await sql<{ at: Date; created: string | null }[]>`
    with created as (
      insert into ${tables.executions} (
        region, partition, execution_id, workflow, workflow_version, status, claimed_by, claim_epoch, claim_token,
        ready_at, start_id, started_at
      )
      select s.region, s.partition, s.execution_id, s.workflow, s.workflow_version, 'running', s.claimed_by,
        case when s.claimed_by is null then 0 else 1 end,
        case when s.claimed_by is null then null else ${token}::int4 end,
        case when s.claimed_by is null then now() end,
        s.start_id, date_trunc('milliseconds', now())
      from unnest(
        ${s.region}::text[], ${s.partition}::int2[], ${s.executionId}::text[], ${s.workflow}::text[],
        ${s.workflowVersion}::text[], ${s.startId}::text[], ${s.claimedBy}::text[]
      ) as s (region, partition, execution_id, workflow, workflow_version, start_id, claimed_by)
      order by s.region, s.partition, s.execution_id
      on conflict (region, partition, execution_id) do nothing
      returning region, partition, execution_id
    ), opened as (
      insert into ${tables.events} (region, partition, execution_id, version, type, name, detail, payload, at)
      select c.region, c.partition, c.execution_id, 1, 'started', s.name, s.detail, s.payload,
        date_trunc('milliseconds', now())
      from unnest(
        ${s.executionId}::text[], ${s.name}::text[], ${s.detail}::text[], ${s.payload}::text[]
      ) as s (execution_id, name, detail, payload)
      join created as c on c.execution_id = s.execution_id
      returning 1
    )
    select date_trunc('milliseconds', now()) as at,
      case when count(*) < ${starts.length}::int8 then coalesce(json_agg(c.execution_id)::text, '[]') end as created
    from created as c`
  if (row === undefined) return []
  const { at } = row
  const ids: unknown = row.created === null ? undefined : JSON.parse(row.created)
  const created = Array.isArray(ids) ? new Set(ids) : undefined
  return starts.flatMap(({ key }, n) => (created?.has(key.executionId) === false ? [] : [{ n, at }]))
}

function columnsOf(starts: readonly StartRow[]) {
  return {
    region: textArray(starts.map(({ key }) => key.region)),
    partition: plainArray(starts.map(({ key }) => key.partition)),
    executionId: textArray(starts.map(({ key }) => key.executionId)),
    workflow: textArray(starts.map(({ workflow }) => workflow)),
    workflowVersion: textArray(starts.map(({ workflowVersion }) => workflowVersion)),
    startId: textArray(starts.map(({ startId }) => startId)),
    claimedBy: textArray(starts.map(({ claimedBy }) => claimedBy)),
    name: textArray(starts.map(({ event }) => event.name)),
    detail: textArray(starts.map(({ event }) => event.detail)),
    payload: textArray(starts.map(({ event }) => event.payload)),
  }
}
