// The claim loop of a node: takes ready executions in batches up to its free capacity, and what rang on those it holds,
// and puts them to work: from memory when nobody claimed them since, else from their histories. What it took and could
// not load is given back. It looks at once when it is poked, and the slower the longer there is nothing.

import type { Home } from '../coordination/assignment.js'
import type { LeaseHolder } from '../coordination/lease-holder.js'
import { CerebelumError } from '../core/errors.js'
import type { Event } from '../core/event.js'
import { Loop } from '../core/loop.js'
import type { Clock, Logger } from '../core/ports.js'
import type { ClaimSource, Meters } from '../metrics/meters.js'
import type { Claimed, Rung, Store } from '../store/store.js'
import type { Registry } from '../workflow/registry.js'
import { endUnbegun, failUnbegun } from './closing.js'
import { claimsBefore, type Gatekeeper } from './gatekeeper.js'
import { UNAVAILABLE_RETRY_MS, type GivingBack } from './giving-back.js'
import { readHistories, readInboxes } from './history-reader.js'
import type { LiveRuns } from './live-runs.js'
import { LATE_MS } from './lookout.js'
import { Run, SUSPECT_CRASHES, type Waking } from './run.js'
import type { RunHost } from './run-host.js'
import { Strangers } from './strangers.js'
import type { SuspendedRuns } from './suspended-runs.js'

export interface ClaimLoopOptions {
  readonly host: RunHost
  readonly store: Store
  readonly registry: Registry
  readonly clock: Clock
  readonly log: Logger
  readonly meters: Meters
  readonly leases: LeaseHolder
  readonly live: LiveRuns
  readonly suspended: SuspendedRuns
  readonly givingBack: GivingBack
  readonly gatekeeper: Gatekeeper
  /** Changes when the node joins as new: what was claimed under the old id is lost. */
  readonly nodeId: () => string
  readonly isReady: () => boolean
  /** How many more executions may be at work. */
  readonly free: () => number
  /** The database's time as just seen. */
  readonly noteTime: (at: Date) => void
}

const CLAIM_BATCH_MAX = 500
const RUNG_BATCH_MAX = 500
/** An idle node looks this often; pokes make it look at once. */
const POLL_MIN_MS = 10
const POLL_MAX_MS = 250
/** Where hints tell of what others ring, and polling is only for hints that got lost. */
const HINTED_POLL_MAX_MS = 1_000
/** Where the lookout sees what rings while nothing is at work here, polling is for a lookout that cannot see. */
const WATCHED_POLL_MAX_MS = 30_000
/** Suspects that may not run yet come back one after the other: most that run have made progress within this time. */
const SUSPECT_SPACING_MS = 25
/** Events of histories that are read and replayed at one time; more executions wait for the next group. */
const LOADED_EVENTS_MAX = 20_000

export class ClaimLoop {
  private readonly options: ClaimLoopOptions
  private readonly loop: Loop
  private readonly strangers: Strangers
  /** Partitions of others that the next turn looks at, too. */
  private readonly lookedAt = new Map<number, Home>()
  /** Partitions whose owners are late with something. */
  private late: readonly Home[] = []
  private idlePollMs = POLL_MIN_MS
  private nextSuspectMs = -Infinity
  /** There was more than could be taken at once, by the last claim that was made. */
  private isCrowded = false

  constructor(options: ClaimLoopOptions) {
    this.options = options
    const { clock, log } = options
    this.strangers = new Strangers(clock)
    this.loop = new Loop({ name: 'claims', clock, log, turn: () => this.turn(), afterErrorMs: POLL_MAX_MS })
  }

  start(): void {
    this.loop.start()
  }

  stop(): Promise<void> {
    return this.loop.stop()
  }

  /** Something may be ready: look at once. */
  poke(): void {
    this.loop.poke()
  }

