// The node's own lease: renewed by heartbeat, trusted until *start of the last good renewal* + lease − margin by the
// monotonic clock, so that a node stops trusting itself before others may take over (invariant 5). Now and then, and
// when the lease of another must have run out, it looks at the others, buries the dead, and keeps its fair share of the
// partitions. An idle node costs the database one statement per heartbeat and one per look. All of it only makes
// things fast.

import { newId } from '../core/ids.js'
import { Loop } from '../core/loop.js'
import { randomFraction, type Clock, type Logger } from '../core/ports.js'
import type { Meters } from '../metrics/meters.js'
import type { Cluster, LeaseRow, NodeReport, PartitionRow, Store } from '../store/store.js'
import { planHelp, planMoves, type Help, type Home } from './assignment.js'
import { Neighbors, type NeighborsOptions, type NeighborWatch } from './neighbors.js'

export interface LeaseHolderOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly meters?: Meters | undefined
  readonly region: string
  readonly address: string | null
  readonly release: string
  readonly capacity: number
  readonly workflows: readonly string[]
  readonly leaseMs: number
  readonly heartbeatMs: number
  /** What the node says of itself, asked once per heartbeat. */
  readonly report: () => NodeReport
  /** The lease ran out or was taken away: whatever is held under the old id is lost; a new id was joined. */
  readonly onLost: () => void
  /** The lease was renewed: what was held back for want of trust may begin. */
  readonly onTrusted?: () => void
  /** Partitions changed. */
  readonly onWork: () => void
  /** Nodes died: what they held is to be taken over; `share` is about this node's part of it. */
  readonly onDeath: (death: { readonly nodeIds: readonly string[]; readonly share: number }) => void
  /** Another source of node ids, for runs that must be repeatable; they are still never used twice. */
  readonly newNodeId?: (() => string) | undefined
  /** Another way to notice the end of a neighbor, for the same. */
  readonly neighbors?: ((options: NeighborsOptions) => NeighborWatch) | undefined
}

/** Share of the lease that is not trusted: covers a stalled event loop between the check and the act. */
const MARGIN = 0.2
/** A dead node's lease is deleted this long after it ran out; renewals that are under way then still count. */
const GRACE_MS = 100

/** How long others may need to come back to a database that is there again: the store tries five times a second. */
const RECONNECT_MS = 500

/** The others are looked at this often; sooner when one's lease is about to run out. */
const LOOK_MS = 1_000
/** A node that has less than its share looks more often: what others give must not lie for long. Longer the more they
 *  are, because each reads all partitions after every move of any. */
const LOOK_SHORT_MS = 200
const LOOK_SHORT_PER_NODE_MS = 10
/** Claims of nodes without a lease are looked for this often: whoever buried them may have died half-way. */
const ORPHANS_MS = 5_000

/** When partitions fall free, or a lease runs out, nodes look one after the other: this much time for each, and for all. A look costs node and
 *  database about as much together: with less, a hundred nodes on few cores that lose one of them lose the next. */
const SPREAD_PER_NODE_MS = 5
const SPREAD_MAX_MS = 1_000

const NO_HELP: Help = { neglected: [], looked: [] }

export class LeaseHolder {
  nodeId: string
  partitions: readonly Home[] = []
  help: Help = NO_HELP
  leases: readonly LeaseRow[] = []
  private rows: readonly PartitionRow[] = []
  private partitionsEpoch: string | null = null
  private address: string | null = null
  private isDraining = false
  /** Nodes whose processes have ended. */
  private readonly gone = new Set<string>()
  readonly neighbors: NeighborWatch
  private hasLeft = false
  private beatDueMs = 0
  private lookDueMs = 0
  /** What was asked for while a look is under way is not answered by it. */
  private askedMs = Infinity
  private isLooking = false
  private orphansDueMs = 0
  private trustedUntilMs = 0
  private renewedMs = -Infinity
  private reapFromMs = -Infinity
  private readonly options: LeaseHolderOptions
  private readonly loop: Loop

