// One engine node: claims executions, runs them, and hands their appends to the commit lanes. Stateless: everything it
// holds in memory may be lost at any moment. It puts the loops together; each loop has a file of its own.

import { DatabaseClock } from '../core/database-clock.js'
import { settledWithin } from '../core/deadline.js'
import { CerebelumError } from '../core/errors.js'
import type { Event } from '../core/event.js'
import type { ExecutionKey, ExecutionStatus } from '../core/execution.js'
import type { Limits } from '../core/limits.js'
import { withFields } from '../core/log-fields.js'
import { Loop } from '../core/loop.js'
import { silentLogger, type Clock, type Logger } from '../core/ports.js'
import { keptMsOf, type KeptMs } from '../core/retention.js'
import { Meters, OTHER_WORKFLOW, type NodeReading } from '../metrics/meters.js'
import { Tracing } from '../metrics/tracing.js'
import type { Host } from '../client/host.js'
import { notFound } from '../client/refusals.js'
import { HintInbox } from '../coordination/hint-inbox.js'
import { HintPost } from '../coordination/hint-post.js'
import { LeaseHolder, type LeaseHolderOptions } from '../coordination/lease-holder.js'
import type { Commit, CommitOutcome, NodeReport, StartOutcome, StartRow, Store } from '../store/store.js'
import type { ArchiveSink } from '../retention/archive-sink.js'
import { Archivist } from '../retention/archivist.js'
import { RetentionLoop } from '../retention/retention-loop.js'
import { ScheduleLoop } from '../timers/schedule-loop.js'
import { TimerLoop } from '../timers/timer-loop.js'
import type { Workflow } from '../workflow/define.js'
import { Instance } from '../workflow/instance.js'
import type { Registry } from '../workflow/registry.js'
import { tellOrphans } from './children.js'
import { ClaimLoop } from './claim-loop.js'
import { failUnbegun } from './closing.js'
import { Gatekeeper } from './gatekeeper.js'
import { GivingBack, UNAVAILABLE_RETRY_MS } from './giving-back.js'
import { readHistories } from './history-reader.js'
import { Inheritance } from './inheritance.js'
import { Lane } from '../core/lane.js'
import { CommitLanes } from './commit-lanes.js'
import { LiveRuns } from './live-runs.js'
import { LoadMeter } from './load-meter.js'
import { LongSteps } from './long-steps.js'
import { Lookout, LOOKOUT_MS } from './lookout.js'
import { askInstance } from './messages.js'
import { Run } from './run.js'
import type { RunHost } from './run-host.js'
import { Slots } from './slots.js'
import { Strangers } from './strangers.js'
import { type CacheStats, SuspendedRuns } from './suspended-runs.js'
import { holdStrayRejections } from './stray-rejections.js'

export interface NodeOptions {
  readonly store: Store
  readonly registry: Registry
  readonly limits: Limits
  readonly clock: Clock
  readonly log: Logger
  /** Where it counts what it does; default: where nobody looks. */
  readonly meters?: Meters
  /** False: no traces, whatever this process has set up. */
  readonly tracing?: boolean
  readonly region: string
  readonly zone: string | null
  readonly address: string | null
  readonly release: string
  /** Executions at work at the same time. */
  readonly capacity: number
  readonly lanes: number
  readonly leaseMs: number
  readonly heartbeatMs: number
  readonly cacheExecutionsMax: number
  readonly cacheBytesMax: number
  readonly drainMs: number
  /** How long closed executions stay whose workflows do not say. */
  readonly kept: KeptMs
  readonly archive: ArchiveSink | undefined
  /** For runs that must be repeatable, see there. */
  readonly newNodeId?: LeaseHolderOptions['newNodeId']
  readonly neighbors?: LeaseHolderOptions['neighbors']
}

/** What a node has done since it was made, and what it holds. */
export interface NodeStats {
  readonly running: number
  readonly cache: CacheStats
  /** By retention: executions removed, and those of them put into the archive. */
  readonly removed: number
  readonly archived: number
}

