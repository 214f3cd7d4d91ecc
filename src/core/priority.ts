// Priorities: who goes first among those that wait, in a gate's line as among what is ready to be claimed.

import { CerebelumError } from './errors.js'

/** From 1, the most urgent, to 5. */
export type Priority = 1 | 2 | 3 | 4 | 5

export const PRIORITY_DEFAULT: Priority = 3

const PRIORITIES: readonly Priority[] = [1, 2, 3, 4, 5]

/** @throws CerebelumError INVALID_ARGUMENT */
export function checkPriority(priority: unknown, what: string): Priority {
  const found = PRIORITIES.find((known) => known === priority)
  if (found !== undefined) return found
  const text = `The priority of ${what} is ${String(priority)}; it must be a whole number from 1, the most urgent, to 5.`
  throw new CerebelumError('INVALID_ARGUMENT', text)
}
