// Starts one execution per flight, in chunks of one call each. Starting again what exists changes nothing, so a run
// that was killed is simply started again.

import type { Client } from '../../index.js'
import { executionIdOf, runName, type Flight } from './flight.js'
import { FLIGHT_COMPENSATION } from './workflow.js'

/** Small enough that a node's queue of starts takes it at once, large enough to cost few round trips. */
const CHUNK_SIZE = 500

type StartRequest = Parameters<Client['startMany']>[0][number]

export interface StartedFlights {
  readonly created: number
  readonly existing: number
}

export async function startFlights(
  client: Client,
  flights: readonly Flight[],
  options: {
    readonly run: string | undefined
    readonly signal: AbortSignal
    readonly onProgress?: (started: number) => void
  },
): Promise<StartedFlights> {
  let created = 0
  let existing = 0
  for (let from = 0; from < flights.length; from += CHUNK_SIZE) {
    options.signal.throwIfAborted()
    const requests = flights.slice(from, from + CHUNK_SIZE).map((flight) => requestOf(flight, options.run))
    const handles = await client.startMany(requests)
    const fresh = handles.filter((handle) => handle.created).length
    created += fresh
    existing += handles.length - fresh
    options.onProgress?.(created + existing)
  }
  return { created, existing }
}

function requestOf(flight: Flight, run: string | undefined): StartRequest {
  const id = executionIdOf(flight, run)
  // The start's own key is stable too: a start whose answer was lost is recognized as this one.
  return {
    workflow: FLIGHT_COMPENSATION,
    input: flight,
    id,
    startId: `start-${id}`,
    attributes: { run: runName(run) },
  }
}