const CHILD_QUEUE_MAX = 100_000
const START_BATCH_MAX = 500
/** A node that leaves while the database is away would wait for all its retries: nothing is lost without them. */
const LEAVE_MS = 5_000
/** What the lookout sees once a second, loops look for themselves only in case it cannot see. */
const WATCHED_POLL_MS = 30_000
const UPKEEP_MS = 30_000
const UPKEEP_BATCH_MAX = 1_000
const HELD_MAX = 10_000
/** Versions of workflows that a lease carries, for people to see: it is written with each heartbeat. */
const VERSIONS_MAX = 200
const CONSUMED_KEPT_MS = 24 * 3_600_000

type ClosedListener = (executionId: string, status: ExecutionStatus, payload: string | undefined) => void
type AnsweredListener = (executionId: string, messageId: string) => void

export class Node implements RunHost, Host {
  readonly store: Store
  readonly registry: Registry
  readonly limits: Limits
  readonly clock: Clock
  readonly log: Logger
  readonly meters: Meters
  tracing: Tracing | undefined
  readonly stepSlots: Slots
  isDraining = false

  private readonly options: NodeOptions
  private readonly live = new LiveRuns()
  private readonly suspended: SuspendedRuns
  private readonly commitLanes: CommitLanes
  private readonly databaseClock: DatabaseClock
  private readonly loadMeter: LoadMeter
  private readonly childLane: Lane<StartRow, StartOutcome>
  private readonly leases: LeaseHolder
  private readonly timers: TimerLoop
  private readonly schedules: ScheduleLoop
  private readonly claims: ClaimLoop
  private readonly inheritance: Inheritance
  private readonly lookout: Lookout
  private readonly hintPost: HintPost
  private readonly hintInbox: HintInbox
  private readonly upkeep: Loop
  private readonly retention: RetentionLoop
  private readonly longSteps: LongSteps
  private readonly givingBack: GivingBack
  private readonly gatekeeper: Gatekeeper
  private readonly closedListeners = new Set<ClosedListener>()
  private readonly answeredListeners = new Set<AnsweredListener>()
  /** Workflows of other nodes, as last read. */
  private registered: ReadonlySet<string> = new Set()
  private readonly lost: Strangers
  private reserved = 0
  /** What waits for the lease to be trusted again; at most the steps that may run at a time. */
  private untrusted: (() => void)[] = []
  private releaseRejections: (() => void) | undefined
  private unlisten: () => Promise<void> = () => Promise.resolve()

