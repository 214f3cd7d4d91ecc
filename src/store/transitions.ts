// Single transitions: restart, terminate, resume, remove. Rare, done by people or policies, each in one transaction
// that locks the execution's row first. `terminate` and `restart` raise the claim epoch, so that a node which still
// holds the execution loses its next commit.

import { CerebelumError } from '../core/errors.js'
import type { NewEvent } from '../core/event.js'
import type { ExecutionKey } from '../core/execution.js'
import { PRIORITY_DEFAULT } from '../core/priority.js'
import { type Home, decodeParent } from './rows.js'
import type { ClosedStatus } from '../core/execution.js'
import type { RestartRow } from './store.js'
import type { Database } from './tables.js'

/** The row as a transition sees it, and the last version of its history. */
export interface Locked {
  readonly status: string
  readonly run: number
  readonly runVersion: number
  readonly isClosed: boolean
  readonly closedAt: Date | null
  readonly claimedBy: string | null
  readonly claimEpoch: number
  readonly startId: string | null
  readonly lastVersion: number
  readonly parent: ReturnType<typeof decodeParent>
  readonly startedAt: Date
  readonly at: Date
}

interface RawLocked {
  readonly status: string
  readonly run: number
  readonly run_version: number
  readonly closed_at: Date | null
  readonly claimed_by: string | null
  readonly claim_epoch: number
  readonly start_id: string | null
  readonly parent_id: string | null
  readonly parent_seq: number | null
  readonly parent_run: number | null
  readonly started_at: Date
  readonly at: Date
}

/** Locks one row. Index: executions_pkey; then the last event, by events_pkey from its end. */
export async function lockExecution(
  database: Database,
  key: ExecutionKey,
  home: Home,
): Promise<Locked | null> {
  const { sql, tables } = database
  const [row] = await sql<RawLocked[]>`
    select e.status, e.run, e.run_version, e.closed_at, e.claimed_by, e.claim_epoch,
      e.start_id, e.parent_id, e.parent_seq, e.parent_run, e.started_at, date_trunc('milliseconds', now()) as at
    from ${tables.executions} as e
    where ${isExecution(database, key)}
    for update`
  if (row === undefined) return null
  // A statement of its own: it sees what was committed while this one waited for the lock.
  const [last] = await sql<{ version: number }[]>`
    select e.version from ${tables.events} as e where ${isExecution(database, key)}
    order by e.version desc limit 1`
  return {
    status: row.status,
    run: row.run,
    runVersion: row.run_version,
    isClosed: row.closed_at !== null,
    closedAt: row.closed_at,
    claimedBy: row.claimed_by,
    claimEpoch: row.claim_epoch,
    startId: row.start_id,
    lastVersion: last?.version ?? 0,
    parent: decodeParent(row, home),
    startedAt: row.started_at,
    at: row.at,
  }
}

/** Appends events from a version on. Index: events_pkey. Rows written: the events and their timers. */
export async function appendEvents(
  { sql, tables }: Database,
  key: ExecutionKey,
  append: { readonly expectedVersion: number; readonly events: readonly NewEvent[] },
): Promise<void> {
  for (const [ordinal, event] of append.events.entries()) {
    const version = append.expectedVersion + 1 + ordinal
    await sql`
      with appended as (
        insert into ${tables.events} (
          region, partition, execution_id, version, type, seq, name, attempt, detail, payload, message_id, due_at
        )
        values (
          ${key.region}::text, ${key.partition}::int2, ${key.executionId}::text, ${version}::int4,
          ${event.type}::text, ${event.seq ?? null}::int4, ${event.name ?? null}::text,
          ${event.attempt ?? null}::int2, ${event.detail ?? null}::text, ${event.payload ?? null}::text,
          ${event.messageId ?? null}::text,
          coalesce(
            ${event.dueAt?.toISOString() ?? null}::timestamptz,
            now() + ${event.delayMs ?? null}::float8 * interval '1 millisecond'
          )
        )
        returning region, partition, execution_id, version, due_at
      )
      insert into ${tables.timers} (region, partition, execution_id, version, due_at)
      select a.region, a.partition, a.execution_id, a.version, a.due_at
      from appended as a where a.due_at is not null
      on conflict (region, partition, execution_id, version) do nothing`
  }
}