  constructor(options: LeaseHolderOptions) {
    this.options = options
    this.nodeId = this.newNodeId()
    const watch = { log: options.log, onGone: (nodeId: string) => this.noteGone(nodeId) }
    this.neighbors = options.neighbors?.(watch) ?? new Neighbors(watch)
    this.loop = new Loop({
      name: 'heartbeat',
      clock: options.clock,
      log: options.log,
      turn: () => this.turn(),
      afterErrorMs: this.retryMs,
    })
  }

  /** Joins, takes partitions, and goes on beating. @throws CerebelumError DATABASE_UNAVAILABLE */
  async start(address: string | null = this.options.address): Promise<void> {
    this.address = address
    try {
      await this.join()
      await this.look()
    } catch (error) {
      // Nobody beats for the lease: it runs out by itself.
      this.trustedUntilMs = 0
      this.neighbors.close()
      throw error
    }
    this.loop.start()
  }

  /**
   * Gives its partitions up and lets all know, and goes on beating for what it still works on: the others take over
   * what is ready, and what is handed back, without waiting for the end of the drain.
   */
  drain(): void {
    this.isDraining = true
    this.partitions = []
    this.help = NO_HELP
    this.beatDueMs = 0
    this.loop.poke()
  }

  /** Partitions were given up somewhere: looks soon, but not all nodes in the same moment. */
  lookSoon(): void {
    if (!this.isDraining) this.askLook(this.options.clock.monotonicMs() + this.turnMs())
  }

  /** Stops beating; gives lease and partitions up when the database can be reached. */
  async stop(): Promise<void> {
    await this.loop.stop()
    this.trustedUntilMs = 0
    this.partitions = []
    this.help = NO_HELP
    try {
      await this.options.store.removeLease(this.nodeId)
    } finally {
      this.neighbors.close()
    }
  }

  /** Addresses of the other nodes that have one. */
  get addresses(): readonly string[] {
    return this.leases.flatMap(({ nodeId, address }) =>
      address === null || nodeId === this.nodeId ? [] : [address],
    )
  }

  /** By address, which of these partitions its node looks after; those of this node, and of nobody, are left out. */
  ownersOf(partitions: Iterable<number>): ReadonlyMap<string, readonly number[]> {
    const wanted = new Set(partitions)
    const addressOf = new Map(this.leases.map(({ nodeId, address }) => [nodeId, address]))
    const owned = new Map<string, number[]>()
    for (const { partition, owner } of this.rows) {
      if (owner === null || owner === this.nodeId || !wanted.has(partition)) continue
      const address = addressOf.get(owner)
      if (address === null || address === undefined) continue
      const some = owned.get(address)
      if (some === undefined) owned.set(address, [partition])
      else some.push(partition)
    }
    return owned
  }

  isTrusted(): boolean {
    return this.options.clock.monotonicMs() < this.trustedUntilMs
  }

  /** Another try long before the lease runs out. */
  private get retryMs(): number {
    return this.options.heartbeatMs / 4
  }

  private async turn(): Promise<number> {
    const { clock } = this.options
    const isLeaving = this.isDraining
    if (clock.monotonicMs() >= this.beatDueMs) await this.beat()
    if (isLeaving) return this.leaveTurn()
    if (clock.monotonicMs() >= Math.min(this.lookDueMs, this.askedMs)) {
      this.isLooking = true
      try {
        await this.look()
      } finally {
        this.isLooking = false
      }
    }
    return Math.max(0, Math.min(this.beatDueMs, this.lookDueMs, this.askedMs) - clock.monotonicMs())
  }

  /** After a beat that said so, once; a node that joined anew meanwhile owns nothing. */
  private async leaveTurn(): Promise<number> {
    if (!this.hasLeft) await this.options.store.freePartitions(this.nodeId)
    this.hasLeft = true
    this.partitions = []
    return Math.max(0, this.beatDueMs - this.options.clock.monotonicMs())
  }

