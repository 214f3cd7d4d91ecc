// A transactional step: the user's writes and the step's event in one transaction, so that it takes effect exactly
// once. The fence is locked with the append; a claim or version that is someone else's rolls everything back.

import { CerebelumError } from '../core/errors.js'
import type { NewEvent } from '../core/event.js'
import type { ExecutionKey } from '../core/execution.js'
import { writeCommits } from './commit.js'
import { isFromDatabase, isVersionTaken, sortFailure } from './failures.js'
import { resolveCommits } from './resolve.js'
import { withRetry } from './retry.js'
import type { Sessions } from './sessions.js'
import type { SingleContext } from './single.js'
import type { Commit, CommitOutcome, TransactionSql } from './store.js'
import { transaction } from './transaction.js'

export interface TransactOptions<T> {
  readonly key: ExecutionKey
  readonly nodeId: string
  readonly claimEpoch: number
  readonly work: (sql: TransactionSql) => Promise<T>
  readonly event: (result: T) => NewEvent
  readonly lock: () => Promise<number>
  readonly unlock: () => void
}

export interface Transacted<T> {
  readonly outcome: CommitOutcome
  readonly result: T
}

interface Written<T> {
  readonly commit: Commit
  readonly result: T
}

export async function transact<T>(
  context: TransactContext,
  options: TransactOptions<T>,
): Promise<Transacted<T>> {
  let written: Written<T> | undefined
  try {
    return await withRetry(context.policy, 'transact', async ({ doubtful }) => {
      if (doubtful && written !== undefined) {
        const [resolution] = await resolveCommits(context.database, [written.commit])
        if (resolution !== undefined && resolution.kind !== 'pending') {
          return { outcome: resolution, result: written.result }
        }
      }
      written = undefined
      return attempt(context, options, { doubtful, onWritten: (now) => (written = now) })
    })
  } catch (error) {
    // What the user's code threw is the step's failure, as it was thrown.
    throw error instanceof CerebelumError && error.cause instanceof WorkFailed ? error.cause.error : error
  }
}

export interface TransactContext extends SingleContext {
  /** Connections for transactions of users alone. They are held while the user's code runs and while the right to
   *  append is waited for; were they those of the lanes, the append in front could never be written. */
  readonly transactions: Sessions
}

async function attempt<T>(
  context: TransactContext,
  options: TransactOptions<T>,
  progress: { readonly doubtful: boolean; readonly onWritten: (written: Written<T>) => void },
): Promise<Transacted<T>> {
  let written: Written<T> | undefined
  let isLocked = false
  try {
    return await transaction(context.transactions, async (sql) => {
      const result = await work(options, sql)
      const event = options.event(result)
      const version = await options.lock()
      isLocked = true
      written = { commit: asCommit(options, event, version), result }
      progress.onWritten(written)
      const [outcome] = await writeCommits({ sql, tables: context.database.tables }, [written.commit])
      if (outcome === undefined) throw new Lost()
      return { outcome, result }
    })
  } catch (error) {
    if (written !== undefined && (error instanceof Lost || isVersionTaken(error))) {
      const outcome = progress.doubtful ? await outcomeOf(context, written.commit) : { kind: 'lost' as const }
      return { outcome, result: written.result }
    }
    // The next try needs a connection, which others may hold who wait for the right to append.
    if (isLocked) options.unlock()
    throw error
  }
}

/** Runs the user's code. What it throws is its own, unless the database or the connection is to blame. */
async function work<T>(options: TransactOptions<T>, sql: TransactionSql): Promise<T> {
  try {
    return await options.work(sql)
  } catch (error) {
    const kind = sortFailure(error)
    if (kind === 'conflict' || kind === 'busy' || (kind === 'unknown' && isFromDatabase(error))) throw error
    if (kind === 'unknown' || kind === 'unreachable') await sql`select 1`.catch(throwIfGone)
    throw new WorkFailed(error)
  }
}

/** A transaction that has failed refuses the statement, which proves that its connection lives. */
function throwIfGone(error: unknown): void {
  const kind = sortFailure(error)
  if (kind === 'unknown' || kind === 'unreachable' || kind === 'closed') throw error
}

/** What the user's code threw; never leaves this file. */
class WorkFailed extends Error {
  readonly error: unknown
  constructor(error: unknown) {
    super('the transactional step failed')
    this.error = error
  }
}

/** Thrown to roll back when the fence does not hold; never leaves this file. */
class Lost extends Error {}

function asCommit<T>(options: TransactOptions<T>, event: NewEvent, expectedVersion: number): Commit {
  return {
    key: options.key,
    nodeId: options.nodeId,
    claimEpoch: options.claimEpoch,
    expectedVersion,
    events: [event],
  }
}

async function outcomeOf(context: SingleContext, commit: Commit): Promise<CommitOutcome> {
  const [resolution] = await resolveCommits(context.database, [commit])
  return resolution === undefined || resolution.kind === 'pending' ? { kind: 'lost' } : resolution
}
