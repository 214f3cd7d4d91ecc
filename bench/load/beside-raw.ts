// Units of a shape per second of one node beside the raw limit of the rows that they leave in the same database.

import { CostMeter } from '../harness/cost.js'
import { percentile, runPairs, type Contestant } from '../harness/pairs.js'
import type { Place } from '../harness/place.js'
import { machineText, type Report } from '../harness/report.js'
import { startLoad } from './load.js'
import { startRawRows } from './raw-rows.js'
import type { Shape } from './shapes.js'

export interface BesideRawOptions {
  /** Of each contestant, over all rounds. */
  readonly seconds: number
  readonly rounds: number
  readonly warmUpSeconds: number
  readonly inFlight: number
  readonly lanes: number
  readonly onProgress: (text: string) => void
}

export async function besideRaw(place: Place, shape: Shape, options: BesideRawOptions): Promise<Report> {
  const { seconds, rounds, warmUpSeconds, inFlight, lanes, onProgress } = options
  const schema = await place.freshSchema()
  await shape.prepare?.(place, schema)
  shape.useSchema?.(schema)
  const ours = await startLoad(shape, { database: { url: place.url, schema }, inFlight, lanes })
  try {
    const warm = await ours.run(warmUpSeconds)
    onProgress(`warm-up: ${Math.round(warm.units / warm.seconds)} ${shape.unit}`)
    const reference = await startRawRows(place, {
      of: { schema, root: shape.root, table: shape.table?.name },
      prepare: async (at, theirs) => shape.prepare?.(at, theirs),
      probeSeconds: warmUpSeconds < 1 ? 0 : warmUpSeconds / 10,
      onProgress,
    })
    try {
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
        name: shape.name,
        unit: shape.unit,
        reference_name: `raw limit (${reference.form})`,
        ...result,
        ...meter.per(ours.done - doneBefore),
        reference_cpu_ms_database: rawMeter.per(rawUnits).cpu_ms_database,
        p50_ms: percentile(latencies, 0.5),
        p99_ms: percentile(latencies, 0.99),
        checked: await check(place, schema, shape, ours.done),
        seconds,
        server: place.server,
        machine: machineText(),
        node_version: process.versions.node,
      }
    } finally {
      await reference.stop()
    }
  } finally {
    await ours.stop()
  }
}

/** Counts what is in the tables: every execution closed once, with as many events as it must have. */
async function check({ sql }: Place, schema: string, shape: Shape, done: number): Promise<string> {
  const [row] = await sql<{ closed: number; others: number; events: number }[]>`
    select
      (select count(*)::int4 from ${sql(`${schema}.executions`)} where status = 'completed') as closed,
      (select count(*)::int4 from ${sql(`${schema}.executions`)} where status <> 'completed') as others,
      (select count(*)::int4 from ${sql(`${schema}.events`)}) as events`
  const { table } = shape
  const users = table === undefined ? 0 : await count(sql, `${schema}.${table.name}`)
  const wanted = {
    closed: done * shape.executions,
    others: 0,
    events: done * shape.events,
    users: done * (table?.rows ?? 0),
  }
  const found = { ...row, users }
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    throw new Error(
      `${done} units were run, which makes ${JSON.stringify(wanted)}, but the tables say ${JSON.stringify(found)}. The figures are worthless.`,
    )
  }
  return `${wanted.closed} executions completed, ${wanted.events} events`
}

async function count(sql: Place['sql'], table: string): Promise<number> {
  const [row] = await sql<{ rows: number }[]>`select count(*)::int4 as rows from ${sql(table)}`
  return row?.rows ?? 0
}
