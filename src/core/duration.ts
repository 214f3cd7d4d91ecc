// Durations as people write them ("30s", "7 days", "1.5h") or as milliseconds.

import ms from 'ms'
import { CerebelumError } from './errors.js'

/** A number of milliseconds, or a text such as "250ms", "30s", "7 days", "1y". */
export type Duration = number | string

/** Ten thousand years: beyond what a timestamp of either database holds comfortably is refused. */
const DURATION_MS_MAX = 10_000 * 365 * 86_400_000

/** Milliseconds of a duration. @throws CerebelumError INVALID_DURATION */
export function durationMs(duration: Duration, what: string): number {
  const value = typeof duration === 'number' ? duration : parse(duration)
  if (value === undefined || !Number.isFinite(value) || value < 0 || value > DURATION_MS_MAX) {
    throw new CerebelumError(
      'INVALID_DURATION',
      `The ${what} "${String(duration)}" is no duration. Write milliseconds, or a text such as "30s" or "7 days".`,
    )
  }
  return value
}

function parse(text: string): number | undefined {
  if (text.length === 0 || text.length > 100) return undefined
  return ms(text as ms.StringValue)
}
