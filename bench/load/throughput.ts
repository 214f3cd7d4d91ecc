// `throughput`: three-step workflows per second of one node beside the raw limit of the same database.

import { CostMeter } from '../harness/cost.js'
import { percentile, runPairs, type Contestant } from '../harness/pairs.js'
import type { Place } from '../harness/place.js'
import { machineText, type Report } from '../harness/report.js'
import { startRawRows } from './raw-rows.js'
import { startThreeSteps } from './three-steps.js'

export interface ThroughputOptions {
  /** Of each contestant, over all rounds. */
  readonly seconds: number
  readonly rounds: number
  readonly warmUpSeconds: number
  readonly inFlight: number
  readonly lanes: number
  readonly onProgress: (text: string) => void
}

export async function throughput(place: Place, options: ThroughputOptions): Promise<Report> {
  const { seconds, rounds, warmUpSeconds, inFlight, lanes, onProgress } = options
  const schema = await place.freshSchema()
  const reference = await startRawRows(place, { probeSeconds: warmUpSeconds / 10, onProgress })
  const ours = await startThreeSteps({ database: { url: place.url, schema }, inFlight, lanes })
  try {
    const warm = await ours.run(warmUpSeconds)
    onProgress(`warm-up: ${Math.round(warm.units / warm.seconds)} workflows/s`)
    ours.takeLatencies()
    const doneBefore = ours.done
    const meter = new CostMeter(place, schema)
    const rawMeter = new CostMeter(place, schema)
    // Each is metered by itself, and neither pays for what the other left behind.
    const metered = (contestant: Contestant, its: CostMeter): Contestant => ({
      name: contestant.name,
      async run(sliceSeconds) {
        await place.settle()
        return its.measure(() => contestant.run(sliceSeconds))
      },
    })
    let rawUnits = 0
    const counted: Contestant = {
      name: reference.name,
      async run(sliceSeconds) {
        const slice = await reference.run(sliceSeconds)
        rawUnits += slice.units
        return slice
      },
    }
    const result = await runPairs({
      ours: metered(ours, meter),
      reference: metered(counted, rawMeter),
      rounds,
      seconds,
      onProgress,
    })
    const latencies = ours.takeLatencies()
    return {
      name: 'throughput',
      unit: 'workflows/s',
      reference_name: `raw limit (${reference.shape})`,
      ...result,
      ...meter.per(ours.done - doneBefore),
      reference_cpu_ms_database: rawMeter.per(rawUnits).cpu_ms_database,
      p50_ms: percentile(latencies, 0.5),
      p99_ms: percentile(latencies, 0.99),
      checked: await check(place, schema, ours.done),
      seconds,
      server: place.server,
      machine: machineText(),
      node_version: process.versions.node,
    }
  } finally {
    await ours.stop()
    await reference.stop()
  }
}

/** Counts what is in the tables: every workflow closed once, five events each. */
async function check({ sql }: Place, schema: string, done: number): Promise<string> {
  const [row] = await sql<{ closed: number; others: number; events: number }[]>`
    select
      (select count(*)::int4 from ${sql(`${schema}.executions`)} where status = 'completed') as closed,
      (select count(*)::int4 from ${sql(`${schema}.executions`)} where status <> 'completed') as others,
      (select count(*)::int4 from ${sql(`${schema}.events`)}) as events`
  if (row?.closed !== done || row.others !== 0 || row.events !== done * 5) {
    throw new Error(
      `${done} workflows were run, but the tables say ${JSON.stringify(row)}. The figures are worthless.`,
    )
  }
  return `${done} executions completed, ${row.events} events`
}
