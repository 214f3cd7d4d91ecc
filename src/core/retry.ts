// Retry policies of steps: what a user writes, and what it comes to. Pure; jitter takes its chance as an argument.

import { durationMs, type Duration } from './duration.js'
import { CerebelumError } from './errors.js'

export interface RetryPolicy {
  /** Attempts in all, at least 1; default 3. `Infinity` is allowed: the total time-out or a person ends it. */
  readonly attempts?: number
  /** Wait before the second attempt; default "500ms". */
  readonly initial?: Duration
  /** How the wait grows: by `factor` each time, by `initial` each time, or not. Default exponential. */
  readonly backoff?: 'exponential' | 'linear' | 'constant'
  /** Growth of the exponential wait; default 2. */
  readonly factor?: number
  /** No wait is longer than this; default "1 minute". */
  readonly cap?: Duration
  /** Share of the wait that is random, 0 to 1; default 0.2. */
  readonly jitter?: number
  /** Names (`error.name`) or codes (`error.code`) of errors that end the step at once. */
  readonly nonRetryable?: readonly string[]
}

export interface ResolvedRetryPolicy {
  readonly attempts: number
  readonly initialMs: number
  readonly backoff: 'exponential' | 'linear' | 'constant'
  readonly factor: number
  readonly capMs: number
  readonly jitter: number
  readonly nonRetryable: readonly string[]
}

export const DEFAULT_RETRY: ResolvedRetryPolicy = {
  attempts: 3,
  initialMs: 500,
  backoff: 'exponential',
  factor: 2,
  capMs: 60_000,
  jitter: 0.2,
  nonRetryable: [],
}

/** @throws CerebelumError INVALID_ARGUMENT | INVALID_DURATION */
export function resolveRetry(policy: RetryPolicy | false | undefined, step: string): ResolvedRetryPolicy {
  if (policy === undefined) return DEFAULT_RETRY
  if (policy === false) return { ...DEFAULT_RETRY, attempts: 1 }
  const attempts = policy.attempts ?? DEFAULT_RETRY.attempts
  const factor = policy.factor ?? DEFAULT_RETRY.factor
  const jitter = policy.jitter ?? DEFAULT_RETRY.jitter
  if (
    !(attempts >= 1) ||
    (attempts !== Infinity && !Number.isInteger(attempts)) ||
    !(factor >= 1) ||
    !(jitter >= 0 && jitter <= 1)
  ) {
    throw new CerebelumError(
      'INVALID_ARGUMENT',
      `The retry policy of step "${step}" is out of bounds (attempts ${attempts}, factor ${factor}, jitter ${jitter}). ` +
        'Attempts is a whole number from 1, factor at least 1, jitter from 0 to 1.',
      { step },
    )
  }
  return {
    attempts,
    initialMs:
      policy.initial === undefined
        ? DEFAULT_RETRY.initialMs
        : durationMs(policy.initial, 'initial retry wait'),
    backoff: policy.backoff ?? DEFAULT_RETRY.backoff,
    factor,
    capMs: policy.cap === undefined ? DEFAULT_RETRY.capMs : durationMs(policy.cap, 'cap of the retry wait'),
    jitter,
    nonRetryable: policy.nonRetryable ?? [],
  }
}

/** Wait after the failed attempt number `attempt` (from 1); `chance` in [0, 1). */
export function retryWaitMs(policy: ResolvedRetryPolicy, attempt: number, chance: number): number {
  const grown = {
    exponential: () => policy.initialMs * policy.factor ** (attempt - 1),
    linear: () => policy.initialMs * attempt,
    constant: () => policy.initialMs,
  }[policy.backoff]()
  const capped = Math.min(grown, policy.capMs)
  return capped * (1 - policy.jitter + policy.jitter * chance)
}

export function isRetryable(policy: ResolvedRetryPolicy, error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return true
  if ('retryable' in error && error.retryable === false) return false
  const names = policy.nonRetryable
  if (names.length === 0) return true
  if ('name' in error && typeof error.name === 'string' && names.includes(error.name)) return false
  return !('code' in error && typeof error.code === 'string' && names.includes(error.code))
}
