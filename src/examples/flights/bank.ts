// The payment provider of the example: authorizes a payment, and fails now and then, as networks do. Which attempt
// fails depends on the flight alone. Idempotent by key, as real providers are.

import { dice } from './dice.js'

export interface Authorization {
  readonly reference: string
  readonly attempts: number
}

/** The fourth attempt always works. */
const FAILURES_MAX = 3

/** @throws BankUnavailable */
export function authorize(request: {
  readonly flight: number
  readonly attempt: number
  readonly idempotencyKey: string
}): Authorization {
  const { flight, attempt, idempotencyKey } = request
  if (attempt <= failuresOf(flight)) throw new BankUnavailable(flight, attempt)
  return { reference: `auth-${idempotencyKey}`, attempts: attempt }
}

/** How many attempts fail for a flight before one works: none for 70 of 100. */
export function failuresOf(flight: number): number {
  const chance = dice(`bank ${flight}`)
  if (chance < 0.7) return 0
  return chance < 0.9 ? 1 : chance < 0.97 ? 2 : FAILURES_MAX
}

export class BankUnavailable extends Error {
  constructor(flight: number, attempt: number) {
    super(`The bank did not answer for flight ${flight}, attempt ${attempt}.`)
    this.name = 'BankUnavailable'
  }
}