  constructor(options: NodeOptions) {
    this.options = options
    const { store, registry, limits, clock } = options
    this.store = store
    this.registry = registry
    this.limits = limits
    this.clock = clock
    const log = withFields(options.log, () => ({ nodeId: this.nodeId }))
    this.log = log
    this.meters = options.meters ?? new Meters()
    this.meters.node = () => this.reading()
    const { meters } = this
    this.stepSlots = new Slots(limits.stepsPerNodeMax)
    this.suspended = new SuspendedRuns({
      executionsMax: options.cacheExecutionsMax,
      bytesMax: options.cacheBytesMax,
    })
    this.lost = new Strangers(clock)
    this.databaseClock = new DatabaseClock(clock)
    this.loadMeter = new LoadMeter(clock, meters.eventLoopDelay)
    this.commitLanes = new CommitLanes({
      lanes: options.lanes,
      write: meters.lanes.commit.around(clock, async (batch: readonly Commit[]) => {
        const outcomes = await store.commit(batch)
        const written = outcomes.find((outcome) => outcome.kind === 'committed')
        if (written !== undefined) this.databaseClock.note(written.at)
        outcomes.forEach(({ kind }, at) => {
          if (kind === 'committed') meters.eventsWritten += batch[at]?.events.length ?? 0
        })
        return outcomes
      }),
    })
    this.childLane = new Lane({
      name: 'child',
      batchMax: START_BATCH_MAX,
      queueMax: CHILD_QUEUE_MAX,
      write: meters.lanes.child.around(clock, (batch: readonly StartRow[]) => store.insertExecutions(batch)),
    })
    this.leases = new LeaseHolder({
      ...options,
      log,
      meters,
      workflows: registry.names,
      report: () => this.report(),
      onLost: () => this.dropAll(),
      onWork: () => this.claims.poke(),
      onDeath: (death) => this.inheritance.add(death),
      onTrusted: () => this.beginHeld(),
    })
    this.givingBack = new GivingBack({
      store,
      log,
      nodeId: () => this.nodeId,
      commit: (commit) => this.commit(commit),
      onRung: () => this.claims.poke(),
    })
    this.gatekeeper = new Gatekeeper({
      host: this,
      givingBack: this.givingBack,
      pollMs: WATCHED_POLL_MS,
      onPassed: (keys) => this.claims.look(keys),
    })
    const partitions = (): LeaseHolder['partitions'] => this.leases.partitions
    this.timers = new TimerLoop({
      store,
      clock,
      log,
      partitions,
      pollMs: WATCHED_POLL_MS,
      onRung: (foreign) => this.claims.look(foreign),
    })
    this.schedules = new ScheduleLoop({
      store,
      clock,
      log,
      meters,
      definitionOf: (workflow) => registry.get(workflow),
      pollMs: WATCHED_POLL_MS,
      onRung: (keys) => this.claims.look(keys),
    })
    this.claims = new ClaimLoop({
      host: this,
      store,
      registry,
      clock,
      log,
      meters,
      leases: this.leases,
      live: this.live,
      suspended: this.suspended,
      givingBack: this.givingBack,
      gatekeeper: this.gatekeeper,
      nodeId: () => this.nodeId,
      isReady: () => this.isReady,
      free: () => this.free,
      noteTime: (at) => this.noteTime(at),
    })
    this.inheritance = new Inheritance({
      store,
      clock,
      log,
      workflows: registry.names,
      crashesMax: limits.crashesMax,
      nodeId: () => this.nodeId,
      isReady: () => this.isReady,
      free: () => this.free,
      adopt: (claimed, nodeId) => this.claims.adoptAll(claimed, nodeId, 'failover'),
    })
    this.hintPost = new HintPost({
      clock,
      ownersOf: (rung) => this.leases.ownersOf(rung),
      everybody: () => this.leases.addresses,
    })
    this.hintInbox = new HintInbox(clock, (rung, areFree) => this.heed(rung, areFree))
    this.lookout = new Lookout({
      store,
      clock,
      log,
      workflows: registry.names,
      isReady: () => this.isReady,
      own: () => [...this.leases.partitions, ...this.leases.help.neglected],
      others: () => this.leases.help.looked,
      onReady: () => this.claims.poke(),
      onLate: (homes) => this.claims.help(homes),
      onTimer: (inMs) => this.timers.noteNext(inMs),
      onSchedule: (inMs) => inMs <= LOOKOUT_MS && this.schedules.poke(),
      onGate: (inMs) => this.gatekeeper.noteDue(inMs),
    })
    this.longSteps = new LongSteps({ store, clock, log, runs: () => this.live.values() })
    const { archive: sink } = options
    this.retention = new RetentionLoop({
      store,
      clock,
      log,
      meters,
      ...(sink === undefined ? {} : { archivist: new Archivist({ store, sink }) }),
    })
    this.upkeep = new Loop({
      name: 'upkeep',
      clock,
      log,
      turn: () => this.upkeepTurn(),
      afterErrorMs: UPKEEP_MS,
    })
  }

  get nodeId(): string {
    return this.leases.nodeId
  }

  get running(): number {
    return this.live.size
  }

  get stats(): NodeStats {
    const { executionsRemoved: removed, executionsArchived: archived } = this.meters
    return { running: this.live.size, cache: this.suspended.stats, removed, archived }
  }

  /** How many more executions may be at work. */
  private get free(): number {
    const { live, reserved, inheritance, gatekeeper } = this
    return this.options.capacity - live.size - reserved - inheritance.pending - gatekeeper.entering
  }

  /** What can fail comes first: with a lease, a node that does not work would be given partitions. */
  async start(address: string | null = this.options.address): Promise<void> {
    await this.store.registerDefinitions(
      this.registry.all.map(({ name, version }) => ({ workflow: name, version })),
    )
    await this.writePolicies()
    await this.gatekeeper.prepare()
    if (this.options.tracing !== false) this.tracing = Tracing.find(this.options.release, this.log)
    await this.leases.start(address)
    this.loadMeter.start()
    this.releaseRejections = holdStrayRejections(this.log)
    this.unlisten = this.store.onHint((partitions, areFree) => this.heed(partitions, areFree))
    this.store.carryHints((partitions, areFree) => this.hintPost.send(partitions, areFree))
    this.gatekeeper.start()
    this.claims.start()
    this.inheritance.start()
    this.lookout.start()
    this.timers.start()
    this.schedules.start()
    this.upkeep.start()
    this.retention.start()
    this.longSteps.start()
  }

