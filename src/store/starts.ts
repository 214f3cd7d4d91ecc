// Starts: executions with their `started` event, many in one statement, and what became of those whose id is taken.

import { CerebelumError } from '../core/errors.js'
import { PRIORITY_DEFAULT } from '../core/priority.js'
import { instantArray, plainArray, textArray } from './arrays.js'
import { readExecutions } from './executions.js'
import { type Claims, newToken } from './claims.js'
import { keyColumns, slices } from './keys.js'
import { arePlain, insertPlainStarts } from './plain-starts.js'
import { type Attempt, type RetryPolicy, withRetry } from './retry.js'
import type { ExecutionRow, StartOutcome, StartRow } from './store.js'
import type { Database } from './tables.js'

export interface StartContext {
  readonly database: Database
  readonly policy: RetryPolicy
  readonly claims: Claims
}

/** Starts in slices, each one statement that is retried on its own. */
export async function startExecutions(
  { database, policy, claims }: StartContext,
  starts: readonly StartRow[],
): Promise<StartOutcome[]> {
  const outcomes: StartOutcome[] = []
  const token = newToken()
  const nodeIds = [...new Set(starts.flatMap((row) => row.claimedBy ?? []))]
  try {
    for (const rows of sliceStarts(starts)) {
      // Kept over the attempts: what one of them created, a later one would find taken.
      const known = new Map<number, StartOutcome>()
      outcomes.push(
        ...(await withRetry(policy, 'insertExecutions', async ({ doubtful }) => {
          const claimed = doubtful ? await claims.readFresh(nodeIds, token) : NONE
          return start(database, { rows, token, known, doubtful, claimed })
        })),
      )
    }
  } catch (error) {
    // The caller is told of none of them; the claims that were made all the same are found by the next claim.
    for (const nodeId of nodeIds) claims.suspect(nodeId, token)
    throw error
  }
  return outcomes
}

/** Starts on the caller's own transaction: nothing is claimed, because nobody knows whether it will commit. */
export async function startWithin(database: Database, starts: readonly StartRow[]): Promise<StartOutcome[]> {
  const outcomes: StartOutcome[] = []
  for (const rows of sliceStarts(starts.map((row) => ({ ...row, claimedBy: null })))) {
    const call = { rows, token: 0, known: new Map<number, StartOutcome>(), doubtful: false, claimed: NONE }
    outcomes.push(...(await start(database, call)))
  }
  return outcomes
}

interface Call extends Attempt {
  readonly rows: readonly StartRow[]
  readonly token: number
  /** Outcomes by the index in `rows`; added to. */
  readonly known: Map<number, StartOutcome>
  /** The ids that an earlier attempt claimed whose answer was lost. */
  readonly claimed: ReadonlySet<string>
}

const NONE: ReadonlySet<string> = new Set()

async function start(database: Database, call: Call): Promise<StartOutcome[]> {
  const { rows, known } = call
  // An id that was taken, and whose execution was removed before we read it, is tried again.
  for (let round = 0; round < ROUNDS_MAX && known.size < rows.length; round++) {
    const open = rows.map((row, n) => ({ row, n })).filter(({ n }) => !known.has(n))
    const wanted = open.map(({ row }) => row)
    const insert = arePlain(wanted) ? insertPlainStarts : insertStarts
    const created = await insert(database, wanted, call.token)
    for (const { n, at } of created) {
      const entry = open[n]
      if (entry !== undefined) known.set(entry.n, { kind: 'created', at, claimed: isClaimable(entry.row) })
    }
    const taken = open.filter(({ n }) => !known.has(n))
    const existing = await readExecutions(
      database,
      taken.map(({ row }) => row.key),
    )
    for (const [i, { row, n }] of taken.entries()) {
      const found = existing[i]
      if (found !== undefined && found !== null) known.set(n, judge(row, found, call))
    }
  }
  return rows.map((row, n) => {
    const outcome = known.get(n)
    if (outcome !== undefined) return outcome
    const text = `Execution "${row.key.executionId}" was removed again and again while it was being started. Try again.`
    throw new CerebelumError('CONFLICT', text, { executionId: row.key.executionId })
  })
}

const ROUNDS_MAX = 5

/**
 * Whether the execution with the id wanted is the one this start made in an earlier try. The claim is only handed
 * out to the call that made it: a start that is repeated later would have two callers run the same execution.
 */
function judge(start: StartRow, row: ExecutionRow, { doubtful, claimed }: Call): StartOutcome {
  // A generated id is nobody else's; it can only be taken by our own lost attempt.
  const isOurs = start.startId === null ? doubtful && row.startId === null : row.startId === start.startId
  if (!isOurs) return { kind: 'exists', row }
  return { kind: 'created', at: row.startedAt, claimed: claimed.has(row.key.executionId) }
}

function isClaimable(start: StartRow): boolean {
  return start.claimedBy !== null && start.startAt === undefined
}

/**
 * Inserts those whose id is free, each with its first event and, for a later start, its timer; returns them, in no
 * order. Index: executions_pkey. Rows written: at most three per start.
 */
function insertStarts(
  database: Database,
  starts: readonly StartRow[],
  token: number,
): Promise<{ n: number; at: Date }[]> {
  const { sql, tables } = database
  const k = keyColumns(starts.map((start) => start.key))
  const s = startColumns(starts)
  // Most starts have none: a column more for all of them is not for nothing.
  const isPlain = starts.every(({ priority }) => priority === undefined)
  const priorities = plainArray(starts.map(({ priority }) => priority ?? PRIORITY_DEFAULT))
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
        region, partition, execution_id, workflow, workflow_version, status, claimed_by, claim_epoch, claim_token,
        ready_at, start_id, parent_id, parent_seq, parent_run, attributes, started_at
        ${isPlain ? sql`` : sql`, priority`}
      )
      select s.region, s.partition, s.execution_id, s.workflow, s.workflow_version,
        case when s.start_at is null then 'running' else 'waiting' end,
        s.claimed_by,
        case when s.claimed_by is null then 0 else 1 end,
        case when s.claimed_by is null then null else ${token}::int4 end,
        case when s.claimed_by is null and s.start_at is null then now() end,
        s.start_id, s.parent_id, s.parent_seq, s.parent_run, s.attributes::jsonb,
        date_trunc('milliseconds', now())
        ${isPlain ? sql`` : sql`, (${priorities}::int2[])[s.n + 1]`}
      from s
      order by s.region, s.partition, s.execution_id
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
