// A commit lane: takes whatever is queued and writes it as one statement, one statement at a time. Under load batches
// grow by themselves, idle it writes at once: no timers. This is the heart of the speed (see the design).

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
  /** What an item weighs, and how much may wait; default: nothing is weighed. */
  readonly sizeOf?: (item: T) => number
  readonly bytesMax?: number
}

export class Lane<T, R> {
  private queue: Entry<T, R>[] = []
  private bytes = 0
  private writing: Promise<void> | undefined
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
      this.writing ??= this.drain()
    })
  }

  /** Resolves when nothing is queued or being written. */
  async idle(): Promise<void> {
    while (this.writing !== undefined) await this.writing
  }

  private async drain(): Promise<void> {
    // One turn of the event loop collects what the same turn wakes: several commits instead of one.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.queue.length > 0) {
      const batch = this.queue.splice(0, this.options.batchMax)
      for (const { item } of batch) this.bytes -= this.weigh(item)
      await this.write(batch)
    }
    this.writing = undefined
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
