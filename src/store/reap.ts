// What becomes of leases that ran out, and of what a node that leaves still has: handed back in bounded batches, each
// a statement of its own, so that it may be cut short anywhere. Claims of the dead are taken over from `take-over.ts`.

import { deleteExpired, deleteLeases, findExpired, findLeased, findOrphaned, type Over } from './leases.js'
import { freePartitions } from './partitions.js'
import { type RetryPolicy, withRetry } from './retry.js'
import type { Home } from './rows.js'
import type { Database } from './tables.js'
import { takeOver } from './take-over.js'

export interface Reaping {
  readonly database: Database
  readonly policy: RetryPolicy
  readonly home: Home
  /** Doorbells ring in these partitions. */
  readonly onRung: (partitions: ReadonlySet<number>) => void
  /** A node that left gave partitions up. */
  readonly onFree: () => void
}

/** Deletes leases that ran out; returns whose that were, and who else holds claims without a lease. */
export async function buryLeases({ database, policy }: Reaping, over: Over): Promise<string[]> {
  const expired = await withRetry(policy, 'buryLeases', () => findExpired(database, over))
  const alive = await withRetry(policy, 'buryLeases', () => bury(database, { ...over, nodeIds: expired }))
  const orphaned = await withRetry(policy, 'buryLeases', () => findOrphaned(database, NODES_MAX))
  const dead = [...new Set([...expired.filter((nodeId) => !alive.has(nodeId)), ...orphaned])]
  // Nobody is told: whoever buries is looking already, and so do the others, each in its own time.
  if (dead.length > 0) await withRetry(policy, 'buryLeases', () => freePartitions(database, dead))
  return dead
}

/** The same of nodes whose processes are known to have ended, however long their leases last; not of those who left. */
export async function buryNodes(
  { database, policy, onFree }: Reaping,
  nodeIds: readonly string[],
): Promise<string[]> {
  // Asked before, so that it does not hang on the answer to the deletion.
  const dead = await withRetry(policy, 'buryNodes', () => findLeased(database, nodeIds))
  if (dead.length === 0) return []
  await withRetry(policy, 'buryNodes', () => deleteLeases(database, dead))
  const freed = await withRetry(policy, 'buryNodes', () => freePartitions(database, dead))
  // Only its neighbors know: the others have no reason to look.
  if (freed > 0) onFree()
  return dead
}

/** Who is dead is told by whose lease is gone, so that it does not hang on the answer to the deletion. */
function bury(
  database: Database,
  expired: Over & { readonly nodeIds: readonly string[] },
): Promise<ReadonlySet<string>> {
  return expired.nodeIds.length === 0 ? Promise.resolve(new Set()) : deleteExpired(database, expired)
}

/** A node leaves in good order. */
export async function removeLease(reaping: Reaping, nodeId: string): Promise<void> {
  const { database, policy } = reaping
  await withRetry(policy, 'removeLease', () => deleteLeases(database, [nodeId]))
  await freeAll(reaping, nodeId)
  await handBackAll(reaping, nodeId)
}

/** Gives up what a node owns, and tells the others if that is anything. */
export async function freeAll({ database, policy, onFree }: Reaping, nodeId: string): Promise<void> {
  const freed = await withRetry(policy, 'freePartitions', () => freePartitions(database, [nodeId]))
  if (freed > 0) onFree()
}

async function handBackAll({ database, policy, home, onRung }: Reaping, nodeId: string): Promise<void> {
  const estate = { nodeIds: [nodeId], crashesMax: undefined, heir: null, limit: BATCH_SIZE }
  for (let batch = 0; batch < BATCHES_MAX; batch++) {
    const { ended, rung } = await withRetry(policy, 'handBack', () => takeOver(database, estate, home))
    if (ended === 0) return
    // After each batch: the others begin while the rest is still being handed back.
    onRung(rung)
  }
}

const NODES_MAX = 1_000
const BATCH_SIZE = 1_000
// Whoever looks next goes on where this one stopped, because the claims still have no lease.
const BATCHES_MAX = 10_000
