// The audit: every flight against the rules. Each must have exactly one closed execution, each claim exactly one
// payment of the right sum or a released reservation, and nothing else may be in the ledger. Pure; the texts it
// returns are what is wrong, none when all is well.

import { isClosed } from '../../core/execution.js'
import { assess, type Claim } from './assess.js'
import { agentDecision, ruleApproves } from './decision.js'
import type { FlightExecution } from './executions.js'
import type { Flight } from './flight.js'
import type { LedgerEntry } from './ledger.js'

export interface AuditInput {
  /** By execution id. */
  readonly flights: ReadonlyMap<string, Flight>
  readonly executions: ReadonlyMap<string, FlightExecution>
  readonly ledger: readonly LedgerEntry[]
}

const NOTHING: LedgerEntry = { executionId: '', payments: 0, paidCents: 0, attempts: 0, reservation: null }

export function audit(input: AuditInput): string[] {
  const { flights, executions, ledger } = input
  const entries = new Map(ledger.map((entry) => [entry.executionId, entry]))
  const found: string[] = []
  for (const [executionId, flight] of flights) {
    const problem = auditFlight(flight, executions.get(executionId), entries.get(executionId) ?? NOTHING)
    if (problem !== undefined) found.push(`${executionId}: ${problem}`)
  }
  if (entries.size !== ledger.length) found.push('the ledger names an execution twice')
  return found
}

function auditFlight(
  flight: Flight,
  execution: FlightExecution | undefined,
  entry: LedgerEntry,
): string | undefined {
  if (execution === undefined) return 'lost: there is no execution'
  if (!isClosed(execution.status)) return `still ${execution.status} (${execution.note ?? 'no note'})`
  const claim = assess(flight)
  if (claim.kind === 'none') return expectNothing(execution, entry)
  return shouldBePaid(flight, claim, execution)
    ? expectPaid(claim, execution, entry)
    : expectRejected(execution, entry)
}

/** Whether the claim is to be paid, given who decided it. */
function shouldBePaid(flight: Flight, claim: Claim, { attributes }: FlightExecution): boolean {
  if (!claim.needsApproval) return true
  return attributes['decidedBy'] === 'agent' ? agentDecision(flight) === 'approve' : ruleApproves(claim)
}

function expectNothing(execution: FlightExecution, entry: LedgerEntry): string | undefined {
  if (execution.status !== 'completed') return `no claim, yet ${execution.status}`
  if (entry.payments !== 0) return `no claim, yet ${entry.payments} payments`
  return entry.reservation === null ? undefined : 'no claim, yet a reservation'
}

function expectPaid(claim: Claim, execution: FlightExecution, entry: LedgerEntry): string | undefined {
  if (entry.payments !== 1) return `to be paid once, paid ${entry.payments} times`
  if (entry.paidCents !== claim.amountCents)
    return `worth ${claim.amountCents} cents, paid ${entry.paidCents}`
  if (execution.status !== 'completed') return `paid, yet ${execution.status}`
  return entry.reservation === 'spent' ? undefined : `paid, yet the reservation is ${entry.reservation}`
}

function expectRejected(execution: FlightExecution, entry: LedgerEntry): string | undefined {
  if (entry.payments !== 0) return `refused, yet paid ${entry.payments} times`
  if (execution.status !== 'failed') return `refused, yet ${execution.status}`
  if (execution.attributes['outcome'] !== 'rejected') return 'failed without a refusal'
  return entry.reservation === 'released' ? undefined : `refused, yet the reservation is ${entry.reservation}`
}
