// `Store.restart`, `terminate`, `resume` and `remove`: the order of the steps of each, and what an unknown outcome
// means for it. After a lost connection each looks first whether it has already taken effect.

import { CerebelumError } from '../core/errors.js'
import type { NewEvent } from '../core/event.js'
import { type ClosedStatus, type ExecutionKey } from '../core/execution.js'
import { type NewMessage, unanswered } from '../core/message.js'
import { readExecutions } from './executions.js'
import { isVersionTaken } from './failures.js'
import { slices } from './keys.js'
import { deleteClosed, trimHistory } from './remove.js'
import { type RetryPolicy, withRetry } from './retry.js'
import type { Home } from './rows.js'
import { insertMessages } from './signals.js'
import type { Sessions } from './sessions.js'
import type { RestartRow, StartOutcome, TransactionSql } from './store.js'
import type { Database } from './tables.js'
import { transaction } from './transaction.js'
import {
  appendEvents,
  closeRow,
  discardUnread,
  hasResumed,
  lockExecution,
  readChildren,
  readEventText,
  reopenRow,
  requireEvent,
  resumeRow,
  tellParent,
} from './transitions.js'

export interface SingleContext {
  readonly transitions: Sessions
  readonly database: Database
  readonly policy: RetryPolicy
  readonly home: Home
}

/** What the tries of a call went for: whether one whose answer was lost took effect, is found by it. */
interface Tries {
  /** The version at which the last one appended its event. */
  version?: number
  /** When the execution began that the last one went on to remove. */
  startedAt?: Date
}

export function terminate(
  context: SingleContext,
  key: ExecutionKey,
  event: NewEvent,
): Promise<'terminated' | 'closed' | 'not_found'> {
  const tries: Tries = {}
  return withRetry(context.policy, 'terminate', ({ doubtful }) =>
    inTransaction(context, async (database) => {
      const row = await lockExecution(database, key, context.home)
      if (row === null) return 'not_found'
      if (doubtful && (await isWritten(database, key, { tries, event }))) return 'terminated'
      if (row.isClosed) return 'closed'
      tries.version = row.lastVersion + 1
      await end(database, { key, ...row }, event)
      return 'terminated'
    }),
  )
}

/** Terminates within a transaction that has more to do; what is closed already, or gone, is left as it is. */
export async function terminateIn(
  database: Database,
  home: Home,
  key: ExecutionKey,
  event: NewEvent,
): Promise<void> {
  const row = await lockExecution(database, key, home)
  if (row !== null && !row.isClosed) await end(database, { key, ...row }, event)
}

type LockedExecution = NonNullable<Awaited<ReturnType<typeof lockExecution>>>

async function end(
  database: Database,
  row: LockedExecution & { readonly key: ExecutionKey },
  event: NewEvent,
): Promise<void> {
  const { key, lastVersion, parent, run } = row
  const status = closingStatus(event)
  await appendEvents(database, key, { expectedVersion: lastVersion, events: [event] })
  await closeRow(database, key, { version: lastVersion + 1, status })
  if (parent !== null)
    await tellParent(database, { key, run, status, payload: event.payload ?? null }, parent)
  await tellChildren(database, row)
}

/** Whether an earlier try of ours appended this event after all. Asked under the lock of the row. */
async function isWritten(
  database: Database,
  key: ExecutionKey,
  { tries, event }: { readonly tries: Tries; readonly event: NewEvent },
): Promise<boolean> {
  if (tries.version === undefined) return false
  const found = await readEventText(database, key, tries.version)
  return (
    found?.type === event.type &&
    found.payload === (event.payload ?? null) &&
    found.detail === (event.detail ?? null)
  )
}

export function restart(
  context: SingleContext,
  row: RestartRow,
): Promise<StartOutcome | { readonly kind: 'conflict' }> {
  const tries: Tries = {}
  return withRetry(context.policy, 'restart', ({ doubtful }) =>
    inTransaction(context, (database) => restartIn(database, row, { home: context.home, tries, doubtful })),
  )
}

/** The same on the caller's own transaction: no retry; the caller commits. */
export function restartWithin(
  context: SingleContext,
  sql: TransactionSql,
  row: RestartRow,
): Promise<StartOutcome | { readonly kind: 'conflict' }> {
  const database = { sql, tables: context.database.tables }
  const options = { home: context.home, tries: {}, doubtful: false }
  return restartIn(database, row, options).catch((cause: unknown) => {
    if (!isVersionTaken(cause)) throw cause
    const { executionId } = row.key
    const text = `Execution "${executionId}" moved on while it was being replaced. Do the whole transaction again.`
    throw new CerebelumError('CONFLICT', text, { executionId, cause })
  })
}