  private async beat(): Promise<void> {
    const { store, clock, leaseMs, heartbeatMs, report, log, meters } = this.options
    const begunMs = clock.monotonicMs()
    const { isDraining } = this
    const isHeld = this.trustedUntilMs > 0 && (await store.renewLease(this.nodeId, leaseMs, report()))
    if (isHeld) {
      // However late: as long as the row stands, nobody took anything from this node, and while it was not trusted it
      // began nothing. A database that was away for a while costs no node its work.
      this.trustedUntilMs = begunMs + leaseMs * (1 - MARGIN)
      this.noteRenewal()
      if (meters !== undefined) {
        meters.leaseRenewals.renewed++
        meters.leaseRenewal.observeMs(clock.monotonicMs() - begunMs)
      }
      if (this.isTrusted()) this.options.onTrusted?.()
    } else {
      log.warn({ nodeId: this.nodeId }, 'the lease of this node ran out; it joins as a new node')
      if (meters !== undefined) meters.leaseRenewals.lost++
      await this.rejoin()
      this.lookDueMs = 0
    }
    // One that began before the drain did not say so: the next one follows at once.
    if (this.isDraining === isDraining) this.beatDueMs = begunMs + heartbeatMs
  }

  /** Looks at the others: buries the dead, keeps the balance, and says when the next look is due. */
  private async look(): Promise<void> {
    const { store, clock } = this.options
    const { nodeId } = this
    const begunMs = clock.monotonicMs()
    this.askedMs = Infinity
    const cluster = await store.readCluster()
    const known = this.leases
    this.leases = cluster.leases
    const nextMs = this.msUntilExpired(cluster)
    const isOrphansDue = begunMs >= this.orphansDueMs
    const dead = buriedByOthers(known, cluster)
    await this.beatIfDue()
    dead.push(...(await this.buryGone()))
    if ((nextMs <= 0 || isOrphansDue) && this.mayReap()) {
      // As it was seen: should the database be away in between, nobody is dead for that.
      dead.push(...(await store.buryLeases(GRACE_MS, cluster.at ?? undefined)))
      // Not all nodes at once, again and again.
      this.orphansDueMs = begunMs + ORPHANS_MS * (1 + randomFraction())
    }
    if (dead.length > 0) this.noteDeath(dead, [...known, ...cluster.leases])
    this.neighbors.visit(this.leases.map((lease) => lease.nodeId))
    await this.beatIfDue()
    // Joined anew meanwhile: nothing of this is about the node that it is now.
    if (this.nodeId !== nodeId) return
    const isShort = await this.balance(dead.length > 0 ? null : cluster.partitionsEpoch)
    // What is overdue and could not be buried now is looked at with the next heartbeat.
    const waitMs = nextMs > 0 ? Math.min(nextMs + this.turnMs(), LOOK_MS) : this.options.heartbeatMs
    const shortMs = Math.max(LOOK_SHORT_MS, this.leases.length * LOOK_SHORT_PER_NODE_MS)
    this.lookDueMs = begunMs + (isShort ? Math.min(waitMs, shortMs) : waitMs)
  }

  /** When it is this node's turn to look at what all nodes know of: the first one does what there is to be done. */
  private turnMs(): number {
    return Math.min(this.leases.length * SPREAD_PER_NODE_MS, SPREAD_MAX_MS) * randomFraction()
  }

  /** A look is several statements: on a busy database they take longer than a heartbeat together. */
  private async beatIfDue(): Promise<void> {
    if (this.options.clock.monotonicMs() >= this.beatDueMs) await this.beat()
  }

  private noteGone(nodeId: string): void {
    if (this.isDraining) return
    this.gone.add(nodeId)
    this.askLook(0)
  }

  private askLook(atMs: number): void {
    if (atMs >= Math.min(this.lookDueMs, this.askedMs) && !this.isLooking) return
    this.askedMs = Math.min(this.askedMs, atMs)
    this.loop.poke()
  }

  private async buryGone(): Promise<string[]> {
    const gone = [...this.gone]
    if (gone.length === 0) return []
    const dead = await this.options.store.buryNodes(gone)
    for (const nodeId of gone) this.gone.delete(nodeId)
    return dead
  }

  private noteDeath(dead: readonly string[], seen: readonly LeaseRow[]): void {
    const gone = new Set(dead)
    this.leases = this.leases.filter((lease) => !gone.has(lease.nodeId))
    const running = new Map(seen.map(({ nodeId, report }) => [nodeId, report.running]))
    const held = dead.reduce((sum, nodeId) => sum + (running.get(nodeId) ?? 0), 0)
    this.options.log.warn({ dead }, 'nodes died; what they held is taken over')
    if (this.options.meters !== undefined) this.options.meters.nodesBuried += dead.length
    this.options.onDeath({ nodeIds: dead, share: Math.ceil(held / Math.max(1, this.leases.length)) })
  }

