// Takes due timers of the owned partitions in batches and rings doorbells. A timer row never decides anything: the run
// that it wakes judges by its history what is due. It sleeps until the next timer that it knows of, at most a poll.

import { Loop } from '../core/loop.js'
import type { Clock, Logger } from '../core/ports.js'
import type { Store } from '../store/store.js'

export interface TimerLoopOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly partitions: () => readonly { readonly region: string; readonly partition: number }[]
  readonly onRung: () => void
}

const BATCH_MAX = 1_000
const POLL_MS = 500
/** Timers that are due within this span are taken together: a poll per timer would cost more than it is early. */
const GATHER_MS = 5

export class TimerLoop {
  private readonly options: TimerLoopOptions
  private readonly loop: Loop
  private nextDueMs = Infinity
  /** Database time minus local time; only to guess when to look, never to decide what is due. */
  private offsetMs = 0
  private polledMs = -Infinity

  constructor(options: TimerLoopOptions) {
    this.options = options
    const { clock, log } = options
    this.loop = new Loop({ name: 'timers', clock, log, turn: () => this.turn(), afterErrorMs: POLL_MS })
  }

  start(): void {
    this.loop.start()
  }

  stop(): Promise<void> {
    return this.loop.stop()
  }

  /** A timer was written: look no later than when it is due. */
  noteDue(dueAt: Date): void {
    const due = dueAt.getTime()
    if (due >= this.nextDueMs) return
    this.nextDueMs = due
    if (this.untilDueMs() < POLL_MS) this.loop.poke()
  }

  /** The database's time as just seen. */
  noteTime(at: Date): void {
    this.offsetMs = at.getTime() - this.options.clock.wallMs()
  }

  private async turn(): Promise<number> {
    const waitMs = Math.min(this.untilDueMs(), this.polledMs + POLL_MS - this.options.clock.monotonicMs())
    if (waitMs > 0) return waitMs
    const partitions = this.options.partitions()
    this.nextDueMs = Infinity
    this.polledMs = this.options.clock.monotonicMs()
    if (partitions.length === 0) return POLL_MS
    const { taken, nextInMs } = await this.options.store.fireTimers(partitions, BATCH_MAX)
    if (taken > 0) this.options.onRung()
    if (nextInMs !== null) this.nextDueMs = Math.min(this.nextDueMs, this.databaseMs() + nextInMs)
    return taken === BATCH_MAX ? 0 : Math.min(POLL_MS, Math.max(0, this.untilDueMs()))
  }

  private untilDueMs(): number {
    return this.nextDueMs === Infinity ? Infinity : this.nextDueMs - this.databaseMs() + GATHER_MS
  }

  private databaseMs(): number {
    return this.options.clock.wallMs() + this.offsetMs
  }
}
