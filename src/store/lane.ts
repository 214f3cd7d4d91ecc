// `Store.commit`: carries out lane statements so that one bad commit harms no other and an unknown outcome is
// resolved by reading. Batches are written one after the other; within one the statement is atomic.

import type { Commit, CommitOutcome } from './store.js'
import { type Entry, splitCommits } from './batches.js'
import { writeCommits } from './commit.js'
import { asStoreError, sortFailure } from './failures.js'
import { type Resolution, resolveCommits } from './resolve.js'
import { type RetryPolicy, withRetry } from './retry.js'
import type { Database } from './tables.js'

export async function commitLane(
  database: Database,
  policy: RetryPolicy,
  commits: readonly Commit[],
): Promise<CommitOutcome[]> {
  const outcomes: CommitOutcome[] = commits.map(() => ({ kind: 'lost' }))
  const entries = commits.map((commit, index) => ({ index, commit })).sort(byKey)
  for (const batch of splitCommits(entries)) {
    await commitBatch(database, policy, { entries: batch, doubtful: false }, outcomes)
  }
  return outcomes
}

/** In the order of the keys: what is split is split the same way by everybody. */
function byKey(a: Entry, b: Entry): number {
  return (
    a.commit.key.partition - b.commit.key.partition ||
    compare(a.commit.key.executionId, b.commit.key.executionId) ||
    a.index - b.index
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

interface Batch {
  readonly entries: readonly Entry[]
  /** An earlier statement with these entries lost its connection: it may take effect late. */
  readonly doubtful: boolean
}

async function commitBatch(
  database: Database,
  policy: RetryPolicy,
  batch: Batch,
  outcomes: CommitOutcome[],
): Promise<void> {
  let pending = batch.entries
  const refusal = await withRetry(policy, 'commit', async (attempt): Promise<Refusal | undefined> => {
    const doubtful = attempt.doubtful || batch.doubtful
    if (doubtful) pending = await settle(database, pending, outcomes, true)
    // Each round settles at least one entry or ends the loop, so the rounds are bounded by the entries.
    for (let round = 0; pending.length > 0 && round <= batch.entries.length; round++) {
      try {
        const refused = await write(database, pending, outcomes)
        // After a lost connection the first statement may still have been under way when we looked.
        pending = doubtful ? await settle(database, refused, outcomes, true) : []
      } catch (error) {
        const kind = sortFailure(error)
        if (kind !== 'duplicate' && kind !== 'fatal') throw error
        const remaining = await settle(database, pending, outcomes, doubtful)
        if (remaining.length === pending.length) return { error, doubtful }
        pending = remaining
      }
    }
    return undefined
  })
  if (refusal !== undefined) await narrow(database, policy, { entries: pending, ...refusal }, outcomes)
}

interface Refusal {
  readonly error: unknown
  readonly doubtful: boolean
}

/**
 * The database refused the whole statement because of one entry or a few, and no version shows which: it is
 * halved until only the offenders are left, and only they are given up.
 */
async function narrow(
  database: Database,
  policy: RetryPolicy,
  { entries, error, doubtful }: Batch & Refusal,
  outcomes: CommitOutcome[],
): Promise<void> {
  const [first] = entries
  if (first === undefined) return
  if (entries.length === 1) {
    const cause = asStoreError(error, { call: 'commit', doubtful: false })
    outcomes[first.index] = { kind: 'lost', cause }
    return
  }
  const half = Math.ceil(entries.length / 2)
  for (const part of [entries.slice(0, half), entries.slice(half)]) {
    await commitBatch(database, policy, { entries: part, doubtful }, outcomes)
  }
}

/** Writes the entries, notes those committed, returns those whose fence did not hold. */
async function write(
  database: Database,
  entries: readonly Entry[],
  outcomes: CommitOutcome[],
): Promise<readonly Entry[]> {
  const written = await writeCommits(
    database,
    entries.map((entry) => entry.commit),
  )
  return entries.filter(({ index }, n) => {
    const outcome = written[n]
    if (outcome === undefined) return true
    outcomes[index] = outcome
    return false
  })
}

/** Reads what became of the entries; returns those of which nothing has been written and which may still be. */
async function settle(
  database: Database,
  entries: readonly Entry[],
  outcomes: CommitOutcome[],
  doubtful: boolean,
): Promise<readonly Entry[]> {
  if (entries.length === 0) return entries
  const resolutions = await resolveCommits(
    database,
    entries.map((entry) => entry.commit),
  )
  return entries.filter((entry, n) => {
    const resolution: Resolution = resolutions[n] ?? { kind: 'pending' }
    if (resolution.kind === 'pending') return true
    // Without doubt nothing of ours can have been written: an equal event is another writer's.
    outcomes[entry.index] = doubtful ? resolution : { kind: 'lost' }
    return false
  })
}
