// Removes closed executions whose time is over, in the background. Any node takes a sweep that is due, one at a time, and
// says how far it came; a node that dies leaves one that is due again. It rests as long as each batch took: what it takes
// of the database is half of one connection at most, and less the busier that is. What it locks is closed, and nobody
// waits for it.

import { Loop } from '../core/loop.js'
import { delay, type Clock, type Logger } from '../core/ports.js'
import type { Meters } from '../metrics/meters.js'
import type { Expired, Store, Sweep } from '../store/store.js'
import type { Archivist } from './archivist.js'

export interface RetentionLoopOptions {
  readonly store: Pick<Store, 'takeSweep' | 'findExpired' | 'removeExpired' | 'noteSweep' | 'readHistories'>
  readonly clock: Clock
  readonly log: Logger
  readonly meters: Meters
  /** Keeps what is removed; without one, what is to be archived is left to nodes that have one. */
  readonly archivist?: Archivist
  /** How often an idle node looks whether a sweep is due; default 30 s. */
  readonly pollMs?: number
  /** Executions looked at with one statement; default 500. */
  readonly pageSize?: number
}

const POLL_MS = 30_000
const PAGE_SIZE = 500
/** A node is at a sweep for so long at a time; it is another's again when its taker was not heard of for longer. */
const TURN_MS = 20_000
const HOLD_MS = 120_000
/** Between two passes over the executions of a workflow. */
const REST_MIN_MS = 60_000
const REST_MAX_MS = 3_600_000

export class RetentionLoop {
  private readonly options: RetentionLoopOptions
  private readonly loop: Loop
  private readonly stopping = new AbortController()

  constructor(options: RetentionLoopOptions) {
    this.options = options
    const { clock, log, pollMs = POLL_MS } = options
    this.loop = new Loop({ name: 'retention', clock, log, turn: () => this.turn(), afterErrorMs: pollMs })
  }

  start(): void {
    this.loop.start()
  }

  /** The batch under way ends; the rest is the next one's. */
  stop(): Promise<void> {
    this.stopping.abort()
    return this.loop.stop()
  }

  /** One turn at one sweep; returns the ms until the next. */
  async turn(): Promise<number> {
    const { store, archivist, pollMs = POLL_MS } = this.options
    const sweep = await store.takeSweep({ canArchive: archivist !== undefined, holdMs: HOLD_MS })
    if (sweep === null) return pollMs
    await this.sweep(sweep)
    return 0
  }

  private async sweep(sweep: Sweep): Promise<void> {
    const { store, clock, log, pageSize = PAGE_SIZE } = this.options
    const untilMs = clock.monotonicMs() + TURN_MS
    let { passed } = sweep
    let removed = 0
    do {
      const begunMs = clock.monotonicMs()
      const page = await store.findExpired({ ...sweep, passed }, pageSize)
      removed += await this.remove(sweep, page.found)
      passed = page.passed
      if (passed !== null) await this.rest(clock.monotonicMs() - begunMs)
    } while (passed !== null && !this.stopping.signal.aborted && clock.monotonicMs() < untilMs)
    await store.noteSweep({ sweep, passed, removed, restMinMs: REST_MIN_MS, restMaxMs: REST_MAX_MS })
    if (removed > 0) log.info({ workflow: sweep.workflow, removed }, 'closed executions were removed')
  }

  private async remove(sweep: Sweep, found: readonly Expired[]): Promise<number> {
    const { store, archivist, meters } = this.options
    let removed = 0
    if (sweep.archived) {
      // It was taken by a node that has one.
      for await (const kept of archivist?.keep(found) ?? []) {
        meters.executionsArchived += kept.length
        removed += await store.removeExpired(kept)
      }
    } else if (found.length > 0) removed = await store.removeExpired(found)
    meters.executionsRemoved += removed
    return removed
  }

  private async rest(ms: number): Promise<void> {
    const { signal } = this.stopping
    if (!signal.aborted) await delay(this.options.clock, ms, signal).catch(() => undefined)
  }
}
