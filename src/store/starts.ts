// Starts: executions with their `started` event, many in one statement, and what became of those whose id is taken.

import { CerebelumError } from '../core/errors.js'
import { instantArray, plainArray, textArray } from './arrays.js'
import { readExecutions } from './executions.js'
import { keyColumns, slices } from './keys.js'
import { type Attempt, type RetryPolicy, withRetry } from './retry.js'
import type { ExecutionRow, StartOutcome, StartRow } from './store.js'
import type { Database } from './tables.js'

/** Starts in slices, each one statement that is retried on its own. */
export async function startExecutions(
  database: Database,
  policy: RetryPolicy,
  starts: readonly StartRow[],
): Promise<StartOutcome[]> {
  const outcomes: StartOutcome[] = []
  for (const slice of sliceStarts(starts)) {
    outcomes.push(
      ...(await withRetry(policy, 'insertExecutions', (attempt) => start(database, slice, attempt))),
    )
  }
  return outcomes
}

/** Starts on the caller's own transaction: nothing is claimed, because nobody knows whether it will commit. */
export async function startWithin(database: Database, starts: readonly StartRow[]): Promise<StartOutcome[]> {
  const outcomes: StartOutcome[] = []
  for (const slice of sliceStarts(starts.map((start) => ({ ...start, claimedBy: null })))) {
    outcomes.push(...(await start(database, slice, { doubtful: false })))
  }
  return outcomes
}

async function start(
  database: Database,
  starts: readonly StartRow[],
  attempt: Attempt,
): Promise<StartOutcome[]> {
  const outcomes = new Map<number, StartOutcome>()
  // An id that was taken, and whose execution was removed before we read it, is tried again.
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const open = starts.map((row, n) => ({ row, n })).filter(({ n }) => !outcomes.has(n))
    if (open.length === 0) break
    const created = await insertStarts(
      database,
      open.map(({ row }) => row),
    )
    for (const { n, at } of created) {
      const entry = open[n]
      if (entry !== undefined) outcomes.set(entry.n, { kind: 'created', at, claimed: isClaimable(entry.row) })
    }
    const taken = open.filter(({ n }) => !outcomes.has(n))
    const rows = await readExecutions(
      database,
      taken.map(({ row }) => row.key),
    )
    for (const [i, { row, n }] of taken.entries()) {
      const existing = rows[i]
      if (existing !== undefined && existing !== null) outcomes.set(n, judge(row, existing, attempt))
    }
  }
  return starts.map((row, n) => {
    const outcome = outcomes.get(n)
    if (outcome !== undefined) return outcome
    const text = `Execution "${row.key.executionId}" was removed again and again while it was being started. Try again.`
    throw new CerebelumError('CONFLICT', text, { executionId: row.key.executionId })
  })
}

const ROUNDS_MAX = 5

/** Whether the execution with the id wanted is the one this start made in an earlier try. */
function judge(start: StartRow, row: ExecutionRow, attempt: Attempt): StartOutcome {
  // A generated id is nobody else's; it can only be taken by our own lost attempt.
  const isOurs =
    start.startId === null ? attempt.doubtful && row.startId === null : row.startId === start.startId
  if (!isOurs) return { kind: 'exists', row }
  const isFresh = row.run === 1 && row.version === 1 && row.claimEpoch === 1 && row.status === 'running'
  const claimed = isClaimable(start) && row.claimedBy === start.claimedBy && isFresh
  return { kind: 'created', at: row.startedAt, claimed }
}

function isClaimable(start: StartRow): boolean {
  return start.claimedBy !== null && start.startAt === undefined
}

/**
 * Inserts those whose id is free, each with its first event and, for a later start, its timer; returns them, in no
 * order. Index: executions_pkey. Rows written: at most three per start.
 */
