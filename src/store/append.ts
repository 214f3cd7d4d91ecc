// The leanest lane statement: results of steps, and nothing else. Most of what a node writes under load is that, so it
// says only what such events have, and reads the fence and inserts in one pass: nothing is kept in between.

import type { Passed } from './fence.js'
import type { Commit } from './store.js'
import { plainArray, textArray } from './arrays.js'
import type { Database } from './tables.js'

/** Whether these commits, none of which moves its row, hold nothing that this statement cannot say. */
export function areResults(commits: readonly Commit[]): boolean {
  return commits.every(({ events }) => events.length > 0 && events.every(isResult))
}

function isResult({ messageId, dueAt, delayMs, at }: Commit['events'][number]): boolean {
  return messageId === undefined && dueAt === undefined && delayMs === undefined && at === undefined
}

/**
 * The fence is read, not written, as with all plain appends. Answers with the ids that passed when not all events did:
 * an execution has one commit in a statement. Index: executions_pkey, one row per event. Rows written: the events.
 * ("Is not distinct from", because with "=" PostgreSQL may look through all that the node holds instead.)
 */
export async function appendResults(database: Database, commits: readonly Commit[]): Promise<Passed[]> {
  const { sql, tables } = database
  const v = columnsOf(commits)
  const rows = await sql<{ at: Date; ids: string | null }[]>`
    with appended as (
      insert into ${tables.events} (
        region, partition, execution_id, version, type, seq, name, attempt, detail, payload, at
      )
      select v.region, v.partition, v.execution_id, v.version, v.type, v.seq, v.name, v.attempt, v.detail, v.payload,
        now()
      from unnest(
        ${v.region}::text[], ${v.partition}::int2[], ${v.executionId}::text[], ${v.epoch}::int4[],
        ${v.version}::int4[], ${v.type}::text[], ${v.seq}::int4[], ${v.name}::text[], ${v.attempt}::int2[],
        ${v.detail}::text[], ${v.payload}::text[]
      ) as v (
        region, partition, execution_id, epoch, version, type, seq, name, attempt, detail, payload
      )
      join ${tables.by('executions_pkey')} as e
        on e.region = v.region and e.partition = v.partition and e.execution_id = v.execution_id
        and e.claimed_by is not distinct from ${commits[0]?.nodeId ?? ''}::text and e.claim_epoch = v.epoch
      returning execution_id
    )
    select now() as at,
      case when count(*) < ${v.count}::int8 then coalesce(json_agg(a.execution_id)::text, '[]') end as ids
    from appended as a`
  return rows.map(({ at, ids }) => ({
    at,
    rung: null,
    passed: ids === null ? null : indexesOf(commits, ids),
  }))
}

function indexesOf(commits: readonly Commit[], text: string): string {
  const ids: unknown = JSON.parse(text)
  const passed = new Set(Array.isArray(ids) ? ids : [])
  return commits.flatMap(({ key }, n) => (passed.has(key.executionId) ? [n] : [])).join(',')
}

function columnsOf(commits: readonly Commit[]) {
  const rows = commits.flatMap((commit) =>
    commit.events.map((event, ordinal) => ({ commit, event, version: commit.expectedVersion + 1 + ordinal })),
  )
  return {
    count: rows.length,
    region: textArray(rows.map(({ commit }) => commit.key.region)),
    partition: plainArray(rows.map(({ commit }) => commit.key.partition)),
    executionId: textArray(rows.map(({ commit }) => commit.key.executionId)),
    epoch: plainArray(rows.map(({ commit }) => commit.claimEpoch)),
    version: plainArray(rows.map(({ version }) => version)),
    type: textArray(rows.map(({ event }) => event.type)),
    seq: plainArray(rows.map(({ event }) => event.seq)),
    name: textArray(rows.map(({ event }) => event.name)),
    attempt: plainArray(rows.map(({ event }) => event.attempt)),
    detail: textArray(rows.map(({ event }) => event.detail)),
    payload: textArray(rows.map(({ event }) => event.payload)),
  }
}
