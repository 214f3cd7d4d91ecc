// Waiting in tests: poll a condition until it holds, never sleep and hope. A wait that runs out fails with
// what was waited for and what was seen last; it never hangs until the runner's time-out.

import { setTimeout as sleep } from 'node:timers/promises'

export interface EventuallyOptions {
  /** Default 10 s: generous, because the machines of CI are slow; a passing test does not wait for it. */
  readonly deadlineMs?: number
  readonly everyMs?: number
  /** What is waited for; shown when it does not come. */
  readonly what?: string
}

/**
 * Resolves with the first value of `check` that is neither undefined, null nor false. A check that throws
 * (an `expect` for example) is tried again until the deadline, and its last error is the cause of the failure.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const { deadlineMs = 10_000, everyMs = 20, what = 'the condition' } = options
  const startedAt = performance.now()
  let last: unknown
  do {
    try {
      const value = await check()
      if (holds(value)) return value
      last = value
    } catch (error) {
      last = error
    }
    await sleep(everyMs)
  } while (performance.now() - startedAt < deadlineMs)
  const seen = last instanceof Error ? last.message : String(last)
  throw new Error(`${what} did not come true within ${deadlineMs} ms; last seen: ${seen}`, { cause: last })
}

function holds<T>(value: T): value is NonNullable<Exclude<T, false>> {
  return value !== undefined && value !== null && value !== false
}
