// Suspended executions that are kept in memory, so that waking one needs no replay: bounded by count and by bytes, the
// least recently used goes first. One that anybody claimed since is of the past. It may be emptied at any moment.

import { LRUCache } from 'lru-cache'
import type { ExecutionKey } from '../core/execution.js'
import type { Claimed } from '../store/store.js'
import type { Run } from './run.js'

export interface CacheStats {
  readonly executions: number
  /** Roughly: what a run costs, and the payloads of its history. */
  readonly bytes: number
  /** Of those that woke: how many were here, were not, and were here but have been run elsewhere since. */
  readonly hits: number
  readonly misses: number
  readonly stale: number
  /** How many had to go for others. */
  readonly evicted: number
}

export class SuspendedRuns {
  readonly #runs: LRUCache<string, Run>
  #hits = 0
  #misses = 0
  #stale = 0
  #evicted = 0

  constructor({ executionsMax, bytesMax }: { readonly executionsMax: number; readonly bytesMax: number }) {
    this.#runs = new LRUCache({
      max: executionsMax,
      maxSize: bytesMax,
      sizeCalculation: (run: Run) => run.bytes,
      dispose: (_run, _id, reason) => {
        if (reason === 'evict') this.#evicted++
      },
    })
  }

  get size(): number {
    return this.#runs.size
  }

  get stats(): CacheStats {
    return {
      executions: this.#runs.size,
      bytes: this.#runs.calculatedSize,
      hits: this.#hits,
      misses: this.#misses,
      stale: this.#stale,
      evicted: this.#evicted,
    }
  }

  keep(run: Run): void {
    this.#runs.set(run.executionId, run)
  }

  /** The one that was claimed, if what is in memory is what is in the database; it is not here any more. */
  take(claim: Claimed): Run | undefined {
    const run = this.#runs.get(claim.key.executionId)
    if (run === undefined) {
      // One that was never at work is not woken, but begun.
      if (claim.claimEpoch > 1) this.#misses++
      return undefined
    }
    this.#runs.delete(claim.key.executionId)
    // Nobody claimed it since.
    if (run.claimEpoch + 1 !== claim.claimEpoch || run.version !== claim.version) {
      this.#stale++
      return undefined
    }
    this.#hits++
    run.claimEpoch = claim.claimEpoch
    return run
  }

  /** Without taking it, or making it any younger. */
  peek(executionId: string): Run | undefined {
    return this.#runs.peek(executionId)
  }

  has({ executionId }: ExecutionKey): boolean {
    return this.#runs.has(executionId)
  }

  delete(executionId: string): void {
    this.#runs.delete(executionId)
  }

  clear(): void {
    this.#runs.clear()
  }
}