  private writePolicies(): Promise<void> {
    const { kept: otherwise, archive } = this.options
    return this.store.writePolicies(
      this.registry.all.map(({ name: workflow, options: { retention } }) => ({
        workflow,
        kept: keptMsOf(retention, `workflow "${workflow}"`, otherwise),
        archived: archive !== undefined,
      })),
    )
  }

  /** Stops claiming, lets steps in flight end and be recorded (at most drainMs), hands everything back. */
  async stop(): Promise<void> {
    this.isDraining = true
    const { clock } = this
    this.leases.drain()
    const untilMs = clock.monotonicMs() + this.options.drainMs
    const loops = Promise.all([
      this.claims.stop(),
      this.inheritance.stop(),
      this.lookout.stop(),
      this.gatekeeper.stop(),
      this.timers.stop(),
      this.schedules.stop(),
      this.upkeep.stop(),
      this.retention.stop(),
      this.longSteps.stop(),
      this.unlisten(),
    ])
    await settledWithin(clock, this.options.drainMs, loops)
    for (const run of this.live.values()) run.pump()
    while (this.live.size > 0 && clock.monotonicMs() < untilMs) {
      await new Promise<void>((resolve) => clock.after(5, resolve))
    }
    this.dropAll()
    this.loadMeter.stop()
    this.releaseRejections?.()
    const left = await settledWithin(clock, LEAVE_MS, this.leave(loops))
    if (!left) this.log.warn({}, 'the node left without giving up its lease, which runs out by itself')
  }

  private async leave(loops: Promise<unknown>): Promise<void> {
    await Promise.all([loops, this.commitLanes.idle()])
    try {
      await this.leases.stop()
    } catch (error) {
      this.log.warn({ err: error }, 'the lease could not be given up; it runs out by itself')
    }
  }

  /** A hint that did not come by the database. */
  hinted(partitions: readonly number[], areFree: boolean): void {
    if (this.isReady) this.hintInbox.receive(partitions, areFree)
  }

  private heed(partitions: ReadonlySet<number>, areFree: boolean): void {
    if (areFree) this.leases.lookSoon()
    this.claims.hinted(partitions)
  }

  private report(): NodeReport {
    const versions = this.registry.all.slice(0, VERSIONS_MAX).map(({ name, version }) => [name, version])
    return {
      zone: this.options.zone,
      isDraining: this.isDraining,
      running: this.live.size,
      cached: this.suspended.size,
      laneDepth: this.commitLanes.depth,
      ...this.loadMeter.read(),
      versions: Object.fromEntries(versions),
    }
  }

  private reading(): NodeReading {
    const { nodeId, live, suspended, commitLanes, leases } = this
    const { region, zone, release, capacity, store } = this.options
    return {
      nodeId,
      region,
      zone,
      release,
      capacity,
      database: store.dialect,
      running: live.size,
      cached: suspended.size,
      cache: suspended.stats,
      commitsWaiting: commitLanes.depth,
      isTrusted: leases.isTrusted(),
      nodes: leases.leases.length,
      partitions: leases.partitions.length,
    }
  }

  /** Whether the node can do its work: its lease is trusted and it is not on its way out. */
  get isReady(): boolean {
    return !this.isDraining && this.leases.isTrusted()
  }

  // ---- for runs

  isTrusted(): boolean {
    return this.leases.isTrusted()
  }

  onceTrusted(begin: () => void): void {
    this.untrusted.push(begin)
  }

  private beginHeld(): void {
    for (const begin of this.untrusted.splice(0)) begin()
  }

  commit(commit: Commit): Promise<CommitOutcome> {
    return this.commitLanes.submit(commit)
  }

  async startChild(row: StartRow): Promise<StartOutcome> {
    const claimable = { ...row, claimedBy: this.claimant(row.workflow) }
    let outcome: StartOutcome
    try {
      outcome = await this.childLane.submit(claimable)
    } catch (error) {
      this.startFailed(claimable)
      throw error
    }
    this.started(claimable, outcome)
    return outcome
  }

