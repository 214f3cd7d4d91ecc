// A bounded number of things at a time; the rest wait their turn in order. Synchronous when a slot is free: a step
// must not pay a promise for a limit that is not reached.

import { Queue } from '../core/queue.js'

export class Slots {
  private taken = 0
  private readonly waiting = new Queue<() => void>()
  private isHandingOn = false
  private readonly max: number

  constructor(max: number) {
    this.max = max
  }

  /** Takes a slot when one is free and nobody waits for it; then a `release` must follow. */
  take(): boolean {
    if (this.taken >= this.max || this.waiting.size > 0) return false
    this.taken++
    return true
  }

  /** Calls `begin` now, or when a slot is free; every `begin` must be followed by one `release`. */
  acquire(begin: () => void): void {
    if (this.take()) begin()
    else this.waiting.push(begin)
  }

  /** One at a time in a loop: what begins may end at once and release, and thousands of those would end the stack. */
  release(): void {
    this.taken--
    if (this.isHandingOn) return
    this.isHandingOn = true
    try {
      while (this.taken < this.max) {
        const next = this.waiting.shift()
        if (next === undefined) break
        this.taken++
        next()
      }
    } finally {
      this.isHandingOn = false
    }
  }

  /** What waits is not begun any more; it needs no release. */
  clear(): void {
    this.waiting.clear()
  }

  get used(): number {
    return this.taken
  }
}
