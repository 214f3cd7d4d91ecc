// Which partitions a node should take or give, from what it sees: pure. Fair share, few moves: a node keeps what it
// has up to its share, takes what nobody lives to own, and gives only what is over.

import type { LeaseRow, PartitionRow } from '../store/store.js'

export interface Home {
  readonly region: string
  readonly partition: number
}

export interface Help {
  /** Partitions whose owner cannot run all that this node can, and its part of those that nobody lives to own: claimed
   *  from like own ones. */
  readonly neglected: readonly Home[]
  /** Partitions of the region that others look after: claimed from only what they are late with. */
  readonly looked: readonly Home[]
}

export interface Moves {
  readonly take: readonly number[]
  readonly give: readonly number[]
  /** How many more are this node's share, and are still another's: soon to be given, or their owner's to be buried. */
  readonly short: number
}

export function planMoves(
  self: { readonly nodeId: string; readonly region: string },
  leases: readonly LeaseRow[],
  partitions: readonly PartitionRow[],
): Moves {
  const living = leases.filter(isStaying)
  const regions = new Set(living.map((lease) => lease.region))
  // Partitions of a region without nodes are everybody's.
  const isOurs = (partition: PartitionRow): boolean =>
    partition.region === self.region || !regions.has(partition.region)
  const peers = living.filter((lease) => lease.region === self.region).map((lease) => lease.nodeId)
  if (!peers.includes(self.nodeId)) peers.push(self.nodeId)
  peers.sort()
  const ours = partitions.filter(isOurs)
  const rank = peers.indexOf(self.nodeId)
  // The first (n mod peers) nodes hold one more, so that the shares add up.
  const share = Math.floor(ours.length / peers.length) + (rank < ours.length % peers.length ? 1 : 0)
  const alive = new Set(living.map((lease) => lease.nodeId))
  const held = ours.filter((partition) => partition.owner === self.nodeId)
  const free = ours.filter((partition) => partition.owner === null || !alive.has(partition.owner))
  const give = held.slice(share).map((partition) => partition.partition)
  const stray = partitions.filter((partition) => partition.owner === self.nodeId && !isOurs(partition))
  const wanted = Math.max(0, share - held.length)
  // Each node begins at another place, so that two do not reach for the same partitions.
  const offset = free.length === 0 ? 0 : Math.floor((rank * free.length) / peers.length)
  const take = [...free.slice(offset), ...free.slice(0, offset)]
    .slice(0, wanted)
    .map((partition) => partition.partition)
  return {
    take,
    give: [...give, ...stray.map((partition) => partition.partition)],
    short: wanted - take.length,
  }
}

/** What leaves counts for nothing here: its share is the others' already. */
function isStaying({ expired, report }: LeaseRow): boolean {
  return !expired && !report.isDraining
}

/**
 * Where else a node claims. Ownership is only affinity: an execution must reach a node that can run it, whoever owns
 * its partition. Other regions are left to their own nodes as long as one of those can run the workflow.
 */
export function planHelp(
  self: { readonly nodeId: string; readonly region: string; readonly workflows: readonly string[] },
  leases: readonly LeaseRow[],
  partitions: readonly PartitionRow[],
): Help {
  const living = leases.filter(isStaying)
  const hosted = new Map(living.map((lease) => [lease.nodeId, new Set(lease.workflows)]))
  const peers = living.filter((lease) => lease.region === self.region).map((lease) => lease.nodeId)
  const rank = Math.max(0, peers.toSorted().indexOf(self.nodeId))
  let unowned = 0
  const neglected: Home[] = []
  const looked: Home[] = []
  for (const { region, partition, owner } of partitions) {
    if (owner === self.nodeId) continue
    const owned = owner === null ? undefined : hosted.get(owner)
    const missed = self.workflows.filter((workflow) => owned?.has(workflow) !== true)
    const isNear = region === self.region
    const isLast = (workflow: string): boolean =>
      !living.some((lease) => lease.region === region && lease.workflows.includes(workflow))
    // Soon somebody's: until then one of the region looks after each, or a hundred nodes that start would all poll all.
    if (isNear && owned === undefined && unowned++ % Math.max(1, peers.length) !== rank) continue
    if (isNear ? missed.length > 0 : missed.some(isLast)) neglected.push({ region, partition })
    else if (isNear) looked.push({ region, partition })
  }
  return { neglected, looked }
}
