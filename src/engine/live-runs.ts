// The runs at work on a node, by execution id, and in which partitions they are: a hint about a partition in which
// nothing of this node lives costs it nothing.

import type { Run } from './run.js'

export class LiveRuns {
  readonly #byId = new Map<string, Run>()
  readonly #perPartition = new Map<number, number>()

  get size(): number {
    return this.#byId.size
  }

  get(executionId: string): Run | undefined {
    return this.#byId.get(executionId)
  }

  has(executionId: string): boolean {
    return this.#byId.has(executionId)
  }

  values(): IterableIterator<Run> {
    return this.#byId.values()
  }

  add(run: Run): void {
    const before = this.#byId.get(run.executionId)
    this.#byId.set(run.executionId, run)
    if (before === undefined) this.#count(run.key.partition, 1)
  }

  /** Whether it was there. */
  delete(run: Run): boolean {
    if (this.#byId.get(run.executionId) !== run) return false
    this.#count(run.key.partition, -1)
    return this.#byId.delete(run.executionId)
  }

  clear(): void {
    this.#byId.clear()
    this.#perPartition.clear()
  }

  livesIn(partition: number): boolean {
    return this.#perPartition.has(partition)
  }

  #count(partition: number, change: number): void {
    const count = (this.#perPartition.get(partition) ?? 0) + change
    if (count === 0) this.#perPartition.delete(partition)
    else this.#perPartition.set(partition, count)
  }
}
