// Durations as people write them ("30s", "7 days", "1.5h") or as milliseconds.

import ms from 'ms'
import { CerebelumError } from './errors.js'

/** A number of milliseconds, or a text such as "250ms", "30s", "7 days", "1y". */
export type Duration = number | string

/** Five thousand years: from any now of ours, that ends before the last year that a timestamp is written with. */
const DURATION_MS_MAX = 5_000 * 365 * 86_400_000
const INSTANT_MIN_MS = -62_135_596_800_000 // 0001-01-01
const INSTANT_MAX_MS = 253_402_300_799_999 // 9999-12-31: later years are written differently here and there

/** Milliseconds of a duration. @throws CerebelumError INVALID_DURATION */
export function durationMs(duration: Duration, what: string): number {
  const value = typeof duration === 'string' ? parse(duration) : duration
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || value > DURATION_MS_MAX) {
    throw new CerebelumError(
      'INVALID_DURATION',
      `The ${what} "${String(duration)}" is no duration. Write milliseconds, or a text such as "30s" or "7 days".`,
    )
  }
  return value
}

/** An instant that both databases and JavaScript write alike. @throws CerebelumError INVALID_DURATION */
export function checkInstant(instant: unknown, what: string): Date {
  const ms = instant instanceof Date ? instant.getTime() : Number.NaN
  if (instant instanceof Date && ms >= INSTANT_MIN_MS && ms <= INSTANT_MAX_MS) return instant
  const found = Number.isNaN(ms) ? 'no valid Date' : new Date(ms).toISOString()
  throw new CerebelumError(
    'INVALID_DURATION',
    `The ${what} is ${found}. Give a valid Date of the years 1 to 9999.`,
  )
}

function parse(text: string): number | undefined {
  if (text.length === 0 || text.length > 100) return undefined
  return ms(text as ms.StringValue)
}
