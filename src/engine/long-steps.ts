// Looks after executions whose steps take long: while a step runs, nothing else of its run comes to the database, so that
// it would learn only at its end that its execution was terminated, or given to another node. Costs nothing as long as
// all steps are short.

import { Loop } from '../core/loop.js'
import type { Clock, Logger } from '../core/ports.js'
import type { Store } from '../store/store.js'
import type { Run } from './run.js'

export interface LongStepsOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly runs: () => Iterable<Run>
}

const LOOK_MS = 1_000
/** Steps that have run for less are not looked after. */
const LONG_MS = 2_000
/** Executions of one look. */
const LOOKED_AT_MAX = 1_000

export class LongSteps {
  private readonly options: LongStepsOptions
  private readonly loop: Loop

  constructor(options: LongStepsOptions) {
    this.options = options
    const { clock, log } = options
    this.loop = new Loop({ name: 'long steps', clock, log, turn: () => this.turn(), afterErrorMs: LOOK_MS })
  }

  start(): void {
    this.loop.start()
  }

  stop(): Promise<void> {
    return this.loop.stop()
  }

  private async turn(): Promise<number> {
    const { store, clock, runs } = this.options
    const sinceMs = clock.monotonicMs() - LONG_MS
    const long: Run[] = []
    for (const run of runs()) {
      if (long.length === LOOKED_AT_MAX) break
      if (run.hasStepSince(sinceMs)) long.push(run)
    }
    if (long.length === 0) return LOOK_MS
    const epochs = long.map((run) => run.claimEpoch)
    const rows = await store.readExecutions(long.map(({ key }) => key))
    for (const [index, run] of long.entries()) {
      // A run that was claimed anew meanwhile is another one.
      const isOurs = rows[index]?.claimEpoch === epochs[index]
      if (!isOurs && run.claimEpoch === epochs[index]) run.drop('lost')
    }
    return LOOK_MS
  }
}
