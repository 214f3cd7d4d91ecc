// What must hold in a simulated cluster, at every instant and in the end. Looks at the model's rows and at what nodes
// believe, never into the code that is tested.

import type { Commit } from '../../src/store/store.js'
import type { StepContext } from '../../src/workflow/context.js'
import { LEASE_MS, type Machine } from './machine.js'
import type { ModelExecution } from './model-executions.js'
import type { ModelLease } from './model-leases.js'
import type { ModelTables } from './model-store.js'
import type { Timeline } from './timeline.js'

/** From the death of an owner to another one that lives, and of a claim's holder to its release: lease and all. */
export const FAILOVER_MS = 2_000
/**
 * The same for a claim that took effect when its node was buried already, because it was late on its way: nobody knows of
 * it, and it is found when claims of the dead are looked for.
 */
export const FOUND_MS = 12_000
/** The more nodes there are, the less often they look. All claim from what is nobody's meanwhile. */
const LOOK_PER_NODE_MS = 10
/** What rings, is claimed. */
export const CLAIMED_MS = 2_500
/** After a database that was away: nobody is buried for two leases. */
const CALM_AFTER_OUTAGE_MS = 2 * LEASE_MS + 1_000
const CALM_AFTER_TROUBLE_MS = LEASE_MS + 1_000

export interface WatchOptions {
  readonly timeline: Timeline
  readonly tables: ModelTables
  readonly machines: () => readonly Machine[]
  readonly isServerUp: () => boolean
  readonly trace: (line: string) => void
}

export class Watch {
  readonly violations: string[] = []
  /** The longest times seen while nothing but deaths disturbed the cluster. */
  readonly longest = { unowned: 0, claimedByDead: 0, unclaimed: 0 }
  stepsBegun = 0
  burials = 0
  readonly #options: WatchOptions
  #calmFromMs = 0
  #dead = 0
  #lastDeathMs = -Infinity
  readonly #unownedSince = new Map<number, number>()
  readonly #heldByDeadSince = new Map<string, number>()

  constructor(options: WatchOptions) {
    this.#options = options
    const { leases, executions } = options.tables
    leases.onLease = (nodeId, lease) => this.#leaseHeld(nodeId, lease)
    leases.onDelete = (nodeId, lease, isBuried) => {
      if (isBuried) this.#buried(nodeId, lease)
    }
    executions.onAppend = (commit, row) => this.#appended(commit, row)
  }

  violation(text: string): void {
    const line = `${this.#options.timeline.nowMs.toFixed(1)} ms: ${text}`
    this.#options.trace(`VIOLATION ${line}`)
    this.violations.push(line)
  }

