// Hints that come from outside of the database: whoever may reach the port can send them, so they are gathered and passed
// on at a bounded rate. All that a hint can do is make a node look for what is there.

import type { Clock } from '../core/ports.js'
import type { HintListener } from '../store/store.js'

/** At most a hundred polls a second, however many hints come. */
const GAP_MS = 10
/** Partitions are looked at more rarely: that is several statements. */
const FREE_GAP_MS = 500

export class HintInbox {
  private readonly clock: Clock
  private readonly listener: HintListener
  private partitions = new Set<number>()
  private areFree = false
  private passedMs = -Infinity
  private freePassedMs = -Infinity
  private isWaiting = false

  constructor(clock: Clock, listener: HintListener) {
    this.clock = clock
    this.listener = listener
  }

  receive(partitions: readonly number[], areFree: boolean): void {
    for (const partition of partitions) this.partitions.add(partition)
    this.areFree ||= areFree
    if (this.isWaiting) return
    this.isWaiting = true
    const waitMs = Math.max(0, this.passedMs + GAP_MS - this.clock.monotonicMs())
    this.clock.after(waitMs, () => this.pass(), { unref: true })
  }

  private pass(): void {
    const nowMs = this.clock.monotonicMs()
    const isFreeDue = this.areFree && nowMs >= this.freePassedMs + FREE_GAP_MS
    if (isFreeDue) this.freePassedMs = nowMs
    this.passedMs = nowMs
    this.isWaiting = false
    const { partitions } = this
    this.partitions = new Set()
    this.areFree = false
    this.listener(partitions, isFreeDue)
  }
}
