// The summary of a run: what became of the flights, how fast, and what was paid. Pure.

import type { FlightExecution } from './executions.js'
import type { LedgerEntry } from './ledger.js'

export interface Summary {
  /** Executions by outcome, in a fixed order. */
  readonly outcomes: ReadonlyMap<string, number>
  readonly events: number
  /** From the first start to the last end, by the database's clock; the time a killed run lay still included. */
  readonly spanMs: number
  /** How soon most had ended: the last ones wait for approvals that never come. */
  readonly most: { readonly share: number; readonly afterMs: number }
  readonly latency: { readonly p50Ms: number; readonly p95Ms: number; readonly p99Ms: number } | undefined
  readonly retries: number
  readonly payments: number
  readonly paidCents: number
}

const MOST = 0.95

const OUTCOMES = [
  'no claim',
  'paid at once',
  'paid after approval',
  'paid after time-out',
  'rejected by the agent',
  'rejected after time-out',
]

export function summarize(executions: readonly FlightExecution[], ledger: readonly LedgerEntry[]): Summary {
  const outcomes = new Map(OUTCOMES.map((outcome) => [outcome, 0]))
  for (const execution of executions) {
    const outcome = outcomeOf(execution)
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }
  const sum = (of: (entry: LedgerEntry) => number): number =>
    ledger.reduce((total, entry) => total + of(entry), 0)
  return {
    outcomes,
    events: executions.reduce((total, { version }) => total + version, 0),
    spanMs: endOf(executions, 1),
    most: { share: MOST, afterMs: endOf(executions, MOST) },
    latency: latencyOf(executions),
    retries: sum(({ attempts, payments }) => attempts - payments),
    payments: sum(({ payments }) => payments),
    paidCents: sum(({ paidCents }) => paidCents),
  }
}

function outcomeOf({ status, attributes }: FlightExecution): string {
  const { outcome, decidedBy } = attributes
  if (outcome === 'no-claim') return 'no claim'
  if (outcome === 'paid' && status === 'completed') {
    if (decidedBy === 'size') return 'paid at once'
    return decidedBy === 'agent' ? 'paid after approval' : 'paid after time-out'
  }
  if (outcome === 'rejected' && status === 'failed') {
    return decidedBy === 'agent' ? 'rejected by the agent' : 'rejected after time-out'
  }
  return status
}

/** From start to end by the database's clock, waits for approval included. */
function latencyOf(executions: readonly FlightExecution[]): Summary['latency'] {
  const spans = executions
    .flatMap(({ startedAt, closedAt }) =>
      closedAt === null ? [] : [closedAt.getTime() - startedAt.getTime()],
    )
    .toSorted((a, b) => a - b)
  if (spans.length === 0) return undefined
  const at = (share: number): number =>
    spans[Math.min(spans.length - 1, Math.floor(spans.length * share))] ?? 0
  return { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) }
}

/** When this share of all had ended, from the first start. */
function endOf(executions: readonly FlightExecution[], share: number): number {
  const first = Math.min(...executions.map(({ startedAt }) => startedAt.getTime()))
  const ends = executions.flatMap(({ closedAt }) => (closedAt === null ? [] : [closedAt.getTime() - first]))
  return ends.toSorted((a, b) => a - b)[Math.ceil(ends.length * share) - 1] ?? 0
}
