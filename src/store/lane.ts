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
    await commitBatch(database, policy, batch, outcomes)
  }
  return outcomes
}

/** In the order of the keys, so that two lanes lock rows in the same order and never wait for each other in a ring. */
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

async function commitBatch(
  database: Database,
  policy: RetryPolicy,
  batch: readonly Entry[],
  outcomes: CommitOutcome[],
): Promise<void> {
  let pending = batch
  await withRetry(policy, 'commit', async ({ doubtful }) => {
    if (doubtful) pending = await settle(database, pending, outcomes, true)
    // Each round settles at least one entry or throws, so the rounds are bounded by the entries.
    for (let round = 0; pending.length > 0 && round <= batch.length; round++) {
      try {
        const refused = await write(database, pending, outcomes)
        // After a lost connection the first statement may still have been under way when we looked.
        pending = doubtful ? await settle(database, refused, outcomes, true) : []
      } catch (error) {
        const kind = sortFailure(error)
        if (kind !== 'duplicate' && kind !== 'fatal') throw error
        pending = await afterRefusal(database, pending, outcomes, { doubtful, error })
      }
    }
  })
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

/**
 * The whole statement was refused because of one entry or a few. A version that exists already shows by reading;
 * what cannot be found that way is written alone, and only the offender is given up.
 */
async function afterRefusal(
  database: Database,
  entries: readonly Entry[],
  outcomes: CommitOutcome[],
  refusal: { readonly doubtful: boolean; readonly error: unknown },
): Promise<readonly Entry[]> {
  const [only] = entries
  const remaining = await settle(database, entries, outcomes, refusal.doubtful)
  if (remaining.length < entries.length) return remaining
  if (entries.length > 1) return writeOneByOne(database, entries, outcomes, refusal.doubtful)
  if (only !== undefined) {
    outcomes[only.index] = {
      kind: 'lost',
      cause: asStoreError(refusal.error, { call: 'commit', doubtful: false }),
    }
  }
  return []
}

async function writeOneByOne(
  database: Database,
  entries: readonly Entry[],
  outcomes: CommitOutcome[],
  doubtful: boolean,
): Promise<readonly Entry[]> {
  const remaining: Entry[] = []
  for (const entry of entries) {
    try {
      const refused = await write(database, [entry], outcomes)
      if (doubtful) remaining.push(...(await settle(database, refused, outcomes, true)))
    } catch (error) {
      const kind = sortFailure(error)
      if (kind !== 'duplicate' && kind !== 'fatal') throw error
      remaining.push(...(await afterRefusal(database, [entry], outcomes, { doubtful, error })))
    }
  }
  return remaining
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
