// Whether this node has just refused work because too much of it waits: balancers should ask another one for a moment.

import type { Clock } from '../core/ports.js'

/** Two checks of a balancer that asks twice a second. */
const MOMENT_MS = 1_000

export class Overload {
  readonly #clock: Clock
  #untilMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A request was refused as OVERLOADED. */
  note(): void {
    this.#untilMs = this.#clock.monotonicMs() + MOMENT_MS
  }

  get isNow(): boolean {
    return this.#clock.monotonicMs() < this.#untilMs
  }
}
