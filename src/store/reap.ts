// What becomes of a node's claims when it is gone: handed back in bounded batches, each a statement of its own, so
// that whoever reaps may die half-way and the next one carries on.

import { deleteExpired, deleteLease, findExpired, findOrphaned, handBack } from './leases.js'
import { freePartitions } from './partitions.js'
import { type RetryPolicy, withRetry } from './retry.js'
import type { Database } from './tables.js'

export interface Reaping {
  readonly database: Database
  readonly policy: RetryPolicy
  /** Doorbells ring in these partitions. */
  readonly onRung: (partitions: ReadonlySet<number>) => void
  /** A node that left gave partitions up. */
  readonly onFree: () => void
}

/** Deletes leases that ran out, and rings what their nodes, and any node without a lease, had claimed. */
export async function reapLeases(
  reaping: Reaping,
  { graceMs, crashesMax }: { readonly graceMs: number; readonly crashesMax: number },
): Promise<string[]> {
  const { database, policy } = reaping
  const expired = await withRetry(policy, 'reapLeases', () => findExpired(database, graceMs))
  const alive = await withRetry(policy, 'reapLeases', () => bury(database, { nodeIds: expired, graceMs }))
  const orphaned = await withRetry(policy, 'reapLeases', () => findOrphaned(database, NODES_MAX))
  const dead = [...new Set([...expired.filter((nodeId) => !alive.has(nodeId)), ...orphaned])]
  for (const nodeId of dead) {
    // Nobody is told: whoever reaps is looking already, and so do the others, each in its own time.
    await withRetry(policy, 'reapLeases', () => freePartitions(database, nodeId))
    await handBackAll(reaping, { nodeId, crashesMax })
  }
  return dead
}

/** Who is dead is told by whose lease is gone, so that it does not hang on the answer to the deletion. */
function bury(
  database: Database,
  expired: { readonly nodeIds: readonly string[]; readonly graceMs: number },
): Promise<ReadonlySet<string>> {
  return expired.nodeIds.length === 0 ? Promise.resolve(new Set()) : deleteExpired(database, expired)
}

/** A node leaves in good order. */
export async function removeLease(reaping: Reaping, nodeId: string): Promise<void> {
  const { database, policy } = reaping
  await withRetry(policy, 'removeLease', () => deleteLease(database, nodeId))
  await freeAll(reaping, nodeId)
  await handBackAll(reaping, { nodeId, crashesMax: undefined })
}

/** Gives up what a node owns, and tells the others if that is anything. */
export async function freeAll({ database, policy, onFree }: Reaping, nodeId: string): Promise<void> {
  const freed = await withRetry(policy, 'freePartitions', () => freePartitions(database, nodeId))
  if (freed > 0) onFree()
}

async function handBackAll(
  { database, policy, onRung }: Reaping,
  options: { readonly nodeId: string; readonly crashesMax: number | undefined },
): Promise<void> {
  for (let batch = 0; batch < BATCHES_MAX; batch++) {
    const rung = await withRetry(policy, 'handBack', () =>
      handBack(database, { ...options, limit: BATCH_SIZE }),
    )
    if (rung.length === 0) return
    // After each batch: the others begin while the rest is still being handed back.
    onRung(new Set(rung))
  }
}

const NODES_MAX = 1_000
const BATCH_SIZE = 1_000
// The next reaping goes on where this one stopped, because the claims still have no lease.
const BATCHES_MAX = 10_000