  /** Somebody rang doorbells: look at once, if it is this node that would answer. */
  hinted(partitions: ReadonlySet<number>): void {
    const { partitions: owned, help } = this.options.leases
    const isOurs = ({ partition }: { readonly partition: number }): boolean => partitions.has(partition)
    const isLive = [...partitions].some((partition) => this.options.live.livesIn(partition))
    if (isLive || owned.some(isOurs) || help.neglected.some(isOurs)) this.poke()
  }

  /** Looks at once, also in partitions of others: what waits there for our timers is in our memory. */
  look(foreign: readonly Home[]): void {
    for (const home of foreign) this.lookedAt.set(home.partition, home)
    this.poke()
  }

  /** Claims what others are late with in these, and looks at once. */
  help(late: readonly Home[]): void {
    this.late = late
    this.poke()
  }

  private async turn(): Promise<number> {
    const { leases, givingBack, live } = this.options
    if (!this.options.isReady()) return POLL_MIN_MS
    givingBack.retry()
    const rung = live.size > 0 ? await this.takeRung() : 0
    const { partitions, help } = leases
    for (const home of [...partitions, ...help.neglected]) this.lookedAt.set(home.partition, home)
    const homes = [...this.lookedAt.values()]
    this.lookedAt.clear()
    const own = await this.claimFrom(homes, 0)
    if (own.isFull) return 0
    const late = await this.claimFrom(this.late, LATE_MS)
    if (!late.isFull) this.late = []
    return late.isFull ? 0 : this.pace(rung + own.claimed + late.claimed)
  }

  /** `isFull`: it took as many as it could at once, so there may be more. */
  private async claimFrom(
    partitions: readonly Home[],
    lateMs: number,
  ): Promise<{ readonly claimed: number; readonly isFull: boolean }> {
    const { store, registry } = this.options
    const limit = Math.min(this.options.free(), CLAIM_BATCH_MAX)
    if (limit <= 0 || partitions.length === 0) return { claimed: 0, isFull: false }
    const nodeId = this.options.nodeId()
    const workflows = registry.names
    const { isCrowded } = this
    const { meters, clock } = this.options
    const begunMs = clock.monotonicMs()
    const claimed = await store.claim({
      nodeId,
      partitions,
      since: null,
      lateMs,
      workflows,
      limit,
      isCrowded,
    })
    meters.claims.observeMs(clock.monotonicMs() - begunMs)
    this.isCrowded = claimed.length === limit
    // By shares a claim may come back short although there is more.
    await this.adoptAll(claimed, nodeId, lateMs > 0 ? 'late' : 'doorbell')
    return { claimed: claimed.length, isFull: this.isCrowded || (isCrowded && claimed.length > 0) }
  }

  /** Puts to work what this node has claimed under this id, however it came by it. */
  async adoptAll(claimed: readonly Claimed[], nodeId: string, source: ClaimSource): Promise<void> {
    const { live, givingBack, meters } = this.options
    meters.claimed[source] += claimed.length
    try {
      for (const group of loadable(claimed)) await this.adopt(group, nodeId)
    } catch (error) {
      // Claimed, but not loaded: nobody else may take them as long as this node lives.
      for (const claim of claimed) {
        if (live.has(claim.key.executionId)) continue
        void givingBack.handBack({ ...claim, nodeId }, UNAVAILABLE_RETRY_MS)
      }
      throw error
    }
  }

  /** Quick after work, slower the longer there is none. */
  private pace(found: number): number {
    const { store, live } = this.options
    // What rings on what is at work here, nobody else sees.
    const hintedMs = live.size > 0 ? HINTED_POLL_MAX_MS : WATCHED_POLL_MAX_MS
    const maxMs = store.hasHints ? hintedMs : POLL_MAX_MS
    this.idlePollMs = found > 0 ? POLL_MIN_MS : Math.min(this.idlePollMs * 2, maxMs)
    return this.idlePollMs
  }

