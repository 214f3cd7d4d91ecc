// Decisions on large claims: what the approval agent does with a flight, and what is done when nobody decided in
// time. Both depend on the flight alone. Pure.

import { z } from 'zod'
import type { Claim } from './assess.js'
import { dice } from './dice.js'
import type { Flight } from './flight.js'

/** The signal `approval`. */
export const Approval = z.strictObject({ approved: z.boolean(), by: z.string().min(1).max(100) })
export type Approval = z.output<typeof Approval>

/** One in eight is left lying, one in six of the rest is refused. */
export function agentDecision(flight: Pick<Flight, 'number'>): 'approve' | 'reject' | 'ignore' {
  const chance = dice(`decision ${flight.number}`)
  if (chance < 0.125) return 'ignore'
  return chance < 0.27 ? 'reject' : 'approve'
}

/** Nobody decided in time: medium sums are paid, the largest are refused and go to a person outside of this example. */
export function ruleApproves(claim: Claim): boolean {
  return claim.amountCents < 40_000
}
