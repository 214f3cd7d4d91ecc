// Which partitions a node should take or give, from what it sees: pure. Fair share, few moves: a node keeps what it
// has up to its share, takes what nobody lives to own, and gives only what is over.

import type { LeaseRow, PartitionRow } from '../store/store.js'

export interface Moves {
  readonly take: readonly number[]
  readonly give: readonly number[]
}

export function planMoves(
  self: { readonly nodeId: string; readonly region: string },
  leases: readonly LeaseRow[],
  partitions: readonly PartitionRow[],
): Moves {
  const living = leases.filter((lease) => !lease.expired)
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
  return { take, give: [...give, ...stray.map((partition) => partition.partition)] }
}
