// Arguments of client calls, checked before anything is asked of the database: what it would refuse is refused here,
// with a code and advice, because a refusal there looks like a failure of the database.

import { CerebelumError } from '../core/errors.js'

/** @throws CerebelumError INVALID_ARGUMENT that names the limit */
export function checkWholeNumber(
  value: unknown,
  bounds: { readonly what: string; readonly min: number; readonly max: number; readonly limit?: string },
): number {
  const { what, min, max, limit } = bounds
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  const named = limit === undefined ? '' : ` (limit ${limit})`
  throw new CerebelumError(
    'INVALID_ARGUMENT',
    `The ${what} is ${String(value)}; it must be a whole number from ${min} to ${max}${named}.`,
    limit === undefined ? {} : { limit },
  )
}

/** @throws CerebelumError INVALID_ARGUMENT */
export function checkOneOf<T extends string>(value: unknown, allowed: readonly T[], what: string): T {
  const found = allowed.find((candidate) => candidate === value)
  if (found !== undefined) return found
  throw new CerebelumError(
    'INVALID_ARGUMENT',
    `The ${what} is ${JSON.stringify(value) ?? typeof value}; it must be one of: ${allowed.join(', ')}.`,
  )
}

/** Why something is canceled or terminated, for people. @throws CerebelumError INVALID_ARGUMENT */
export function checkReason(reason: unknown): string {
  if (typeof reason === 'string') return reason
  throw new CerebelumError(
    'INVALID_ARGUMENT',
    `The reason is ${typeof reason}. Give a text, or leave it out.`,
  )
}
