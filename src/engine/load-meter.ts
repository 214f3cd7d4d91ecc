// What a node's process is doing, for its lease: how late the event loop runs, and how much of a core it uses. Each
// reading covers the time since the one before. The loop is sampled with a timer of our own: Node's histogram of the
// delay forgets, when it is reset, the sample that is under way, and with it whatever blocks the loop right then.

import type { Clock } from '../core/ports.js'
import type { Distribution } from '../metrics/distribution.js'

export interface Reading {
  /** 99th percentile. */
  readonly lagMs: number
  /** 1: one core, all the time. */
  readonly cpu: number
}

/** Coarse enough to cost nothing, fine enough for a percentile per heartbeat. */
const SAMPLE_MS = 20
/** Of the last 20 s, should nobody read for longer. */
const SAMPLES_MAX = 1_000

export class LoadMeter {
  readonly #clock: Clock
  readonly #delays: Distribution
  #samples: number[] = []
  #cancel: (() => void) | undefined
  #readAtMs: number
  #cpuMicroseconds: number

  /** Each sample is observed in `delays`, too. */
  constructor(clock: Clock, delays: Distribution) {
    this.#clock = clock
    this.#delays = delays
    this.#readAtMs = clock.monotonicMs()
    this.#cpuMicroseconds = cpuMicroseconds()
  }

  start(): void {
    this.#cancel ??= this.#sample()
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  read(): Reading {
    const nowMs = this.#clock.monotonicMs()
    const used = cpuMicroseconds()
    const cpu = (used - this.#cpuMicroseconds) / 1_000 / Math.max(1, nowMs - this.#readAtMs)
    this.#readAtMs = nowMs
    this.#cpuMicroseconds = used
    const sorted = this.#samples.toSorted((a, b) => a - b)
    this.#samples = []
    const lagMs = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0
    return { lagMs: Math.round(lagMs * 10) / 10, cpu: Math.round(cpu * 100) / 100 }
  }

  #sample(): () => void {
    const dueMs = this.#clock.monotonicMs() + SAMPLE_MS
    const note = (): void => {
      if (this.#samples.length >= SAMPLES_MAX) this.#samples.shift()
      // A timer may fire a fraction of a millisecond early.
      const lateMs = Math.max(0, this.#clock.monotonicMs() - dueMs)
      this.#samples.push(lateMs)
      this.#delays.observeMs(lateMs)
      this.#cancel = this.#sample()
    }
    return this.#clock.after(SAMPLE_MS, note, { unref: true })
  }
}

function cpuMicroseconds(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