  private async takeRung(): Promise<number> {
    // A doorbell is cleared only while its run is kept from giving its claim up: the release would else be written
    // after the clearing, and what rang (a message, a timer) would wait for ever.
    const kept = new Set<Run>()
    try {
      const rung = await this.options.store.takeRung(
        this.options.nodeId(),
        RUNG_BATCH_MAX,
        ({ key, claimEpoch }) => {
          const run = this.options.live.get(key.executionId)
          if (run === undefined || run.claimEpoch !== claimEpoch) return this.strangers.isOld(key, claimEpoch)
          if (!run.keep()) return false
          kept.add(run)
          return true
        },
      )
      this.strangers.forgetUnseen()
      await this.wakeRung(rung)
      return rung.length
    } catch (error) {
      // Perhaps cleared, and not woken: given back, they ring again.
      for (const run of kept) run.drop('unavailable', error)
      throw error
    } finally {
      for (const run of kept) run.unkeep()
    }
  }

  private async wakeRung(rung: readonly Rung[]): Promise<void> {
    const held: { run: Run; at: Date; inbox: number }[] = []
    for (const { key, claimEpoch, inbox, at } of rung) {
      const run = this.options.live.get(key.executionId)
      if (run !== undefined && run.claimEpoch === claimEpoch) held.push({ run, at, inbox })
      // Held by the database's word, but not in memory: give it back, so that it is claimed and loaded afresh.
      else void this.options.givingBack.handBack({ key, claimEpoch, version: 0 }, 0)
    }
    const unread = held.filter(({ run, inbox }) => inbox > run.mailbox.position)
    const wanted = unread.map(({ run }) => ({ key: run.key, after: run.mailbox.position }))
    const messages = await readInboxes(this.options.store, wanted)
    const byRun = new Map(unread.map(({ run }, index) => [run, messages[index] ?? []]))
    for (const { run, at, inbox } of held) {
      const messages = byRun.get(run) ?? []
      run.wake({ messages, inbox, at })
    }
  }

  private async adopt(claimed: readonly Claimed[], nodeId: string): Promise<void> {
    const { meters, clock } = this.options
    const begunMs = clock.monotonicMs()
    const at = claimed[0]?.at
    if (at !== undefined) this.options.noteTime(at)
    const ready = this.withoutSuspects(claimed).map((claim) => ({
      claim,
      cached: this.options.suspended.take(claim),
    }))
    const toLoad = ready.filter(({ cached }) => cached === undefined)
    const histories = await readHistories(
      this.options.store,
      toLoad.map(({ claim }) => ({ key: claim.key, from: claim.runVersion })),
    )
    const historyOf = new Map(toLoad.map(({ claim }, index) => [claim, histories[index] ?? []]))
    const unread = ready.filter(({ claim, cached }) => claim.inbox > (cached?.mailbox.position ?? 0))
    const messages = await readInboxes(
      this.options.store,
      unread.map(({ claim, cached }) => ({ key: claim.key, after: cached?.mailbox.position ?? 0 })),
    )
    const messagesOf = new Map(unread.map(({ claim }, index) => [claim, messages[index] ?? []]))
    for (const { claim, cached } of ready) {
      if (this.options.nodeId() !== nodeId) {
        // Claimed for the node that this one was: what came after its claims were given back would lie with the dead.
        void this.options.givingBack.handBack({ ...claim, nodeId }, 0)
        continue
      }
      const messages = messagesOf.get(claim) ?? []
      const waking = { messages, inbox: claim.inbox, at: claim.at }
      if (claim.rungAt !== undefined)
        meters.doorbellLag.observeMs(
          claim.at.getTime() - claim.rungAt.getTime() + clock.monotonicMs() - begunMs,
        )
      if (cached !== undefined) {
        this.options.live.add(cached)
        cached.wake(waking)
      } else {
        this.load(claim, historyOf.get(claim) ?? [], waking)
      }
    }
  }

