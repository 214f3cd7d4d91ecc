// Executions that the database says this node holds and that are not in its memory. For a moment that is in order: a
// start is claimed by the statement that writes it, and its answer is still on the way. What stays so has lost its run,
// and has to be given back.

import type { ExecutionKey } from '../core/execution.js'
import type { Clock } from '../core/ports.js'

/** Long for an answer, short for an execution that waits. */
const OLD_MS = 1_000

export class Strangers {
  readonly #clock: Clock
  #known = new Map<string, number>()
  #seen = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether this one was seen long enough ago, at this claim. */
  isOld(key: ExecutionKey, claimEpoch: number): boolean {
    const id = `${claimEpoch} ${key.executionId}`
    const nowMs = this.#clock.monotonicMs()
    const sinceMs = this.#known.get(id) ?? nowMs
    this.#seen.set(id, sinceMs)
    return nowMs - sinceMs >= OLD_MS
  }

  /** Ends a round: what was not seen in it is no stranger any more. */
  forgetUnseen(): void {
    this.#known = this.#seen
    this.#seen = new Map()
  }
}
