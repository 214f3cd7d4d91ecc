// The nodes of a cluster as a table, and what they are together. Pure.

import type { ClusterNodeStats, ClusterStats } from '../client/cluster.js'
import type { TableData } from './output.js'

export function nodesTable({ at, nodes }: ClusterStats): TableData {
  return {
    head: [
      'node',
      'region',
      'address',
      'release',
      'running',
      'cached',
      'queued',
      'lag ms',
      'cpu',
      'partitions',
      'up',
      'lease',
    ],
    rows: nodes.map((node) => [
      node.nodeId,
      placeOf(node),
      node.address,
      node.release,
      `${node.load.running}/${node.capacity}`,
      node.load.cached,
      node.load.laneDepth,
      node.load.lagMs,
      node.load.cpu,
      node.partitions,
      spanOf(at.getTime() - node.startedAt.getTime()),
      node.isDraining ? 'leaving' : node.isAlive ? 'held' : 'ran out',
    ]),
  }
}

export function nodesTotal({ nodes, partitions, imbalance }: ClusterStats): string {
  const alive = nodes.filter(({ isAlive }) => isAlive).length
  const unowned = partitions.filter(({ owner }) => owner === null).length
  return (
    `${alive} alive, ${partitions.length} partitions (${unowned} nobody's), ` +
    `imbalance: partitions ${imbalance.partitions}, running ${imbalance.running}`
  )
}

function placeOf({ region, zone }: ClusterNodeStats): string {
  return zone === null ? region : `${region}/${zone}`
}

/** The largest unit only: 45s, 12m, 3h, 8d. */
function spanOf(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}
