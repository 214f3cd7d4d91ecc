// What the example does on a running node: starts one execution per flight, plays the approver, waits for all of them,
// audits them against the rules, and shows the summary. It speaks to the client alone, and to its own ledger.

import type { Client } from '../client/client.js'
import type { Logger } from '../core/ports.js'
import { startApprovalAgent } from '../examples/flights/approval-agent.js'
import { audit } from '../examples/flights/audit.js'
import { readExecutions } from '../examples/flights/executions.js'
import { executionIdOf, prefixOf, type Flight } from '../examples/flights/flight.js'
import type { Ledger } from '../examples/flights/ledger.js'
import { settle } from '../examples/flights/settle.js'
import { startFlights } from '../examples/flights/start.js'
import { summarize } from '../examples/flights/summary.js'
import { say, withProgress, writeTable } from './output.js'
import { summaryTable } from './summary-table.js'

export interface Compensation {
  readonly client: Client
  readonly flights: readonly Flight[]
  readonly ledger: Ledger
  readonly run: string | undefined
  readonly stallMs: number
  readonly log: Logger
  readonly aborted: AbortSignal
}

/** Starts (or finds) all executions, waits for their ends, and shows what came of them; true when all is well. */
export async function compensate(options: Compensation): Promise<boolean> {
  const { client, flights, run, log, stallMs, aborted } = options
  const agent = startApprovalAgent({ client, flights, run, log })
  const total = flights.length
  const ids = flights.map((flight) => executionIdOf(flight, run))
  const begunMs = performance.now()
  try {
    const { created, existing } = await withProgress({ label: 'started', total }, (onProgress) =>
      startFlights(client, flights, { run, signal: aborted, onProgress }),
    )
    if (existing > 0) say(`${existing} of them existed already; ${created} are new`)
    const areSettled = await withProgress({ label: 'ended', total }, (onProgress) =>
      settle(client, ids, { signal: aborted, onProgress, stallMs }),
    )
    if (!areSettled) say(`nothing ended for ${stallMs / 1_000} s: the audit says what hangs`)
  } finally {
    await agent.stop()
  }
  return report({ ...options, ownMs: performance.now() - begunMs })
}

async function report({
  client,
  flights,
  ledger,
  run,
  ownMs,
}: Compensation & { readonly ownMs: number }): Promise<boolean> {
  const byId = new Map(flights.map((flight) => [executionIdOf(flight, run), flight]))
  const executions = await readExecutions(client, run)
  // A run with more flights than this one may be in the same database.
  const ours = new Map([...executions].filter(([executionId]) => byId.has(executionId)))
  const entries = (await ledger.read(prefixOf(run))).filter(({ executionId }) => byId.has(executionId))
  const problems = audit({ flights: byId, executions: ours, ledger: entries })
  writeTable(summaryTable(summarize([...ours.values()], entries), { ownMs, problems: problems.length }))
  for (const problem of problems.slice(0, PROBLEMS_SHOWN)) say(problem)
  if (problems.length > PROBLEMS_SHOWN) say(`… and ${problems.length - PROBLEMS_SHOWN} more`)
  return problems.length === 0
}

const PROBLEMS_SHOWN = 20
