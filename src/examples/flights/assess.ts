// The rules: what a delayed flight is worth. Modeled on the European regulation 261/2004 (a base by distance), with
// shares for shorter delays so that there is something to do. Pure: the audit at the end computes it again.

import type { Flight } from './flight.js'

export interface Claim {
  readonly kind: 'claim'
  readonly haul: 'short' | 'medium' | 'long'
  readonly amountCents: number
  /** Large ones are paid only after somebody has looked at them. */
  readonly needsApproval: boolean
}

export interface NoClaim {
  readonly kind: 'none'
}

/** 1,500 and 3,500 kilometers. */
const MEDIUM_MILES = 932
const LONG_MILES = 2_175

const BASE_CENTS = { short: 25_000, medium: 40_000, long: 60_000 } as const

/** Longest first: the first that fits, counts. */
const SHARES = [
  { minutes: 180, share: 1 },
  { minutes: 120, share: 0.5 },
  { minutes: 60, share: 0.25 },
  { minutes: 30, share: 0.1 },
] as const

export const APPROVAL_CENTS = 10_000

export function assess(flight: Pick<Flight, 'delayMinutes' | 'distanceMiles'>): Claim | NoClaim {
  const fitting = SHARES.find(({ minutes }) => flight.delayMinutes >= minutes)
  if (fitting === undefined) return { kind: 'none' }
  const haul = haulOf(flight.distanceMiles)
  const amountCents = Math.round(BASE_CENTS[haul] * fitting.share)
  return { kind: 'claim', haul, amountCents, needsApproval: amountCents >= APPROVAL_CENTS }
}

function haulOf(miles: number): Claim['haul'] {
  if (miles > LONG_MILES) return 'long'
  return miles > MEDIUM_MILES ? 'medium' : 'short'
}
