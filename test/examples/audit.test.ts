// The audit and the summary of the example. An audit that sees nothing would make every kill test pass, so each kind
// of wrong is shown to it.

import { describe, expect, test } from 'vitest'
import { assess } from '../../src/examples/flights/assess.js'
import { audit } from '../../src/examples/flights/audit.js'
import { agentDecision } from '../../src/examples/flights/decision.js'
import type { FlightExecution } from '../../src/examples/flights/executions.js'
import { executionIdOf, type Flight } from '../../src/examples/flights/flight.js'
import type { LedgerEntry } from '../../src/examples/flights/ledger.js'
import { readFlights } from '../../src/examples/flights/records.js'
import { summarize } from '../../src/examples/flights/summary.js'

const flights = await readFlights(2_000)
const first = (wanted: (flight: Flight) => boolean): Flight => {
  const found = flights.find(wanted)
  if (found === undefined) throw new Error('no record of that kind')
  return found
}
const claimOf = (flight: Flight): { amountCents: number; needsApproval: boolean } => {
  const claim = assess(flight)
  return claim.kind === 'claim' ? claim : { amountCents: 0, needsApproval: false }
}

const onTime = first((flight) => assess(flight).kind === 'none')
const small = first((flight) => claimOf(flight).amountCents > 0 && !claimOf(flight).needsApproval)
const refused = first((flight) => claimOf(flight).needsApproval && agentDecision(flight) === 'reject')

const startedAt = new Date('2026-01-01T00:00:00Z')
const closedAt = new Date('2026-01-01T00:00:02Z')

function execution(flight: Flight, changes: Partial<FlightExecution> = {}): FlightExecution {
  const base = { executionId: executionIdOf(flight, undefined), version: 3, startedAt, closedAt, note: null }
  return { ...base, status: 'completed', attributes: {}, ...changes }
}

function entry(flight: Flight, changes: Partial<LedgerEntry> = {}): LedgerEntry {
  const executionId = executionIdOf(flight, undefined)
  const paidCents = claimOf(flight).amountCents
  return { executionId, payments: 1, paidCents, attempts: 2, reservation: 'spent', ...changes }
}

const refusal = { status: 'failed', attributes: { outcome: 'rejected', decidedBy: 'agent' } } as const
const noPayment = { payments: 0, paidCents: 0, attempts: 0, reservation: 'released' } as const

const good = {
  [onTime.number]: { flight: onTime, execution: execution(onTime), entry: undefined },
  [small.number]: { flight: small, execution: execution(small), entry: entry(small) },
  [refused.number]: {
    flight: refused,
    execution: execution(refused, refusal),
    entry: entry(refused, noPayment),
  },
}

/** The good state with one flight in another one. */
function auditWith(
  flight: Flight,
  changed: { readonly execution?: FlightExecution | null; readonly entry?: LedgerEntry },
): string[] {
  const cases = Object.values(good).map((one) =>
    one.flight !== flight
      ? one
      : { ...one, execution: changed.execution ?? one.execution, entry: changed.entry ?? one.entry },
  )
  const kept = cases.filter((one) => one.flight !== flight || changed.execution !== null)
  return audit({
    flights: new Map(cases.map((one) => [executionIdOf(one.flight, undefined), one.flight])),
    executions: new Map(kept.map((one) => [one.execution.executionId, one.execution])),
    ledger: cases.flatMap((one) => (one.entry === undefined ? [] : [one.entry])),
  })
}

describe('the audit', () => {
  test('finds nothing where nothing is wrong', () => {
    expect(auditWith(onTime, {})).toEqual([])
  })

  test.each([
    ['a lost execution', small, { execution: null }, 'lost'],
    [
      'one that is still open',
      small,
      { execution: execution(small, { status: 'waiting' }) },
      'still waiting',
    ],
    ['a second payment', small, { entry: entry(small, { payments: 2 }) }, 'paid 2 times'],
    ['no payment', small, { entry: entry(small, { payments: 0 }) }, 'paid 0 times'],
    ['a wrong sum', small, { entry: entry(small, { paidCents: 1 }) }, 'paid 1'],
    [
      'a failure after the payment',
      small,
      { execution: execution(small, { status: 'failed' }) },
      'yet failed',
    ],
    ['a reservation that was kept', small, { entry: entry(small, { reservation: 'held' }) }, 'is held'],
    ['a payment without a claim', onTime, { entry: entry(onTime) }, 'no claim, yet 1 payments'],
    ['a refused claim that was paid', refused, { entry: entry(refused) }, 'refused, yet paid'],
    [
      'a refused claim whose reservation was not released',
      refused,
      { entry: entry(refused, { ...noPayment, reservation: 'held' }) },
      'is held',
    ],
    [
      'a failure that is no refusal',
      refused,
      { execution: execution(refused, { status: 'failed', attributes: { decidedBy: 'agent' } }) },
      'without a refusal',
    ],
  ])('sees %s', (_name, flight, changed, finding) => {
    expect(auditWith(flight, changed)).toEqual([expect.stringContaining(finding)])
  })
})

test('the summary adds up', () => {
  const executions = [
    execution(onTime, { attributes: { outcome: 'no-claim' }, closedAt: new Date('2026-01-01T00:00:01Z') }),
    execution(small, { attributes: { outcome: 'paid', decidedBy: 'size' } }),
    execution(refused, { ...refusal, closedAt: null, status: 'waiting' }),
  ]
  const summary = summarize(executions, [entry(small), entry(refused, noPayment)])
  expect(Object.fromEntries([...summary.outcomes].filter(([, count]) => count > 0))).toEqual({
    'no claim': 1,
    'paid at once': 1,
    waiting: 1,
  })
  expect(summary).toMatchObject({
    events: 9,
    spanMs: 2_000,
    retries: 1,
    payments: 1,
    paidCents: claimOf(small).amountCents,
    latency: { p50Ms: 2_000 },
  })
})
