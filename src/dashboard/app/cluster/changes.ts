// What has changed in the cluster from one look to the next: nodes that came, went, drain or no longer renew their lease,
// and partitions that moved. Pure.

import type { Cluster } from '../api/types.js'

export interface Change {
  readonly at: string
  readonly tone: 'good' | 'bad' | 'calm'
  readonly text: string
}

export function compareClusters(before: Cluster, after: Cluster): Change[] {
  return [...nodeChanges(before, after), ...partitionChanges(before, after)]
}

function nodeChanges(before: Cluster, after: Cluster): Change[] {
  const { at } = after
  const known = new Map(before.nodes.map((node) => [node.nodeId, node]))
  const changes: Change[] = []
  for (const { nodeId, region, isAlive, isDraining } of after.nodes) {
    const last = known.get(nodeId)
    known.delete(nodeId)
    if (last === undefined) changes.push({ at, tone: 'good', text: `node ${nodeId} joined in ${region}` })
    else if (last.isAlive && !isAlive)
      changes.push({ at, tone: 'bad', text: `the lease of node ${nodeId} ran out` })
    else if (!last.isDraining && isDraining) changes.push({ at, tone: 'calm', text: `node ${nodeId} drains` })
  }
  for (const { nodeId, isDraining } of known.values()) {
    const how = isDraining ? 'left in good order' : 'is gone: others take over what it held'
    changes.push({ at, tone: isDraining ? 'calm' : 'bad', text: `node ${nodeId} ${how}` })
  }
  return changes
}

/** One line for all that went the same way. */
function partitionChanges(before: Cluster, after: Cluster): Change[] {
  const owners = new Map(before.partitions.map(({ partition, owner }) => [partition, owner]))
  const moved = new Map<string, number>()
  for (const { partition, owner } of after.partitions) {
    const last = owners.get(partition)
    if (last === undefined || last === owner) continue
    const way = `from ${last ?? 'nobody'} to ${owner ?? 'nobody'}`
    moved.set(way, (moved.get(way) ?? 0) + 1)
  }
  return Array.from(moved, ([way, partitions]) => ({
    at: after.at,
    tone: way.endsWith('nobody') ? 'bad' : 'calm',
    text: `${partitions} ${partitions === 1 ? 'partition' : 'partitions'} ${way}`,
  }))
}
