// What the audit and the summary read of an execution, and how they get all of a run: page by page, through the
// public client.

import type { ExecutionStatus } from '../../core/execution.js'
import type { Client } from '../../index.js'
import { runName } from './flight.js'
import { FLIGHT_COMPENSATION } from './workflow.js'

export interface FlightExecution {
  readonly executionId: string
  readonly status: ExecutionStatus
  /** Events so far. */
  readonly version: number
  readonly startedAt: Date
  readonly closedAt: Date | null
  readonly attributes: Readonly<Record<string, unknown>>
  readonly note: string | null
}

const PAGE_SIZE = 1_000
/** Far more than there are records: a cursor that goes in circles ends here. */
const PAGES_MAX = 100

/** All executions of a run, by id. */
export async function readExecutions(
  client: Client,
  run: string | undefined,
): Promise<Map<string, FlightExecution>> {
  const found = new Map<string, FlightExecution>()
  let cursor: string | undefined
  for (let page = 0; page < PAGES_MAX; page++) {
    const { executions, cursor: next } = await client.list({
      workflow: FLIGHT_COMPENSATION,
      attributes: { run: runName(run) },
      limit: PAGE_SIZE,
      ...(cursor === undefined ? {} : { cursor }),
    })
    for (const execution of executions) found.set(execution.executionId, execution)
    if (next === undefined) return found
    cursor = next
  }
  return found
}
