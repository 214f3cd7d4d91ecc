// The cluster as a client tells of it: what each node is and does, who owns what, and how even it is. Pure.

import type { ClusterRows, LeaseRow, NodeReport, PartitionRow } from '../store/store.js'
import type { ExecutionStatus } from '../core/execution.js'

/** A node process, as its lease says. */
export interface ClusterNode {
  readonly nodeId: string
  readonly region: string
  readonly zone: string | null
  readonly address: string | null
  readonly release: string
  /** Executions that it works on at the same time, at most. */
  readonly capacity: number
  /** Name and version of each workflow that it can run. */
  readonly workflows: Readonly<Record<string, string>>
  /** As of its last heartbeat: executions at work and in memory, commits that wait, event-loop lag (p99), cores used. */
  readonly load: Omit<NodeReport, 'zone' | 'isDraining' | 'versions'>
  readonly startedAt: Date
  readonly renewedAt: Date
  /** False: its lease has run out, and nobody has buried it yet. */
  readonly isAlive: boolean
  /** It is on its way out: it claims nothing and owns nothing. */
  readonly isDraining: boolean
}

export interface ClusterNodeStats extends ClusterNode {
  /** How many partitions it owns. */
  readonly partitions: number
  /** What it holds, by status. */
  readonly executions: Readonly<Partial<Record<ExecutionStatus, number>>>
}

/** How uneven something is: the largest share over the mean; 1 is even. */
export interface Imbalance {
  readonly partitions: number
  readonly running: number
}

export interface ClusterStats {
  /** The database's time. */
  readonly at: Date
  readonly nodes: readonly ClusterNodeStats[]
  readonly regions: readonly {
    readonly region: string
    readonly nodes: number
    readonly partitions: number
    readonly running: number
    readonly capacity: number
    readonly imbalance: Imbalance
  }[]
  /** `owner` null: nobody's, for the moment. */
  readonly partitions: readonly PartitionRow[]
  /** That of the most uneven region: shares are fair within a region. */
  readonly imbalance: Imbalance
}

/** A node came, or went (or its lease ran out). */
export interface ClusterChange {
  readonly kind: 'joined' | 'left'
  readonly node: ClusterNode
}

export function clusterStats({ at, leases, partitions, held }: ClusterRows): ClusterStats {
  const nodes = leases.map((lease): ClusterNodeStats => {
    const own = held.filter(({ nodeId }) => nodeId === lease.nodeId)
    return {
      ...clusterNode(lease),
      partitions: partitions.filter(({ owner }) => owner === lease.nodeId).length,
      executions: Object.fromEntries(own.map(({ status, executions }) => [status, executions])),
    }
  })
  const names = new Set([...nodes, ...partitions].map(({ region }) => region))
  const regions = [...names].toSorted().map((region) => {
    const living = nodes.filter((node) => node.region === region && node.isAlive && !node.isDraining)
    return {
      region,
      nodes: living.length,
      partitions: partitions.filter((partition) => partition.region === region).length,
      running: sum(living.map(({ load }) => load.running)),
      capacity: sum(living.map(({ capacity }) => capacity)),
      imbalance: {
        partitions: unevenness(living.map((node) => node.partitions)),
        running: unevenness(living.map(({ load }) => load.running)),
      },
    }
  })
  return {
    at,
    nodes,
    regions,
    partitions,
    imbalance: {
      partitions: Math.max(1, ...regions.map(({ imbalance }) => imbalance.partitions)),
      running: Math.max(1, ...regions.map(({ imbalance }) => imbalance.running)),
    },
  }
}

export function clusterNode(lease: LeaseRow): ClusterNode {
  const { zone, isDraining, versions, ...load } = lease.report
  // Nodes of other releases name no versions.
  const workflows = lease.workflows.map((workflow) => [workflow, versions[workflow] ?? ''])
  return {
    nodeId: lease.nodeId,
    region: lease.region,
    zone,
    address: lease.address,
    release: lease.release,
    capacity: lease.capacity,
    workflows: Object.fromEntries(workflows),
    load,
    startedAt: lease.startedAt,
    renewedAt: lease.renewedAt,
    isAlive: !lease.expired,
    isDraining,
  }
}

/** The largest over the mean, to two digits; 1 when there is nothing. */
export function unevenness(shares: readonly number[]): number {
  const all = sum(shares)
  if (all === 0) return 1
  return Math.round((Math.max(...shares) / (all / shares.length)) * 100) / 100
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
