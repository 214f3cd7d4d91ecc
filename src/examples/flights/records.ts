// The records: 20,000 US flights of January to March 2001 from the npm package `vega-datasets` (data of the Bureau
// of Transportation Statistics). Read from disk, checked once, never changed.

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { z } from 'zod'
import type { Flight } from './flight.js'

/** How many records there are at most. */
export const FLIGHTS_MAX = 20_000

const Records = z.array(
  z.object({
    date: z.string(),
    delay: z.int(),
    distance: z.number(),
    origin: z.string(),
    destination: z.string(),
  }),
)

/** The first `count` records, in the order of the file. */
export async function readFlights(count: number): Promise<Flight[]> {
  // The package exports no data files, only its entry: the data folder lies beside the entry's.
  const entry = createRequire(import.meta.url).resolve('vega-datasets')
  const file = new URL('../data/flights-20k.json', `file://${entry}`)
  const records = Records.parse(JSON.parse(await readFile(file, 'utf8')))
  return records.slice(0, count).map((record, index) => ({
    number: index + 1,
    date: record.date,
    origin: record.origin,
    destination: record.destination,
    distanceMiles: record.distance,
    delayMinutes: record.delay,
  }))
}