  /**
   * Of executions that were there when their nodes died, again and again, only a part at a time: a quarter with the
   * second crash, a sixteenth with the third, in the end one. So the innocent get on, and what kills its node takes
   * fewer and fewer with it. The others are given back to ring in turn: claimed all together again and again, they
   * would write far more than they do, and be counted as present when the node dies.
   */
  private withoutSuspects(claimed: readonly Claimed[]): readonly Claimed[] {
    const fresh = claimed.filter(({ attempts }) => attempts >= SUSPECT_CRASHES).length
    if (fresh === 0) return claimed
    let live = [...this.options.live.values()].filter((run) => run.isSuspect).length
    const all = fresh + live
    return claimed.filter((claim) => {
      if (claim.attempts < SUSPECT_CRASHES) return true
      const together = Math.max(1, Math.floor(all / 4 ** (claim.attempts - 1)))
      if (live < together) {
        live++
        return true
      }
      void this.options.givingBack.handBack(claim, this.suspectWaitMs(together))
      return false
    })
  }

  private suspectWaitMs(together: number): number {
    const nowMs = this.options.clock.monotonicMs()
    this.nextSuspectMs = Math.max(this.nextSuspectMs, nowMs) + SUSPECT_SPACING_MS / together
    return this.nextSuspectMs - nowMs
  }

  private load(claim: Claimed, history: readonly Event[], waking: Waking): void {
    const definition = this.options.registry.get(claim.workflow)
    const started = history[0]
    if (definition === undefined || started?.type !== 'started') {
      const { executionId } = claim.key
      return void this.options.givingBack.setAside(
        claim,
        new CerebelumError(
          'UNREADABLE_VALUE',
          `The history of execution "${executionId}" does not begin with "started".`,
          { executionId },
        ),
      )
    }
    const { key, run, runVersion, claimEpoch, parent } = claim
    // Rung too early, by whatever: it begins when it was asked to, and when its turn has come.
    const isEarly = history.length === 1 && started.dueAt !== undefined && claim.at < started.dueAt
    const isHeld = this.options.gatekeeper.holds(definition, history)
    const ending = isEarly || isHeld ? waking.messages.find(({ kind }) => ENDINGS.has(kind)) : undefined
    if (isEarly && ending === undefined) {
      return void this.options.givingBack.handBack({ key, claimEpoch, version: started.version }, undefined)
    }
    const begin = (work: (run: Run) => void): void => {
      const crashes = claim.attempts
      const loaded = new Run(this.options.host, {
        key,
        definition,
        run,
        runVersion,
        claimEpoch,
        parent,
        crashes,
      })
      this.options.live.add(loaded)
      // A copy that was suspended while this one was being read is of the past.
      this.options.suspended.delete(key.executionId)
      work(loaded)
    }
    const version = history.at(-1)?.version ?? started.version
    if (ending !== undefined) return begin((loaded) => endUnbegun(loaded, version, ending))
    // It was given up in good order behind the last event: its code has been there, and said what it had to say.
    const isSeen =
      claimEpoch > claimsBefore(history) + 1 &&
      claim.attempts === 0 &&
      claim.version >= (history.at(-1)?.version ?? 0)
    const play = (loaded: Run): void =>
      void loaded.begin(history, waking, isSeen).catch((error: unknown) => loaded.drop('broken', error))
    if (!isHeld) return begin(play)
    const nodeId = this.options.nodeId()
    this.options.gatekeeper.receive(
      { key, nodeId, claimEpoch, definition, started, version },
      {
        begin: () => begin(play),
        fail: (error) => begin((loaded) => failUnbegun(loaded, version, error)),
      },
    )
  }
}

/** What ends an execution that has not begun. */
const ENDINGS: ReadonlySet<string> = new Set(['cancel', 'terminate'])

/** Claims in groups whose histories are held in memory and replayed at one time. */
function loadable(claimed: readonly Claimed[]): Claimed[][] {
  const groups: Claimed[][] = []
  let events = Infinity
  for (const claim of claimed) {
    // What the row knows; plain appends since do not count.
    const size = claim.version - claim.runVersion + 1
    if (events + size > LOADED_EVENTS_MAX) {
      groups.push([])
      events = 0
    }
    events += size
    groups.at(-1)?.push(claim)
  }
  return groups
}