  /** Until the next of the others may be buried if it is not renewed; by the database's clock alone. */
  private msUntilExpired({ leases, at }: Cluster): number {
    if (at === null) return Infinity
    return leases
      .filter((lease) => lease.nodeId !== this.nodeId)
      .reduce(
        (next, lease) => Math.min(next, lease.expiresAt.getTime() + GRACE_MS - at.getTime() + 1),
        Infinity,
      )
  }

  /**
   * Nobody is declared dead while nobody could renew: a node that could not do so itself for so long that another one
   * may have lost its lease by it gives the others time to come back too.
   */
  private mayReap(): boolean {
    const nowMs = this.options.clock.monotonicMs()
    return nowMs >= this.reapFromMs && !this.isOutage(nowMs)
  }

  private noteRenewal(): void {
    const nowMs = this.options.clock.monotonicMs()
    if (this.isOutage(nowMs)) this.reapFromMs = nowMs + 2 * this.options.leaseMs
    this.renewedMs = nowMs
  }

  /**
   * Whether renewals may have been impossible for so long that it cost others their leases. Those may have renewed a
   * heartbeat before this node did, and may need another try after it: what is left of the lease is less than the lease.
   */
  private isOutage(nowMs: number): boolean {
    const { leaseMs, heartbeatMs } = this.options
    return nowMs - this.renewedMs > leaseMs - heartbeatMs - this.retryMs
  }

  private newNodeId(): string {
    return this.options.newNodeId?.() ?? newId()
  }

  private async rejoin(): Promise<void> {
    this.trustedUntilMs = 0
    this.partitions = []
    this.help = NO_HELP
    const old = this.nodeId
    this.nodeId = this.newNodeId()
    this.options.onLost()
    await this.options.store.removeLease(old)
    await this.join()
  }

  private async join(): Promise<void> {
    const { store, clock, region, release, capacity, workflows, report, leaseMs, heartbeatMs } = this.options
    const { address } = this
    // Before others can read the id, or they would look for it in vain.
    await this.neighbors.listen(this.nodeId)
    const begunMs = clock.monotonicMs()
    await store.insertLease({
      nodeId: this.nodeId,
      region,
      address,
      release,
      capacity,
      workflows,
      report: report(),
      leaseMs,
    })
    this.trustedUntilMs = begunMs + leaseMs * (1 - MARGIN)
    this.renewedMs = clock.monotonicMs()
    // It cannot know whether the others could renew before it came: two beats of theirs, and the time to connect again.
    this.reapFromMs = this.renewedMs + Math.min(leaseMs, 2 * heartbeatMs + RECONNECT_MS)
  }

  /**
   * Takes and gives partitions; whether this node has less than its share.
   * @param epoch of the partitions as just seen; null: they have changed for sure
   */
  private async balance(epoch: string | null): Promise<boolean> {
    const { store, region } = this.options
    const { nodeId } = this
    if (epoch === null || epoch !== this.partitionsEpoch) {
      this.rows = await store.readPartitions()
      await this.beatIfDue()
      // Read after the epoch was: what changed in between is read again next time.
      this.partitionsEpoch = epoch
    }
    // Joined anew meanwhile: it owns nothing yet, and looks again soon.
    if (this.nodeId !== nodeId) return true
    const { rows } = this
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
    return moves.short > 0 || taken.length < moves.take.length
  }
}

/**
 * Whose lease had run out when it was last seen and is gone now: another one was faster, and all take over. Who left in
 * good order had one that was good; who was at nothing leaves nothing that one could not take.
 */
function buriedByOthers(known: readonly LeaseRow[], { leases, at }: Cluster): string[] {
  const present = new Set(leases.map((lease) => lease.nodeId))
  return known
    .filter(
      ({ nodeId, expiresAt, report }) =>
        !present.has(nodeId) && !report.isDraining && report.running > 0 && at !== null && expiresAt < at,
    )
    .map(({ nodeId }) => nodeId)
}
