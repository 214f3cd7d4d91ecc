// The one bounded retry loop of the store. What may be tried again is decided by `failures.ts`; what an unknown
// outcome means is decided by the call itself, which is told that an earlier attempt was `doubtful`.

import { type Clock, delay, randomFraction } from '../core/ports.js'
import type { Meters } from '../metrics/meters.js'
import { asStoreError, failureCode, isFromDatabase, sortFailure } from './failures.js'

export interface Attempt {
  /** An earlier attempt lost its connection under way: it may have been applied. */
  readonly doubtful: boolean
}

export interface RetryPolicy {
  readonly clock: Clock
  /** Total span in which new attempts begin. */
  readonly retryForMs: number
  /** What all calls of a store know of the connection; without it each call finds out for itself. */
  readonly outage?: Outage
  /** The longest wait between two attempts; default 1 s. */
  readonly stepMaxMs?: number
  /** Nothing is written: what a lost answer leaves unknown is of no consequence. */
  readonly isRead?: boolean
  /** What counts what is tried again, and what is given up. */
  readonly meters?: Pick<Meters, 'storeRetried' | 'storeFailed'> | undefined
}

/**
 * Since when nothing has come through. A call that begins late in an outage fails when those do that began with it:
 * after the span the answer is known, and nobody should wait for it again.
 */
export class Outage {
  #sinceMs: number | undefined

  failed(nowMs: number): void {
    this.#sinceMs ??= nowMs
  }

  ended(): void {
    this.#sinceMs = undefined
  }

  /** The start of the outage, or `startedMs` when that was earlier or there is none. */
  since(startedMs: number): number {
    return Math.min(startedMs, this.#sinceMs ?? startedMs)
  }
}

/** Runs `work` until it succeeds, fails for good, or the span is over. */
export async function withRetry<T>(
  policy: RetryPolicy,
  call: string,
  work: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  const startedMs = policy.clock.monotonicMs()
  let doubtful = false
  for (let failures = 1; ; failures++) {
    try {
      const result = await work({ doubtful })
      policy.outage?.ended()
      return result
    } catch (error) {
      const kind = sortFailure(error)
      const nowMs = policy.clock.monotonicMs()
      doubtful ||= kind === 'unknown'
      if (LOST.has(kind)) policy.outage?.failed(nowMs)
      else policy.outage?.ended()
      const sinceMs = policy.outage?.since(startedMs) ?? startedMs
      const stepMs = kind === 'conflict' ? CONFLICT_STEP_MS : CONNECTION_STEP_MS
      const waitMs = backoffMs(stepMs, failures, policy.stepMaxMs ?? STEP_MAX_MS)
      const isLate = nowMs - sinceMs + waitMs > policy.retryForMs
      if (!RETRIED.has(kind) || isLate || failures >= ATTEMPTS_MAX) {
        // What users' code throws within a transaction is no failure of the store.
        if (RETRIED.has(kind) || isFromDatabase(error)) policy.meters?.storeFailed(failureCode(error))
        throw asStoreError(error, { call, doubtful: doubtful && policy.isRead !== true })
      }
      policy.meters?.storeRetried(failureCode(error))
      await delay(policy.clock, waitMs)
    }
  }
}

const RETRIED: ReadonlySet<string> = new Set(['conflict', 'busy', 'unknown', 'unreachable'])

/** Failures that say nothing has come through. */
const LOST: ReadonlySet<string> = new Set(['unknown', 'unreachable', 'denied'])

// The span is the real bound; this one only ends a loop of instant failures.
const ATTEMPTS_MAX = 1_000
// Conflicts are over as soon as the other statement has committed; a lost server needs a moment.
const CONFLICT_STEP_MS = 2
const CONNECTION_STEP_MS = 25
const STEP_MAX_MS = 1_000
/**
 * Heartbeats wait less: a lease that was short when the database went away must be renewed before those who come back
 * first hold its node for dead.
 */
export const BEAT_STEP_MAX_MS = 200

/** Exponential with full jitter, so that those who collided do not collide again. */
function backoffMs(stepMs: number, failures: number, stepMaxMs: number): number {
  return Math.min(stepMs * 2 ** Math.min(failures, 10), stepMaxMs) * (0.25 + 0.75 * randomFraction())
}
