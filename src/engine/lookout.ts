// What an idle node does instead of polling: once a second one statement tells whether doorbells ring in its partitions,
// whether others are late with theirs, and when the next timer, schedule and gate are due; the loops that this is for
// are told. Hints and their own pokes make them faster; this finds whatever those missed.

import type { Home } from '../coordination/assignment.js'
import { Loop } from '../core/loop.js'
import type { Clock, Logger } from '../core/ports.js'
import type { Store } from '../store/store.js'

export interface LookoutOptions {
  readonly store: Pick<Store, 'glance'>
  readonly clock: Clock
  readonly log: Logger
  readonly workflows: readonly string[]
  readonly isReady: () => boolean
  /** Partitions that are this node's to look after. */
  readonly own: () => readonly Home[]
  /** Partitions that others look after. */
  readonly others: () => readonly Home[]
  readonly onReady: () => void
  /** Owners of these are late with something. */
  readonly onLate: (homes: readonly Home[]) => void
  /** The next timer of the own partitions. */
  readonly onTimer: (inMs: number) => void
  readonly onSchedule: (inMs: number) => void
  readonly onGate: (inMs: number) => void
}

export const LOOKOUT_MS = 1_000
/** What late is: owners look several times as often. */
export const LATE_MS = 1_000
/** Others' partitions of one look: with all, the cost would grow with the square of the cluster. */
const OTHERS_AT_A_TIME = 64

export class Lookout {
  private readonly options: LookoutOptions
  private readonly loop: Loop
  private turns = 0

  constructor(options: LookoutOptions) {
    this.options = options
    const { clock, log } = options
    const turn = (): Promise<number> => this.turn()
    this.loop = new Loop({ name: 'lookout', clock, log, turn, afterErrorMs: LOOKOUT_MS })
  }

  start(): void {
    this.loop.start()
  }

  stop(): Promise<void> {
    return this.loop.stop()
  }

  private async turn(): Promise<number> {
    const { store, workflows, own, isReady } = this.options
    if (!isReady()) return LOOKOUT_MS
    const others = this.someOf(this.options.others())
    const seen = await store.glance({ own: own(), others, workflows, lateMs: LATE_MS })
    if (seen.isReady) this.options.onReady()
    if (seen.isLate) this.options.onLate(others)
    if (seen.timerInMs !== null) this.options.onTimer(seen.timerInMs)
    if (seen.scheduleInMs !== null) this.options.onSchedule(seen.scheduleInMs)
    if (seen.gateInMs !== null) this.options.onGate(seen.gateInMs)
    return LOOKOUT_MS
  }

  /** The next ones, round and round. */
  private someOf(others: readonly Home[]): readonly Home[] {
    if (others.length <= OTHERS_AT_A_TIME) return others
    const from = (this.turns++ * OTHERS_AT_A_TIME) % others.length
    return [...others.slice(from), ...others.slice(0, from)].slice(0, OTHERS_AT_A_TIME)
  }
}
