// What dead nodes held: taken over in batches straight from them, by all survivors side by side, while the batch before
// is being loaded. What this node has no room for, or cannot run, is handed back with its doorbell ringing. It works beside
// the heartbeat, never in it: a survivor must not lose its own lease over another's estate.

import { Loop } from '../core/loop.js'
import type { Clock, Logger } from '../core/ports.js'
import type { Claimed, Store } from '../store/store.js'

export interface InheritanceOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly workflows: readonly string[]
  readonly crashesMax: number
  /** Changes when the node joins as new: what was claimed under the old id is lost. */
  readonly nodeId: () => string
  readonly isReady: () => boolean
  /** How many more executions may be at work. */
  readonly free: () => number
  /** Puts to work what was taken; what cannot be loaded is given back. */
  readonly adopt: (claimed: readonly Claimed[], nodeId: string) => Promise<void>
}

export interface Death {
  readonly nodeIds: readonly string[]
  /** About how many of their executions are this node's to take at a time. */
  readonly share: number
}

/** One statement takes this many at most, and at least, so that survivors share and small estates go at once. */
const BATCH_MAX = 500
const BATCH_MIN = 100
const HAND_BACK_BATCH = 1_000
/** Of how many dead one statement takes: when many die at once, each survivor begins with others. */
const DEAD_AT_A_TIME = 8
const UNREADY_MS = 50
const AFTER_ERROR_MS = 250
/** Nothing to do until somebody dies. */
const IDLE_MS = 3_600_000

export class Inheritance {
  /** Taken, and not yet at work. */
  pending = 0
  private readonly options: InheritanceOptions
  private readonly loop: Loop
  private readonly dead = new Set<string>()
  private share = BATCH_MAX

  constructor(options: InheritanceOptions) {
    this.options = options
    const { clock, log } = options
    const turn = (): Promise<number> => this.turn()
    this.loop = new Loop({ name: 'inheritance', clock, log, turn, afterErrorMs: AFTER_ERROR_MS })
  }

  start(): void {
    this.loop.start()
  }

  stop(): Promise<void> {
    return this.loop.stop()
  }

  add({ nodeIds, share }: Death): void {
    for (const nodeId of nodeIds) this.dead.add(nodeId)
    this.share = Math.max(BATCH_MIN, Math.min(BATCH_MAX, share))
    this.loop.poke()
  }

  private async turn(): Promise<number> {
    if (this.dead.size === 0) return IDLE_MS
    if (!this.options.isReady()) return UNREADY_MS
    const some = [...this.dead].slice(0, DEAD_AT_A_TIME)
    await this.takeAll(some)
    for (const nodeId of some) this.dead.delete(nodeId)
    return 0
  }

  /** One batch is loaded while the next one is being taken. */
  private async takeAll(dead: readonly string[]): Promise<void> {
    let adopting: Promise<void> = Promise.resolve()
    try {
      while (this.options.isReady()) {
        const nodeId = this.options.nodeId()
        const { claimed, ended } = await this.take(dead, nodeId)
        await adopting
        adopting = this.adopt(claimed, nodeId)
        if (ended === 0) break
      }
    } finally {
      await adopting
    }
  }

  private take(dead: readonly string[], nodeId: string): ReturnType<Store['takeOver']> {
    const { store, workflows, crashesMax, free } = this.options
    const room = Math.min(this.share, free())
    return store.takeOver(
      room > 0
        ? { dead, crashesMax, heir: { nodeId, workflows }, limit: room }
        : { dead, crashesMax, heir: null, limit: HAND_BACK_BATCH },
    )
  }

  private async adopt(claimed: readonly Claimed[], nodeId: string): Promise<void> {
    this.pending += claimed.length
    try {
      await this.options.adopt(claimed, nodeId)
    } catch (error) {
      // All that was not loaded has been given back.
      this.options.log.warn(
        { err: error },
        'executions of a dead node could not be loaded; they are given back',
      )
    } finally {
      this.pending -= claimed.length
    }
  }
}