function insertStarts(database: Database, starts: readonly StartRow[]): Promise<{ n: number; at: Date }[]> {
  const { sql, tables } = database
  const k = keyColumns(starts.map((start) => start.key))
  const s = startColumns(starts)
  return sql<{ n: number; at: Date }[]>`
    with s as (
      select s.n, s.region, s.partition, s.execution_id, s.workflow, s.workflow_version, s.start_id, s.claimed_by,
        s.start_at, s.parent_id, s.parent_seq, s.parent_run, s.attributes, s.name, s.detail, s.payload, s.message_id
      from unnest(
        ${k.n}::int4[], ${k.region}::text[], ${k.partition}::int2[], ${k.executionId}::text[],
        ${s.workflow}::text[], ${s.workflowVersion}::text[], ${s.startId}::text[], ${s.claimedBy}::text[],
        ${s.startAt}::timestamptz[], ${s.parentId}::text[], ${s.parentSeq}::int4[], ${s.parentRun}::int4[],
        ${s.attributes}::text[], ${s.name}::text[], ${s.detail}::text[], ${s.payload}::text[], ${s.messageId}::text[]
      ) as s (
        n, region, partition, execution_id, workflow, workflow_version, start_id, claimed_by, start_at, parent_id,
        parent_seq, parent_run, attributes, name, detail, payload, message_id
      )
    ), inserted as (
      insert into ${tables.executions} (
        region, partition, execution_id, workflow, workflow_version, status, claimed_by, claim_epoch, ready_at,
        start_id, parent_id, parent_seq, parent_run, attributes, started_at
      )
      select s.region, s.partition, s.execution_id, s.workflow, s.workflow_version,
        case when s.start_at is null then 'running' else 'waiting' end,
        s.claimed_by,
        case when s.claimed_by is null then 0 else 1 end,
        case when s.claimed_by is null and s.start_at is null then now() end,
        s.start_id, s.parent_id, s.parent_seq, s.parent_run, s.attributes::jsonb,
        date_trunc('milliseconds', now())
      from s
      on conflict (region, partition, execution_id) do nothing
      returning region, partition, execution_id
    ), created as (
      select s.n, s.region, s.partition, s.execution_id, s.start_at, s.name, s.detail, s.payload, s.message_id
      from s join inserted as i
        on i.region = s.region and i.partition = s.partition and i.execution_id = s.execution_id
    ), opened as (
      insert into ${tables.events} (
        region, partition, execution_id, version, type, name, detail, payload, message_id, due_at, at
      )
      select c.region, c.partition, c.execution_id, 1, 'started', c.name, c.detail, c.payload, c.message_id,
        c.start_at, date_trunc('milliseconds', now())
      from created as c
      returning 1
    ), timed as (
      insert into ${tables.timers} (region, partition, execution_id, version, due_at)
      select c.region, c.partition, c.execution_id, 1, c.start_at from created as c where c.start_at is not null
      on conflict (region, partition, execution_id, version) do nothing
      returning 1
    )
    select c.n, date_trunc('milliseconds', now()) as at from created as c`
}

function startColumns(starts: readonly StartRow[]) {
  return {
    workflow: textArray(starts.map((start) => start.workflow)),
    workflowVersion: textArray(starts.map((start) => start.workflowVersion)),
    startId: textArray(starts.map((start) => start.startId)),
    claimedBy: textArray(starts.map((start) => (isClaimable(start) ? start.claimedBy : null))),
    startAt: instantArray(starts.map((start) => start.startAt)),
    parentId: textArray(starts.map((start) => start.parent?.key.executionId)),
    parentSeq: plainArray(starts.map((start) => start.parent?.seq)),
    parentRun: plainArray(starts.map((start) => start.parent?.run)),
    attributes: textArray(
      starts.map((start) => (start.attributes === undefined ? null : JSON.stringify(start.attributes))),
    ),
    name: textArray(starts.map((start) => start.event.name)),
    detail: textArray(starts.map((start) => start.event.detail)),
    payload: textArray(starts.map((start) => start.event.payload)),
    messageId: textArray(starts.map((start) => start.event.messageId)),
  }
}

/** In the order given: outcomes are put together in that order. An id that comes up again begins a slice of its own. */
function sliceStarts(starts: readonly StartRow[]): StartRow[][] {
  const bySize = apart(starts).flatMap((distinct) => slices(distinct, STARTS_MAX))
  return bySize.flatMap((slice) => {
    const characters = slice.reduce((sum, start) => sum + (start.event.payload?.length ?? 0), 0)
    return characters <= CHARACTERS_MAX
      ? [slice]
      : slices(slice, Math.ceil((slice.length * CHARACTERS_MAX) / characters))
  })
}

function apart(starts: readonly StartRow[]): StartRow[][] {
  const seen = new Set<string>()
  const parts: StartRow[][] = [[]]
  for (const start of starts) {
    if (seen.has(start.key.executionId)) {
      seen.clear()
      parts.push([])
    }
    seen.add(start.key.executionId)
    parts.at(-1)?.push(start)
  }
  return parts
}

const STARTS_MAX = 1_000
const CHARACTERS_MAX = 4_000_000