/** Closes the run and fences its holder off. Index: executions_pkey, one row. */
export async function closeRow(
  database: Database,
  key: ExecutionKey,
  close: { readonly version: number; readonly status: ClosedStatus },
): Promise<void> {
  const { sql, tables } = database
  await sql`
    update ${tables.executions} as e set
      status = ${close.status}::text, version = ${close.version}::int4, claimed_by = null,
      claim_epoch = e.claim_epoch + 1, ready_at = null, note = null,
      closed_at = date_trunc('milliseconds', now())
    where ${isExecution(database, key)}`
}

/**
 * Tells a waiting parent that its child closed; a closed parent is not told. Indexes: executions_pkey, signals_pkey, one
 * row each.
 */
export async function tellParent(
  { sql, tables }: Database,
  child: {
    readonly key: ExecutionKey
    readonly status: ClosedStatus
    readonly run: number
    readonly payload: string | null
  },
  parent: NonNullable<Locked['parent']>,
): Promise<void> {
  const detail = JSON.stringify({ seq: parent.seq, run: parent.run, status: child.status })
  const { key } = parent
  // In two: of both at once CockroachDB looks for the message in the whole table.
  const [told] = await sql<{ inbox: number }[]>`
    update ${tables.executions} as e set
      inbox = e.inbox + 1,
      ready_at = case
        when e.status in ('running', 'waiting', 'blocked') then coalesce(e.ready_at, now()) else e.ready_at end
    where e.region = ${key.region}::text and e.partition = ${key.partition}::int2
      and e.execution_id = ${key.executionId}::text and e.closed_at is null
    returning e.inbox`
  if (told === undefined) return
  await sql`
    insert into ${tables.signals} (region, partition, execution_id, message_id, position, kind, name, payload, detail)
    values (
      ${key.region}::text, ${key.partition}::int2, ${key.executionId}::text, ${childMessageId(child)}::text,
      ${told.inbox}::int4, 'child', ${child.key.executionId}::text, ${child.payload}::text, ${detail}::text
    )
    on conflict (region, partition, execution_id, message_id) do nothing`
}

function childMessageId(child: { readonly key: ExecutionKey; readonly run: number }): string {
  return `child:${child.key.executionId}:${child.run}`
}

/**
 * The children of a run that are open, with what was recorded of each when it was begun.
 * Indexes: executions_children, the children of one parent; events_pkey, the events of its run.
 */
export async function readChildren(
  { sql, tables }: Database,
  key: ExecutionKey,
  of: { readonly run: number; readonly runVersion: number },
): Promise<{ readonly key: ExecutionKey; readonly detail: string | null }[]> {
  const rows = await sql<
    { region: string; partition: number; execution_id: string; detail: string | null }[]
  >`
    select c.region, c.partition, c.execution_id, h.detail
    from ${tables.by('executions_children')} as c
    join ${tables.by('events_pkey')} as h
      on h.region = ${key.region}::text and h.partition = ${key.partition}::int2
      and h.execution_id = ${key.executionId}::text and h.version >= ${of.runVersion}::int4
      and h.type = 'child_started' and h.seq = c.parent_seq
    where c.parent_id = ${key.executionId}::text and c.parent_run = ${of.run}::int4 and c.closed_at is null`
  return rows.map(({ region, partition, execution_id, detail }) => ({
    key: { region, partition, executionId: execution_id },
    detail,
  }))
}