  async isRegistered(workflow: string): Promise<boolean> {
    if (this.registry.get(workflow) !== undefined || this.registered.has(workflow)) return true
    const definitions = await this.store.readDefinitions()
    this.registered = new Set(definitions.map((definition) => definition.workflow))
    return this.registered.has(workflow)
  }

  databaseTime(): Date | undefined {
    return this.databaseClock.now()
  }

  timerWritten(dueAt: Date, key: ExecutionKey): void {
    this.timers.noteDue(dueAt, key)
  }

  released(run: Run, rung: boolean): void {
    if (this.forget(run) && run.state === 'suspended') this.suspended.keep(run)
    if (rung) this.claims.poke()
    this.pokeIfHungry()
  }

  closed(run: Run, status: ExecutionStatus, payload: string | undefined): void {
    this.forget(run)
    this.gatekeeper.noteEnded(run.key, run.definition)
    if (status === 'failed') {
      const { executionId, definition } = run
      this.log.info({ executionId, run: run.run, workflow: definition.name }, 'an execution failed')
    }
    if (run.parent !== null) this.poke([run.parent.key])
    for (const listener of this.closedListeners) listener(run.executionId, status, payload)
    this.pokeIfHungry()
  }

  answered(executionId: string, messageId: string): void {
    for (const listener of this.answeredListeners) listener(executionId, messageId)
  }

  dropped(run: Run, reason: 'lost' | 'unavailable' | 'broken', error?: unknown): void {
    this.forget(run)
    this.meters.dropped[reason]++
    if (reason === 'broken') return void this.givingBack.setAside(run, error)
    if (reason === 'lost') {
      this.gatekeeper.noteEnded(run.key, run.definition)
      void tellOrphans(run)
    } else this.log.warn({ err: error, executionId: run.executionId }, 'an execution was dropped from memory')
    void this.givingBack.handBack(run, reason === 'lost' ? 0 : UNAVAILABLE_RETRY_MS)
  }

  /** False when another copy stands in its place: it was claimed again before the answer to its release was read. */
  private forget(run: Run): boolean {
    return this.live.delete(run)
  }

  // ---- for the client in this process

  definition(name: string): Workflow | undefined {
    return this.registry.get(name)
  }

  declaresSignal(name: string): boolean {
    return this.registry.all.some(({ options }) => options.signals?.[name] !== undefined)
  }

  claimant(workflow: string): string | null {
    const canRun = this.isReady && this.registry.get(workflow) !== undefined
    if (!canRun || this.free <= 0) return null
    this.reserved++
    return this.nodeId
  }

  started(row: StartRow, outcome: StartOutcome): void {
    if (row.claimedBy !== null) this.reserved--
    if (outcome.kind !== 'created') return
    this.meters.of(row.workflow).started[row.parent === undefined ? 'client' : 'child']++
    if (!outcome.claimed) return this.claims.poke()
    const definition = this.registry.get(row.workflow)
    if (definition === undefined || row.claimedBy !== this.nodeId || this.isDraining) {
      const nodeId = row.claimedBy ?? this.nodeId
      return void this.givingBack.handBack({ key: row.key, claimEpoch: 1, version: 1, nodeId }, 0)
    }
    if (this.live.has(row.key.executionId)) return
    const event: Event = { ...row.event, version: 1, at: outcome.at }
    this.noteTime(outcome.at)
    const waking = { messages: [], inbox: 0, at: outcome.at }
    const run = new Run(this, {
      key: row.key,
      definition,
      run: 1,
      runVersion: 1,
      claimEpoch: 1,
      parent: row.parent ?? null,
    })
    const begin = (): void => {
      this.live.add(run)
      void run.begin([event], waking).catch((error: unknown) => run.drop('broken', error))
    }
    if (!this.gatekeeper.holds(definition, [event])) return begin()
    const fail = (error: unknown): void => {
      this.live.add(run)
      failUnbegun(run, 1, error)
    }
    const newcomer = {
      key: row.key,
      nodeId: row.claimedBy,
      claimEpoch: 1,
      definition,
      started: event,
      version: 1,
    }
    this.gatekeeper.receive(newcomer, { begin, fail })
  }