  /** A node begins a step: only under a lease that holds, and on what nobody else works on. */
  stepBegins(machine: Machine, step: StepContext): void {
    this.stepsBegun++
    const { timeline, tables } = this.#options
    const { nodeId } = machine.node
    const lease = tables.leases.rows.get(nodeId)
    const what = `step ${step.name} of ${step.executionId} begins on ${nodeId}`
    if (lease === undefined) return this.violation(`${what}, which has no lease`)
    if (lease.expiresAtMs <= timeline.nowMs)
      return this.violation(
        `${what}, whose lease ran out ${(timeline.nowMs - lease.expiresAtMs).toFixed(1)} ms ago`,
      )
    const holder = tables.executions.rows.get(step.executionId)?.claimedBy ?? null
    if (holder !== null && holder !== nodeId && this.#machineOf(holder) !== undefined)
      this.violation(`${what}, and ${holder} holds it`)
  }

  /** Between faults: how long things lie. */
  look(): void {
    const { timeline, tables, isServerUp, machines } = this.#options
    const nowMs = timeline.nowMs
    if (!isServerUp()) this.disturbed(CALM_AFTER_OUTAGE_MS)
    const living = machines().filter((machine) => machine.state !== 'dead')
    for (const machine of living) {
      if (!machine.isAwake || machine.link.isCut) machine.troubledMs = nowMs
      this.#calmFromMs = Math.max(this.#calmFromMs, machine.troubledMs + CALM_AFTER_TROUBLE_MS)
    }
    if (machines().length - living.length > this.#dead) this.#lastDeathMs = nowMs
    this.#dead = machines().length - living.length
    const isReady = living.some((machine) => machine.node.isReady)
    if (!isReady) this.disturbed(CALM_AFTER_TROUBLE_MS)
    for (const { partition, owner } of tables.leases.partitions) {
      const isOwned = owner !== null && this.#machineOf(owner) !== undefined
      // Whoever dies while it should take its share costs another lease; meanwhile all claim from what is nobody's.
      const lyingMs = Math.min(this.#lying(this.#unownedSince, partition, isOwned), nowMs - this.#lastDeathMs)
      this.longest.unowned = Math.max(this.longest.unowned, lyingMs)
      if (lyingMs > FAILOVER_MS + living.length * LOOK_PER_NODE_MS)
        this.violation(`partition ${partition} lies without a live owner for ${lyingMs} ms`)
    }
    for (const [id, { claimedBy, claimedWithoutLease, readyAtMs }] of tables.executions.rows) {
      const isDead = claimedBy !== null && this.#machineOf(claimedBy) === undefined
      const heldMs = this.#lying(this.#heldByDeadSince, id, !isDead)
      if (!claimedWithoutLease) this.longest.claimedByDead = Math.max(this.longest.claimedByDead, heldMs)
      const heldMsMax = claimedWithoutLease ? FOUND_MS : FAILOVER_MS
      if (heldMs > heldMsMax) this.violation(`${id} stays claimed by ${String(claimedBy)}, which is dead`)
      if (claimedBy !== null || readyAtMs === null) continue
      const unclaimedMs = nowMs - Math.max(readyAtMs, this.#calmFromMs)
      this.longest.unclaimed = Math.max(this.longest.unclaimed, unclaimedMs)
      if (unclaimedMs > CLAIMED_MS)
        this.violation(`${id} rings and is not claimed for ${unclaimedMs.toFixed(0)} ms`)
    }
  }

  /** Bounds hold again this long from now. */
  disturbed(forMs = CALM_AFTER_TROUBLE_MS): void {
    this.#calmFromMs = Math.max(this.#calmFromMs, this.#options.timeline.nowMs + forMs)
  }

  /** When all faults are over and all work is done. */
  lookBack(acknowledged: ReadonlySet<string>, expected: ReadonlyMap<string, number>): void {
    const { tables, machines } = this.#options
    for (const id of acknowledged)
      if (!tables.executions.rows.has(id)) this.violation(`the start of ${id} was acknowledged and is lost`)
    for (const row of tables.executions.rows.values())
      this.#lookAtHistory(row, expected.get(row.key.executionId))
    const living = machines().filter((machine) => machine.state !== 'dead')
    const owned = living.map(
      ({ node }) => tables.leases.partitions.filter(({ owner }) => owner === node.nodeId).length,
    )
    const share = tables.leases.partitions.length / living.length
    for (const [n, count] of owned.entries())
      if (count < Math.floor(share) || count > Math.ceil(share))
        this.violation(`${String(living[n]?.name)} owns ${count} partitions, not its share of ${share}`)
  }

  #lookAtHistory(row: ModelExecution, result: number | undefined): void {
    const { executionId } = row.key
    if (row.status !== 'completed')
      return this.violation(
        `${executionId} has not ended: ${row.status}, claimed by ${String(row.claimedBy)}`,
      )
    const ends = row.history.filter(({ type }) => type === 'completed')
    if (ends.length !== 1 || row.history.at(-1) !== ends[0]) this.violation(`${executionId} ended not once`)
    if (ends[0]?.payload !== String(result))
      this.violation(`${executionId} gave ${String(ends[0]?.payload)}, not ${String(result)}`)
    const recorded = row.history.filter(({ type }) => type === 'step_completed').map(({ seq }) => seq)
    if (new Set(recorded).size !== recorded.length) this.violation(`${executionId} recorded a step twice`)
    if (row.history.some(({ version }, n) => version !== n + 1))
      this.violation(`${executionId} has a history that is no sequence`)
  }

  /** Judged when it runs out, unless it is renewed: whoever held it must have stopped trusting it. */
  #leaseHeld(nodeId: string, lease: ModelLease): void {
    const { timeline, tables } = this.#options
    timeline.after(lease.expiresAtMs - timeline.nowMs, () => {
      const present = tables.leases.rows.get(nodeId)
      if (present === undefined || present.expiresAtMs <= timeline.nowMs) this.#mustNotTrust(nodeId)
    })
  }

  #mustNotTrust(nodeId: string): void {
    const machine = this.#machineOf(nodeId)
    if (machine?.node.isTrusted() === true) this.violation(`${nodeId} trusts a lease that ran out`)
  }

  #buried(nodeId: string, lease: ModelLease): void {
    this.burials++
    this.#options.trace(`${this.#options.timeline.nowMs.toFixed(1)} ${nodeId} is buried`)
    this.#mustNotTrust(nodeId)
    const machine = this.#machineOf(nodeId)
    if (machine === undefined || !machine.isAwake || machine.troubledMs >= lease.renewedAtMs - 1_000) return
    this.violation(`${nodeId} was buried, and nothing was wrong but the database`)
  }

  #appended(commit: Commit, { key, claimedBy, claimEpoch }: ModelExecution): void {
    if (commit.nodeId !== claimedBy || commit.claimEpoch !== claimEpoch)
      this.violation(
        `${commit.nodeId} wrote to ${key.executionId} under claim ${commit.claimEpoch}, and ${String(claimedBy)} holds it under claim ${claimEpoch}`,
      )
  }

  /** How long it has been so while nothing disturbed the cluster. */
  #lying<K>(since: Map<K, number>, what: K, isWell: boolean): number {
    const nowMs = this.#options.timeline.nowMs
    if (isWell) since.delete(what)
    if (isWell) return 0
    const sinceMs = since.get(what) ?? nowMs
    since.set(what, sinceMs)
    return nowMs - Math.max(sinceMs, this.#calmFromMs)
  }

  /** The process that goes by this id now, unless it is dead. */
  #machineOf(nodeId: string): Machine | undefined {
    return this.#options
      .machines()
      .find((machine) => machine.state !== 'dead' && machine.node.nodeId === nodeId)
  }
}
