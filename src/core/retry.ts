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

const BACKOFFS: ReadonlySet<string> = new Set(['exponential', 'linear', 'constant'])

/** @throws CerebelumError INVALID_ARGUMENT | INVALID_DURATION */
export function resolveRetry(policy: RetryPolicy | false | undefined, step: string): ResolvedRetryPolicy {
  if (policy === undefined) return DEFAULT_RETRY
  if (policy === false) return { ...DEFAULT_RETRY, attempts: 1 }
  const attempts = policy.attempts ?? DEFAULT_RETRY.attempts
  const factor = policy.factor ?? DEFAULT_RETRY.factor
  const jitter = policy.jitter ?? DEFAULT_RETRY.jitter
  const backoff = policy.backoff ?? DEFAULT_RETRY.backoff
  const nonRetryable = policy.nonRetryable ?? DEFAULT_RETRY.nonRetryable
  if (!BACKOFFS.has(backoff) || !Array.isArray(nonRetryable)) {
    throw new CerebelumError(
      'INVALID_ARGUMENT',
      `The retry policy of step "${step}" has backoff ${JSON.stringify(backoff)} and nonRetryable ${typeof nonRetryable}. ` +
        'Backoff is one of exponential, linear and constant; nonRetryable a list of names and codes.',
      { step },
    )
  }
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
    backoff,
    factor,
    capMs: policy.cap === undefined ? DEFAULT_RETRY.capMs : durationMs(policy.cap, 'cap of the retry wait'),
    jitter,
    nonRetryable,
  }
}

/** Wait after the failed attempt number `attempt` (from 1); `chance` in [0, 1). */
export function retryWaitMs(policy: ResolvedRetryPolicy, attempt: number, chance: number): number {
  const grown = {
    // Bounded, or the growth becomes infinite, and with a wait of 0 not even a number.
    exponential: () => policy.initialMs * Math.min(policy.factor ** (attempt - 1), Number.MAX_SAFE_INTEGER),
    linear: () => policy.initialMs * attempt,
    constant: () => policy.initialMs,
  }[policy.backoff]()
  const capped = Math.min(grown, policy.capMs)
  return capped * (1 - policy.jitter + policy.jitter * chance)
}

export function isRetryable(policy: ResolvedRetryPolicy, error: unknown): boolean {
  try {
    return !isFinal(policy, error)
  } catch {
    // An error that cannot be asked says nothing against trying again.
    return true
  }
}

function isFinal(policy: ResolvedRetryPolicy, error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  if ('retryable' in error && error.retryable === false) return true
  const names = policy.nonRetryable
  if (names.length === 0) return false
  if ('name' in error && typeof error.name === 'string' && names.includes(error.name)) return true
  return 'code' in error && typeof error.code === 'string' && names.includes(error.code)
}