  /** A reservation of `claimant` that came to nothing. */
  startFailed(row: StartRow): void {
    if (row.claimedBy !== null) this.reserved--
  }

  ended(executionId: string): void {
    this.live.get(executionId)?.drop('lost')
  }

  restarted({ workflow }: StartRow): void {
    this.meters.of(workflow).started.restart++
  }

  terminated(executionId: string, workflow?: string): void {
    const run = this.live.get(executionId) ?? this.suspended.peek(executionId)
    this.meters.of(workflow ?? run?.definition.name ?? OTHER_WORKFLOW).closed.terminated++
  }

  poke(keys: readonly ExecutionKey[]): void {
    // Whose partition it is: what is in our memory is woken here.
    this.claims.look(keys.filter((key) => this.suspended.has(key)))
  }

  scheduleChanged(rung: readonly ExecutionKey[]): void {
    this.schedules.poke()
    if (rung.length > 0) this.claims.look(rung)
  }

  onClosed(listener: ClosedListener): () => void {
    this.closedListeners.add(listener)
    return () => this.closedListeners.delete(listener)
  }

  onAnswered(listener: AnsweredListener): () => void {
    this.answeredListeners.add(listener)
    return () => this.answeredListeners.delete(listener)
  }

  async query(
    executionId: string,
    name: string,
    args: unknown,
  ): Promise<{ readonly value: unknown } | undefined> {
    const key = this.store.keyOf(executionId)
    const [row] = await this.store.readExecutions([key])
    if (row === null || row === undefined) {
      throw notFound(executionId)
    }
    const copies = [this.live.get(executionId), this.suspended.peek(executionId)]
    const present = copies.find((run) => run?.claimEpoch === row.claimEpoch && run.isAskable)
    if (present !== undefined) return { value: askInstance(present.instance, name, args) }
    const definition = this.registry.get(row.workflow)
    if (definition === undefined) return undefined
    const [history = []] = await readHistories(this.store, [{ key, from: row.runVersion }])
    // A throw-away copy: replayed, asked, and forgotten; what it would do next is never carried out, nor logged.
    const { limits } = this
    const copy = new Instance({ definition, executionId, run: row.run, limits, log: silentLogger })
    await copy.replay(history)
    const cause = copy.disagreement
    if (cause !== undefined) {
      const text = `Query "${name}" of execution "${executionId}" cannot be answered here. ${cause.message}`
      throw new CerebelumError('QUERY_UNAVAILABLE', text, { executionId, cause })
    }
    return { value: askInstance(copy, name, args) }
  }

  private noteTime(at: Date): void {
    this.timers.noteTime(at)
    this.databaseClock.note(at)
  }

  // ---- loops

  private async upkeepTurn(): Promise<number> {
    const { partitions } = this.leases
    if (partitions.length > 0) {
      const rung = await this.store.sweepStranded(partitions, UPKEEP_BATCH_MAX)
      if (rung > 0) this.claims.poke()
    }
    await this.giveBackLost()
    await this.store.sweepConsumed(CONSUMED_KEPT_MS, UPKEEP_BATCH_MAX)
    return UPKEEP_MS
  }

  /** Held, but not in memory, twice in a row: a start whose answer was lost, or a fault. The lease would keep it. */
  private async giveBackLost(): Promise<void> {
    for (const { key, claimEpoch } of await this.store.findHeld(this.nodeId, HELD_MAX)) {
      const isHere = this.live.get(key.executionId)?.claimEpoch === claimEpoch
      if (isHere || !this.lost.isOld(key, claimEpoch)) continue
      this.log.warn(
        { executionId: key.executionId },
        'an execution was held and not worked on; it is given back',
      )
      void this.givingBack.handBack({ key, claimEpoch, version: 0 }, 0)
    }
    this.lost.forgetUnseen()
  }

  private dropAll(): void {
    this.givingBack.forget()
    for (const run of this.live.values()) {
      run.state = 'dropped'
      run.abandonAll(new Error('this node no longer holds the execution'))
    }
    this.live.clear()
    this.suspended.clear()
    this.beginHeld()
  }

  private pokeIfHungry(): void {
    if (this.live.size < this.options.capacity / 2 && this.live.size + 1 >= this.options.capacity / 2)
      this.claims.poke()
  }
}
