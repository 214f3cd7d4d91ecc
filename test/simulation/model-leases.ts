// Leases and partitions in memory: what the statements of `src/store/leases.ts` and `partitions.ts` promise, each method
// one statement. `model.test.ts` holds it against the real store.

import type { Cluster, LeaseRow, PartitionRow, Store } from '../../src/store/store.js'

export type NewLease = Parameters<Store['insertLease']>[0]

export interface ModelLease extends NewLease {
  readonly startedAtMs: number
  renewedAtMs: number
  expiresAtMs: number
}

export interface ModelPartition {
  readonly partition: number
  readonly region: string
  owner: string | null
  epoch: number
}

export interface ModelOver {
  readonly graceMs: number
  readonly seenAtMs: number | undefined
}

export class ModelLeases {
  readonly rows = new Map<string, ModelLease>()
  readonly partitions: ModelPartition[]
  /** Of all partitions. */
  epoch = 0
  /** Told of each lease that begins or goes on. */
  onLease: (nodeId: string, lease: ModelLease) => void = () => undefined
  onDelete: (nodeId: string, lease: ModelLease, isBuried: boolean) => void = () => undefined
  readonly #now: () => number

  constructor(now: () => number, partitionCount: number) {
    this.#now = now
    this.partitions = Array.from({ length: partitionCount }, (_, partition) => ({
      partition,
      region: 'local',
      owner: null,
      epoch: 0,
    }))
  }

  insert(lease: NewLease): void {
    const nowMs = this.#now()
    const startedAtMs = this.rows.get(lease.nodeId)?.startedAtMs ?? nowMs
    const row = { ...lease, startedAtMs, renewedAtMs: nowMs, expiresAtMs: nowMs + lease.leaseMs }
    this.rows.set(lease.nodeId, row)
    this.onLease(lease.nodeId, row)
  }

  renew(nodeId: string, leaseMs: number, report: NewLease['report']): boolean {
    const row = this.rows.get(nodeId)
    if (row === undefined) return false
    const nowMs = this.#now()
    const renewed = { ...row, report, renewedAtMs: nowMs, expiresAtMs: nowMs + leaseMs }
    this.rows.set(nodeId, renewed)
    this.onLease(nodeId, renewed)
    return true
  }

  has(nodeId: string): boolean {
    return this.rows.has(nodeId)
  }

  read(): Cluster {
    const nowMs = this.#now()
    const leases = [...this.rows.values()].sort(byNode).map((row) => asLeaseRow(row, nowMs))
    const isEmpty = leases.length === 0
    return {
      leases,
      at: isEmpty ? null : new Date(Math.floor(nowMs)),
      partitionsEpoch: isEmpty ? null : String(this.epoch),
    }
  }

  findLeased(nodeIds: readonly string[]): string[] {
    return nodeIds.filter((nodeId) => this.rows.has(nodeId))
  }

  delete(nodeIds: readonly string[]): void {
    for (const nodeId of nodeIds) this.#remove(nodeId, false)
  }

  findExpired(over: ModelOver): string[] {
    const overMs = this.#overMs(over)
    return [...this.rows.values()]
      .filter((row) => row.expiresAtMs <= overMs)
      .map((row) => row.nodeId)
      .sort()
  }

  /** Which of these are still there. */
  deleteExpired({ nodeIds, ...over }: ModelOver & { readonly nodeIds: readonly string[] }): Set<string> {
    const overMs = this.#overMs(over)
    for (const nodeId of nodeIds) {
      const row = this.rows.get(nodeId)
      if (row !== undefined && row.expiresAtMs <= overMs) this.#remove(nodeId, true)
    }
    return new Set(nodeIds.filter((nodeId) => this.rows.has(nodeId)))
  }

  readPartitions(): PartitionRow[] {
    return this.partitions.map((row) => ({ ...row }))
  }

  take(nodeId: string, wanted: readonly number[]): number[] {
    const taken: number[] = []
    for (const id of wanted) {
      const row = this.partitions[id]
      if (row === undefined) continue
      if (row.owner !== nodeId) {
        if (row.owner !== null && this.rows.has(row.owner)) continue
        this.#own(row, nodeId)
      }
      taken.push(id)
    }
    return taken
  }

  give(nodeId: string, given: readonly number[]): void {
    for (const id of given) {
      const row = this.partitions[id]
      if (row?.owner === nodeId) this.#own(row, null)
    }
  }

  free(nodeIds: readonly string[]): number {
    const owned = this.partitions.filter(({ owner }) => owner !== null && nodeIds.includes(owner))
    for (const row of owned) this.#own(row, null)
    return owned.length
  }

  #overMs({ graceMs, seenAtMs }: ModelOver): number {
    return (seenAtMs ?? this.#now()) - graceMs
  }

  #own(row: ModelPartition, owner: string | null): void {
    row.owner = owner
    row.epoch++
    this.epoch++
  }

  #remove(nodeId: string, isBuried: boolean): void {
    const row = this.rows.get(nodeId)
    if (row === undefined) return
    this.rows.delete(nodeId)
    this.onDelete(nodeId, row, isBuried)
  }
}

function byNode(a: NewLease, b: NewLease): number {
  return a.nodeId < b.nodeId ? -1 : a.nodeId > b.nodeId ? 1 : 0
}

function asLeaseRow(row: ModelLease, nowMs: number): LeaseRow {
  const { nodeId, region, address, release, capacity, report, workflows } = row
  return {
    nodeId,
    region,
    address,
    release,
    capacity,
    report,
    workflows,
    startedAt: new Date(Math.floor(row.startedAtMs)),
    renewedAt: new Date(Math.floor(row.renewedAtMs)),
    expiresAt: new Date(Math.floor(row.expiresAtMs)),
    expired: row.expiresAtMs <= nowMs,
  }
}