async function restartIn(
  database: Database,
  row: RestartRow,
  { home, tries, doubtful }: { readonly home: Home; readonly tries: Tries; readonly doubtful: boolean },
): Promise<StartOutcome | { readonly kind: 'conflict' }> {
  const { key, event } = row
  const current = await lockExecution(database, key, home)
  if (current === null) return { kind: 'conflict' }
  if (current.run !== row.expectedRun) {
    const isSame = current.run === row.expectedRun + 1 && current.startId === row.startId
    // The same start asked again, or our own earlier try.
    const isOurs =
      row.startId === null ? doubtful && (await isWritten(database, key, { tries, event })) : isSame
    return isOurs ? { kind: 'created', at: current.startedAt, claimed: false } : { kind: 'conflict' }
  }
  let version = current.lastVersion
  if (!current.isClosed) {
    const close = requireEvent(row.close, key.executionId)
    await appendEvents(database, key, { expectedVersion: version, events: [close] })
    version += 1
    if (current.parent !== null) {
      const status = closingStatus(close)
      const child = { key, run: current.run, status, payload: close.payload ?? null }
      await tellParent(database, child, current.parent)
    }
    await tellChildren(database, { key, ...current })
  }
  await discardUnread(database, key, { answer: unanswered(key.executionId).payload })
  tries.version = version + 1
  const started = row.startAt === undefined ? event : { ...event, dueAt: row.startAt }
  await appendEvents(database, key, { expectedVersion: version, events: [started] })
  await reopenRow(database, row, version + 1)
  return { kind: 'created', at: current.at, claimed: false }
}

export function resume(
  context: SingleContext,
  key: ExecutionKey,
  event: NewEvent,
): Promise<'resumed' | 'not_resumable' | 'not_found'> {
  const tries: Tries = {}
  return withRetry(context.policy, 'resume', ({ doubtful }) =>
    inTransaction(context, async (database) => {
      const row = await lockExecution(database, key, context.home)
      if (row === null) return 'not_found'
      if (doubtful && (await isWritten(database, key, { tries, event }))) return 'resumed'
      if (event.messageId !== undefined && (await hasResumed(database, key, event.messageId)))
        return 'resumed'
      // A paused one may still be held by the node that is about to release it: not yet resumable.
      if (!RESUMABLE.has(row.status)) return 'not_resumable'
      tries.version = row.lastVersion + 1
      await appendEvents(database, key, { expectedVersion: row.lastVersion, events: [event] })
      await resumeRow(database, key, row.lastVersion + 1)
      // Asked for more than once, it is paused once.
      await discardUnread(database, key, { kind: 'pause' })
      return 'resumed'
    }),
  )
}

const RESUMABLE: ReadonlySet<string> = new Set(['paused', 'blocked', 'dead'])

export async function remove(
  context: SingleContext,
  key: ExecutionKey,
): Promise<'removed' | 'open' | 'not_found'> {
  await trimLong(context, key)
  const tries: Tries = {}
  return withRetry(context.policy, 'remove', ({ doubtful }) =>
    inTransaction(context, async (database) => {
      const row = await lockExecution(database, key, context.home)
      // Gone, or begun anew, since an earlier try of ours: that one took effect.
      const { startedAt } = tries
      const isGone = startedAt !== undefined && startedAt.getTime() !== row?.startedAt.getTime()
      if (doubtful && isGone) return 'removed'
      if (row === null) return 'not_found'
      if (row.closedAt === null) return 'open'
      tries.startedAt = row.startedAt
      await deleteClosed(database, [{ key, closedAt: row.closedAt }])
      return 'removed'
    }),
  )
}

/** A history of many runs is more than one transaction should delete. */
async function trimLong({ database, policy }: SingleContext, key: ExecutionKey): Promise<void> {
  const [row] = await withRetry(policy, 'remove', () => readExecutions(database, [key]))
  if (row === undefined || row === null || row.closedAt === null) return
  await trimHistory(database, policy, { key, version: row.version, closedAt: row.closedAt })
}

/** The open children of a run that is ended from outside, by the policies with which they were begun. */
async function tellChildren(
  database: Database,
  parent: { readonly key: ExecutionKey; readonly run: number; readonly runVersion: number },
): Promise<void> {
  const { executionId } = parent.key
  const messages: NewMessage[] = []
  for (const child of await readChildren(database, parent.key, parent)) {
    const { closePolicy }: Record<string, unknown> = Object(JSON.parse(child.detail ?? '{}'))
    if (closePolicy !== 'terminate' && closePolicy !== 'cancel') continue
    messages.push({
      key: child.key,
      messageId: `parent:${executionId}:${parent.run}`,
      kind: closePolicy,
      name: executionId,
      payload: JSON.stringify(`its parent "${executionId}" closed`),
    })
  }
  for (const slice of slices(messages, MESSAGES_MAX)) await insertMessages(database, slice, INBOX_MAX)
}

const MESSAGES_MAX = 1_000
/** What executions tell each other is never refused. */
const INBOX_MAX = 2 ** 31 - 1

/** A node that appended in between, which takes no lock on the row, has the version: a conflict like any other. */
export async function inTransaction<T>(
  context: SingleContext,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  try {
    return await transaction(context.transitions, (sql) => work({ sql, tables: context.database.tables }))
  } catch (error) {
    if (!isVersionTaken(error)) throw error
    throw Object.assign(new Error('the execution moved on', { cause: error }), { code: '40001' })
  }
}

function closingStatus(event: NewEvent): ClosedStatus {
  if (event.type === 'completed' || event.type === 'failed' || event.type === 'canceled') return event.type
  return 'terminated'
}
