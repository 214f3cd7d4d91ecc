// A commit lane: takes whatever is queued and writes it as one statement. Under load batches grow by themselves, idle it
// writes at once: no timers. It keeps one statement under way, and more only while whole batches wait: a few large
// statements cost both sides far less than many small ones (0.17 against 0.22 ms of CPU per three-step workflow).
// This is the heart of the speed (see the design).

import { CerebelumError } from './errors.js'

interface Entry<T, R> {
  readonly item: T
  readonly resolve: (result: R) => void
  readonly reject: (error: unknown) => void
}

export interface LaneOptions<T, R> {
  readonly name: string
  /** Writes a batch; one result per item, in order. */
  readonly write: (batch: readonly T[]) => Promise<readonly R[]>
  /** Items of one statement. */
  readonly batchMax: number
  /** Items waiting; more are refused with OVERLOADED. */
  readonly queueMax: number
  /** Statements under way at the same time, at most; another one begins when a full batch waits. Default 1. */
  readonly writersMax?: number
  /** What an item weighs, and how much may wait; default: nothing is weighed. */
  readonly sizeOf?: (item: T) => number
  readonly bytesMax?: number
}

export class Lane<T, R> {
  private queue: Entry<T, R>[] = []
  private bytes = 0
  private writers = 0
  private readonly idleWaiters: (() => void)[] = []
  private readonly options: LaneOptions<T, R>

  constructor(options: LaneOptions<T, R>) {
    this.options = options
  }

  get depth(): number {
    return this.queue.length
  }

  /** @throws CerebelumError OVERLOADED, or what the write threw */
  submit(item: T): Promise<R> {
    const { queueMax, bytesMax = Infinity } = this.options
    if (this.queue.length >= queueMax)
      return Promise.reject(this.overloaded('laneQueueMax', `${queueMax} writes`))
    // Alone, an item is taken whatever it weighs: its own limit is for others to say.
    if (this.queue.length > 0 && this.bytes >= bytesMax)
      return Promise.reject(this.overloaded('laneBytesMax', `${bytesMax} bytes`))
    return new Promise((resolve, reject) => {
      this.queue.push({ item, resolve, reject })
      this.bytes += this.weigh(item)
      const { batchMax, writersMax = 1 } = this.options
      const isCrowded = this.writers < writersMax && this.queue.length >= batchMax
      if (this.writers === 0 || isCrowded) void this.drain()
    })
  }

  /** Resolves when nothing is queued or being written. */
  idle(): Promise<void> {
    if (this.writers === 0) return Promise.resolve()
    return new Promise((resolve) => this.idleWaiters.push(resolve))
  }

  private async drain(): Promise<void> {
    this.writers++
    // One turn of the event loop collects what the same turn wakes: several commits instead of one.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.queue.length > 0) {
      const batch = this.queue.splice(0, this.options.batchMax)
      for (const { item } of batch) this.bytes -= this.weigh(item)
      await this.write(batch)
    }
    this.writers--
    if (this.writers === 0) for (const resolve of this.idleWaiters.splice(0)) resolve()
  }

  private weigh(item: T): number {
    return this.options.sizeOf?.(item) ?? 0
  }

  private overloaded(limit: string, waiting: string): CerebelumError {
    return new CerebelumError(
      'OVERLOADED',
      `The ${this.options.name} lane has ${waiting} waiting (limit ${limit}). Try again in a moment.`,
      { limit, retryAfterMs: 1_000 },
    )
  }

  private async write(batch: readonly Entry<T, R>[]): Promise<void> {
    try {
      const results = await this.options.write(batch.map((entry) => entry.item))
      batch.forEach((entry, index) => {
        const result = results[index]
        if (result === undefined)
          entry.reject(new CerebelumError('INTERNAL', 'A lane write gave too few results.'))
        else entry.resolve(result)
      })
    } catch (error) {
      for (const entry of batch) entry.reject(error)
    }
  }
}
