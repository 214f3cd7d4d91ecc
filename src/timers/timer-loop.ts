// Takes due timers in batches and rings doorbells: those of the partitions owned, and those that this node's own runs
// wrote in partitions of others, whose owners would only learn of them by a poll. A timer row never decides anything: the
// run that it wakes judges by its history what is due. The loop sleeps until the next timer that it knows of, at most a
// poll; an idle poll is one statement that takes nothing.

import { Loop } from '../core/loop.js'
import type { Clock, Logger } from '../core/ports.js'
import type { Store } from '../store/store.js'

export interface TimerHome {
  readonly region: string
  readonly partition: number
}

export interface TimerLoopOptions {
  readonly store: Pick<Store, 'nextTimer' | 'fireTimers'>
  readonly clock: Clock
  readonly log: Logger
  readonly partitions: () => readonly TimerHome[]
  /** How long a timer may lie that a node wrote which is gone; default 1 s. */
  readonly pollMs?: number
  /** Doorbells ring, or may: of what this node owns, of what runs here, and in these partitions of others. */
  readonly onRung: (foreign: readonly TimerHome[]) => void
}

const BATCH_MAX = 1_000
const POLL_MS = 1_000
/** Timers that are due within this span are taken together: a statement per timer would cost more than it is early. */
const GATHER_MS = 5

interface Foreign {
  readonly home: TimerHome
  dueMs: number
}

export class TimerLoop {
  private readonly options: TimerLoopOptions
  private readonly loop: Loop
  private nextDueMs = Infinity
  /** Partitions of others with timers of our runs: at most as many as there are partitions. */
  private readonly foreign = new Map<number, Foreign>()
  /** Database time minus local time; only to guess when to look, never to decide what is due. */
  private offsetMs = 0
  private polledMs = -Infinity
  private readonly pollMs: number

  constructor(options: TimerLoopOptions) {
    this.options = options
    this.pollMs = options.pollMs ?? POLL_MS
    const { clock, log } = options
    this.loop = new Loop({ name: 'timers', clock, log, turn: () => this.turn(), afterErrorMs: POLL_MS })
  }

  start(): void {
    this.loop.start()
  }

  stop(): Promise<void> {
    return this.loop.stop()
  }

  /** A timer was written by a run of this node: look no later than when it is due. */
  noteDue(dueAt: Date, { region, partition }: TimerHome): void {
    const dueMs = dueAt.getTime()
    const known = this.foreign.get(partition)
    // Owned or not is judged when it is due: partitions move.
    if (known === undefined) this.foreign.set(partition, { home: { region, partition }, dueMs })
    else if (dueMs < known.dueMs) known.dueMs = dueMs
    if (dueMs >= this.nextDueMs) return
    this.nextDueMs = dueMs
    if (this.untilDueMs() < POLL_MS) this.loop.poke()
  }

  /** A timer of the owned partitions is due in so many ms, whoever wrote it. */
  noteNext(inMs: number): void {
    this.nextDueMs = Math.min(this.nextDueMs, this.databaseMs() + inMs)
    if (this.untilDueMs() < POLL_MS) this.loop.poke()
  }

  /** The database's time as just seen. */
  noteTime(at: Date): void {
    this.offsetMs = at.getTime() - this.options.clock.wallMs()
  }

  private async turn(): Promise<number> {
    const { store, clock, onRung } = this.options
    const isDue = this.untilDueMs() <= 0
    const untilPollMs = this.polledMs + this.pollMs - clock.monotonicMs()
    if (!isDue && untilPollMs > 0) return Math.min(this.untilDueMs(), untilPollMs)
    const owned = this.options.partitions()
    const foreign = this.takeForeign(new Set(owned.map(({ partition }) => partition)))
    this.nextDueMs = Infinity
    this.polledMs = clock.monotonicMs()
    const homes = [...owned, ...foreign]
    if (homes.length === 0) return this.pollMs
    const nextInMs = isDue ? 0 : await store.nextTimer(homes)
    if (nextInMs === null || nextInMs > 0) return this.sleep(nextInMs, foreign)
    const fired = await store.fireTimers(homes, BATCH_MAX)
    // Also when another was faster: what runs here was rung all the same.
    if (fired.taken > 0 || isDue) onRung(foreign)
    if (fired.taken === BATCH_MAX) {
      this.keep(foreign, this.databaseMs())
      // More are due: the next turn takes them, and does not wait for a poll first.
      this.nextDueMs = this.databaseMs() - GATHER_MS
      return 0
    }
    return this.sleep(fired.nextInMs, foreign)
  }

  private sleep(nextInMs: number | null, foreign: readonly TimerHome[]): number {
    if (nextInMs !== null) {
      const dueMs = this.databaseMs() + nextInMs
      this.nextDueMs = Math.min(this.nextDueMs, dueMs)
      this.keep(foreign, dueMs)
    }
    return Math.min(this.pollMs, Math.max(0, this.untilDueMs()))
  }

  /** Partitions of others whose noted timers are due, and forgets those that have become our own. */
  private takeForeign(owned: ReadonlySet<number>): TimerHome[] {
    const taken: TimerHome[] = []
    const nowMs = this.databaseMs()
    for (const [partition, { home, dueMs }] of this.foreign) {
      const isOwned = owned.has(partition)
      if (!isOwned && dueMs > nowMs + GATHER_MS) continue
      this.foreign.delete(partition)
      if (!isOwned) taken.push(home)
    }
    return taken
  }

  /** There may be more in them: they are looked at again with the next that is known to be due. */
  private keep(homes: readonly TimerHome[], dueMs: number): void {
    for (const home of homes) {
      const known = this.foreign.get(home.partition)
      if (known === undefined) this.foreign.set(home.partition, { home, dueMs })
      else known.dueMs = Math.min(known.dueMs, dueMs)
    }
  }

  private untilDueMs(): number {
    return this.nextDueMs === Infinity ? Infinity : this.nextDueMs - this.databaseMs() + GATHER_MS
  }

  private databaseMs(): number {
    return this.options.clock.wallMs() + this.offsetMs
  }
}
