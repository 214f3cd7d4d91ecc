// A transactional step: the user's writes and the step's event in one transaction, so that it takes effect exactly
// once. The fence is locked with the append; a claim or version that is someone else's rolls everything back.

import type { NewEvent } from '../core/event.js'
import type { ExecutionKey } from '../core/execution.js'
import { writeCommits } from './commit.js'
import { sortFailure } from './failures.js'
import { resolveCommits } from './resolve.js'
import { withRetry } from './retry.js'
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
}

export interface Transacted<T> {
  readonly outcome: CommitOutcome
  readonly result: T
}

export async function transact<T>(
  context: SingleContext,
  options: TransactOptions<T>,
): Promise<Transacted<T>> {
  // `lock` is awaited once: what it guards stays locked until the outcome is known.
  let version: Promise<number> | undefined
  let written: { readonly commit: Commit; readonly result: T } | undefined
  return withRetry(context.policy, 'transact', async ({ doubtful }) => {
    if (doubtful && written !== undefined) {
      const [resolution] = await resolveCommits(context.database, [written.commit])
      if (resolution !== undefined && resolution.kind !== 'pending') {
        return { outcome: resolution, result: written.result }
      }
    }
    try {
      return await transaction(context.pool, async (sql) => {
        const result = await options.work(sql)
        const event = options.event(result)
        version ??= options.lock()
        const commit = asCommit(options, event, await version)
        written = { commit, result }
        const [outcome] = await writeCommits({ sql, tables: context.database.tables }, [commit])
        if (outcome === undefined) throw new Lost(result)
        return { outcome, result }
      })
    } catch (error) {
      if (error instanceof Lost && written !== undefined) {
        const outcome = doubtful ? await outcomeOf(context, written.commit) : { kind: 'lost' as const }
        return { outcome, result: written.result }
      }
      if (sortFailure(error) === 'duplicate' && written !== undefined && isVersionTaken(error)) {
        const outcome = doubtful ? await outcomeOf(context, written.commit) : { kind: 'lost' as const }
        return { outcome, result: written.result }
      }
      throw error
    }
  })
}

/** Thrown to roll back when the fence does not hold; never leaves this file. */
class Lost extends Error {
  readonly result: unknown
  constructor(result: unknown) {
    super('the claim is lost')
    this.result = result
  }
}

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

/** Tells the history's key from a unique key of the user's own tables. */
function isVersionTaken(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('constraint_name' in error)) return false
  return typeof error.constraint_name === 'string' && /^events(_\d\d)?_pkey$/.test(error.constraint_name)
}
