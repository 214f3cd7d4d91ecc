// The database's time as this process knows it: never later than the true one, so that what is stamped with it never
// lies in the future of anybody who reads the database's own clock afterwards. For stamps, not for decisions.

import type { Clock } from './ports.js'

/** Two clocks drift apart by less than this; without it one early sample would rule for ever. */
const DRIFT = 0.000_5

export class DatabaseClock {
  readonly #clock: Clock
  #offsetMs: number | undefined
  #sampledMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** An instant that the database just told: it was true when it was told, so by now it is later. */
  note(at: Date): void {
    const nowMs = this.#clock.monotonicMs()
    const sampleMs = at.getTime() - nowMs
    const heldMs =
      this.#offsetMs === undefined ? sampleMs : this.#offsetMs - (nowMs - this.#sampledMs) * DRIFT
    // The sample that traveled fastest is the nearest to the truth.
    this.#offsetMs = Math.max(sampleMs, heldMs)
    this.#sampledMs = nowMs
  }

  /** Undefined before the first sample. */
  now(): Date | undefined {
    if (this.#offsetMs === undefined) return undefined
    const nowMs = this.#clock.monotonicMs()
    return new Date(Math.floor(nowMs + this.#offsetMs - (nowMs - this.#sampledMs) * DRIFT))
  }
}
