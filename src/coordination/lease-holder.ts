// The node's own lease: renewed by heartbeat, trusted until *start of the last good renewal* + lease − margin by the
// monotonic clock, so that a node stops trusting itself before others may take over (invariant 5). It reads the other
// leases, buries the dead, and keeps its fair share of the partitions. All of it only makes things fast.

import { newId } from '../core/ids.js'
import { Loop } from '../core/loop.js'
import type { Clock, Logger } from '../core/ports.js'
import type { LeaseRow, Store } from '../store/store.js'
import { planHelp, planMoves, type Help, type Home } from './assignment.js'

export interface LeaseHolderOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly region: string
  readonly address: string | null
  readonly release: string
  readonly capacity: number
  readonly workflows: readonly string[]
  readonly leaseMs: number
  readonly heartbeatMs: number
  readonly load: () => Readonly<Record<string, number>>
  /** The lease ran out or was taken away: whatever is held under the old id is lost; a new id was joined. */
  readonly onLost: () => void
  /** Partitions changed, or executions of a dead node were rung. */
  readonly onWork: () => void
}

/** Share of the lease that is not trusted: covers a stalled event loop between the check and the act. */
const MARGIN = 0.2
/** A dead node's lease is deleted this long after it ran out; renewals that are under way then still count. */
const GRACE_MS = 100

const NO_HELP: Help = { neglected: [], looked: [] }

export class LeaseHolder {
  nodeId = newId()
  partitions: readonly Home[] = []
  help: Help = NO_HELP
  leases: readonly LeaseRow[] = []
  private trustedUntilMs = 0
  private renewedMs = -Infinity
  private reapFromMs = -Infinity
  private readonly options: LeaseHolderOptions
  private readonly loop: Loop

  constructor(options: LeaseHolderOptions) {
    this.options = options
    this.loop = new Loop({
      name: 'heartbeat',
      clock: options.clock,
      log: options.log,
      turn: () => this.beat(),
      afterErrorMs: options.heartbeatMs,
    })
  }

  /** Joins, takes partitions, and goes on beating. @throws CerebelumError DATABASE_UNAVAILABLE */
  async start(): Promise<void> {
    await this.join()
    await this.balance()
    this.loop.start()
  }

  /** Stops beating; gives lease and partitions up when the database can be reached. */
  async stop(): Promise<void> {
    await this.loop.stop()
    this.trustedUntilMs = 0
    this.partitions = []
    this.help = NO_HELP
    await this.options.store.removeLease(this.nodeId)
  }

  isTrusted(): boolean {
    return this.options.clock.monotonicMs() < this.trustedUntilMs
  }

  private async beat(): Promise<number> {
    const { store, clock, leaseMs, heartbeatMs, load, log } = this.options
    const begunMs = clock.monotonicMs()
    const isHeld = this.trustedUntilMs > 0 && (await store.renewLease(this.nodeId, leaseMs, load()))
    if (isHeld) {
      // However late: as long as the row stands, nobody took anything from this node, and while it was not trusted it
      // began nothing. A database that was away for a while costs no node its work.
      this.trustedUntilMs = begunMs + leaseMs * (1 - MARGIN)
    } else {
      log.warn({ nodeId: this.nodeId }, 'the lease of this node ran out; it joins as a new node')
      await this.rejoin()
    }
    const dead = this.mayReap() ? await store.reapLeases(GRACE_MS) : []
    if (dead.length > 0) log.warn({ dead }, 'nodes died; their executions were handed on')
    await this.balance()
    if (dead.length > 0) this.options.onWork()
    return Math.max(0, heartbeatMs - (clock.monotonicMs() - begunMs))
  }

  /**
   * Nobody is declared dead while nobody could renew: a node that could not do so itself for as long as a lease gives
   * the others time to come back too. Called once per beat, after its own renewal.
   */
  private mayReap(): boolean {
    const nowMs = this.options.clock.monotonicMs()
    const { leaseMs } = this.options
    if (nowMs - this.renewedMs > leaseMs) this.reapFromMs = nowMs + 2 * leaseMs
    this.renewedMs = nowMs
    return nowMs >= this.reapFromMs
  }

  private async rejoin(): Promise<void> {
    this.trustedUntilMs = 0
    this.partitions = []
    this.help = NO_HELP
    const old = this.nodeId
    this.nodeId = newId()
    this.options.onLost()
    await this.options.store.removeLease(old)
    await this.join()
  }

  private async join(): Promise<void> {
    const { store, clock, region, address, release, capacity, workflows, leaseMs } = this.options
    const begunMs = clock.monotonicMs()
    await store.insertLease({ nodeId: this.nodeId, region, address, release, capacity, workflows, leaseMs })
    this.trustedUntilMs = begunMs + leaseMs * (1 - MARGIN)
    this.renewedMs = clock.monotonicMs()
  }

  private async balance(): Promise<void> {
    const { store, region } = this.options
    this.leases = await store.readLeases()
    const rows = await store.readPartitions()
    const moves = planMoves({ nodeId: this.nodeId, region }, this.leases, rows)
    if (moves.give.length > 0) await store.givePartitions(this.nodeId, moves.give)
    const taken = moves.take.length > 0 ? await store.takePartitions(this.nodeId, moves.take) : []
    const given = new Set(moves.give)
    const owned = new Set(taken)
    // What was given is left to whoever takes it: helping is for what others have.
    this.help = planHelp(
      { nodeId: this.nodeId, region, workflows: this.options.workflows },
      this.leases,
      rows,
    )
    this.partitions = rows
      .filter((row) => (row.owner === this.nodeId && !given.has(row.partition)) || owned.has(row.partition))
      .map(({ region: home, partition }) => ({ region: home, partition }))
    if (taken.length > 0) this.options.onWork()
  }
}