/** What came for the run that ended is not for the next one. Index: signals_unread, the unread of one execution. */
export async function discardUnread(
  database: Database,
  key: ExecutionKey,
  how: { readonly kind?: string; readonly answer?: string },
): Promise<void> {
  const { sql, tables } = database
  await sql`
    update ${tables.by('signals_unread')} as e set
      consumed_at = now(), payload = null,
      answer_ok = case when e.kind in ('update', 'query') then false end,
      answer = case when e.kind in ('update', 'query') then ${how.answer ?? null}::text end
    where ${isExecution(database, key)} and e.consumed_at is null
      and e.kind = coalesce(${how.kind ?? null}::text, e.kind)`
}

/** Begins a new run on the row of the last one. Index: executions_pkey, one row. */
export async function reopenRow(database: Database, row: RestartRow, version: number): Promise<void> {
  const { sql, tables } = database
  const isLater = row.startAt !== undefined
  const attributes = row.attributes === undefined ? null : JSON.stringify(row.attributes)
  await sql`
    update ${tables.executions} as e set
      workflow = ${row.workflow}::text, workflow_version = ${row.workflowVersion}::text,
      status = ${isLater ? 'waiting' : 'running'}::text, run = e.run + 1,
      run_version = ${version}::int4, version = ${version}::int4, claimed_by = null,
      claim_epoch = e.claim_epoch + 1,
      ready_at = case when not ${isLater}::bool then now() end,
      attempts = 0, priority = ${row.priority ?? PRIORITY_DEFAULT}::int2, start_id = ${row.startId}::text, parent_id = ${row.parent?.key.executionId ?? null}::text,
      parent_seq = ${row.parent?.seq ?? null}::int4, parent_run = ${row.parent?.run ?? null}::int4,
      attributes = ${attributes}::text::jsonb, note = null,
      started_at = date_trunc('milliseconds', now()), closed_at = null
    where ${isExecution(database, row.key)}`
}

/** Wakes a paused, blocked or dead execution, at once: one that is blocked may be due to be looked at later. Index: executions_pkey, one row. */
export async function resumeRow(database: Database, key: ExecutionKey, version: number): Promise<void> {
  const { sql, tables } = database
  await sql`
    update ${tables.executions} as e set
      status = 'running', version = ${version}::int4, attempts = 0, note = null,
      -- Not the instant at which this began: a timer that was taken in silence since must be due for whoever answers.
      ready_at = clock_timestamp()
    where ${isExecution(database, key)}`
}

/** Whether a request of this id has resumed it before. Index: events_pkey, the events of one execution; only for those who give an id. */
export async function hasResumed(database: Database, key: ExecutionKey, messageId: string): Promise<boolean> {
  const { sql, tables } = database
  const rows = await sql`
    select 1 from ${tables.by('events_pkey')} as e
    where ${isExecution(database, key)} and e.type = 'resumed' and e.message_id = ${messageId}::text
    limit 1`
  return rows.length > 0
}

/** One event, to be compared after an unknown outcome. Index: events_pkey, one row. */
export async function readEventText(
  database: Database,
  key: ExecutionKey,
  version: number,
): Promise<{ type: string; payload: string | null; detail: string | null; at: Date } | undefined> {
  const { sql, tables } = database
  const rows = await sql<{ type: string; payload: string | null; detail: string | null; at: Date }[]>`
    select e.type, e.payload, e.detail, e.at from ${tables.events} as e
    where ${isExecution(database, key)} and e.version = ${version}::int4`
  return rows[0]
}

export function requireEvent(event: NewEvent | undefined, executionId: string): NewEvent {
  if (event !== undefined) return event
  const text = `A restart of execution "${executionId}", which is open, was asked without an event that closes it.`
  throw new CerebelumError('INVALID_ARGUMENT', text, { executionId })
}

function isExecution({ sql }: Database, key: ExecutionKey) {
  return sql`e.region = ${key.region}::text and e.partition = ${key.partition}::int2
    and e.execution_id = ${key.executionId}::text`
}
