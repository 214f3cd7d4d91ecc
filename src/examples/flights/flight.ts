// A flight as it was recorded: when it should have left, from where to where, how far, and how late it was.
// The id is stable per record, so that starting the same record again finds the same execution.

import { z } from 'zod'

export const Flight = z.strictObject({
  /** Position in the data file, from 1. */
  number: z.int().positive(),
  /** Local time of the scheduled departure, "2001/01/31 06:55". */
  date: z.string(),
  origin: z.string(),
  destination: z.string(),
  distanceMiles: z.number().nonnegative(),
  /** Negative: it was early. */
  delayMinutes: z.int(),
})

export type Flight = z.output<typeof Flight>

/** `flight-00042`; a run's name in front of it makes the same flights new executions. */
export function executionIdOf(flight: Flight, run: string | undefined): string {
  return `${prefixOf(run)}${String(flight.number).padStart(5, '0')}`
}

export function prefixOf(run: string | undefined): string {
  return run === undefined ? 'flight-' : `${run}-flight-`
}

/** The attribute `run` of its executions. */
export function runName(run: string | undefined): string {
  return run ?? 'default'
}
