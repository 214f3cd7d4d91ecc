// The workflow `flight-compensation`, one execution per flight: assess, reserve, ask for approval when the sum is
// large, authorize (the bank fails now and then), pay exactly once, notify. A refusal releases the reservation.
// Attributes tell where each one stands, so that the agent and the summary find them by `client.list`.

import type { Duration } from '../../core/duration.js'
import type { WorkflowContext } from '../../workflow/context.js'
import { workflow, type Workflow } from '../../workflow/define.js'
import { assess, type Claim } from './assess.js'
import { authorize } from './bank.js'
import { Approval, ruleApproves } from './decision.js'
import { Flight } from './flight.js'
import type { Ledger } from './ledger.js'

export const FLIGHT_COMPENSATION = 'flight-compensation'

/** Who decided: nobody had to, the agent's signal, or the rule for when the signal does not come in time. */
export type DecidedBy = 'size' | 'agent' | 'time-out'

export interface Compensation {
  readonly outcome: 'no-claim' | 'paid'
  readonly amountCents: number
}

export interface FlightCompensationOptions {
  readonly ledger: Ledger
  /** How long a large claim waits for its approval. */
  readonly approvalTimeout: Duration
}

/** Ends an execution whose claim was refused. */
export class Rejected extends Error {
  constructor(executionId: string, by: DecidedBy) {
    super(`The claim of ${executionId} was refused (${by}).`)
    this.name = 'Rejected'
  }
}

export function flightCompensation(options: FlightCompensationOptions): Workflow<Flight, Compensation> {
  const { ledger, approvalTimeout } = options
  return workflow<Flight, Compensation>(
    { name: FLIGHT_COMPENSATION, version: '1', input: Flight, signals: { approval: Approval } },
    async (ctx, flight) => {
      const { executionId } = ctx
      const claim = await ctx.step('assess', () => assess(flight))
      if (claim.kind === 'none') {
        ctx.setAttributes({ outcome: 'no-claim' })
        return { outcome: 'no-claim', amountCents: 0 }
      }
      const { amountCents } = claim
      await ctx.step('reserve funds', () => ledger.reserve(executionId, amountCents), {
        compensate: () => ledger.release(executionId),
      })
      const { approved, decidedBy } = await decide(ctx, claim, approvalTimeout)
      if (!approved) {
        ctx.setAttributes({ awaiting: null, outcome: 'rejected', decidedBy })
        throw new Rejected(executionId, decidedBy)
      }
      const authorization = await ctx.step(
        'authorize payment',
        ({ attempt, idempotencyKey }) => authorize({ flight: flight.number, attempt, idempotencyKey }),
        { retry: { attempts: 6, initial: '50ms', cap: '1s' } },
      )
      await ctx.transaction('pay', (sql) => ledger.pay(sql, { executionId, amountCents, ...authorization }))
      await ctx.step(
        'notify passenger',
        () => `Flight ${flight.origin}-${flight.destination}: ${amountCents / 100} paid`,
      )
      ctx.setAttributes({ awaiting: null, outcome: 'paid', decidedBy })
      return { outcome: 'paid', amountCents }
    },
  )
}

async function decide(
  ctx: WorkflowContext,
  claim: Claim,
  timeout: Duration,
): Promise<{ approved: boolean; decidedBy: DecidedBy }> {
  if (!claim.needsApproval) return { approved: true, decidedBy: 'size' }
  ctx.setAttributes({ awaiting: 'approval', amountCents: claim.amountCents })
  const approval = await ctx.signal('approval', Approval, { timeout })
  if (approval === undefined) return { approved: ruleApproves(claim), decidedBy: 'time-out' }
  return { approved: approval.approved, decidedBy: 'agent' }
}
