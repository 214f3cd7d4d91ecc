// `retention`: what removing old executions takes from the work at hand, and what finding them by an index of their own
// would. The same load in turns, with the removal going on beside it and without; then with that index and without.

import { loadavg } from 'node:os'
import { silentLogger, systemClock } from '../../src/core/ports.js'
import { KEPT_MS_DEFAULT } from '../../src/core/retention.js'
import { RetentionLoop } from '../../src/retention/retention-loop.js'
import { Meters } from '../../src/metrics/meters.js'
import { openStore } from '../../src/store/open.js'
import type { Store } from '../../src/store/store.js'
import { CostMeter, type Cost } from '../harness/cost.js'
import { runPairs, type Contestant, type PairResult } from '../harness/pairs.js'
import type { Place } from '../harness/place.js'
import { machineText } from '../harness/report.js'
import { startLoad } from './load.js'
import { THREE_STEPS } from './shapes.js'

export interface RetentionOptions {
  /** Old executions that are there to be removed. */
  readonly old: number
  /** Of each contestant, over all rounds. */
  readonly seconds: number
  readonly rounds: number
  readonly inFlight: number
  readonly onProgress: (text: string) => void
}

export interface RetentionReport {
  readonly name: 'retention'
  readonly unit: string
  /** Workflows/s beside the removal, and without it. */
  readonly removal: PairResult
  /** Executions with five events each, per second of its turns. */
  readonly removed_per_s: number
  readonly removed: number
  /** Workflows/s with an index by partition and end, and without. */
  readonly index: PairResult
  /** Of one workflow, with it and without: steadier than any rate. */
  readonly index_cost: { readonly ours: Cost; readonly reference: Cost }
  readonly server: string
  readonly machine: string
  readonly load_average: number
  readonly node_version: string
}

const OLD = 'old'
const LANES = 3
const EVENTS = 5

export async function retention(place: Place, options: RetentionOptions): Promise<RetentionReport> {
  const beside = await besideRemoval(place, options)
  const index = await besideIndex(place, options)
  return {
    name: 'retention',
    unit: 'workflows/s',
    ...beside,
    ...index,
    server: place.server,
    machine: machineText(),
    load_average: loadavg()[0] ?? 0,
    node_version: process.versions.node,
  }
}

async function besideRemoval(
  place: Place,
  options: RetentionOptions,
): Promise<Pick<RetentionReport, 'removal' | 'removed' | 'removed_per_s'>> {
  const { old, inFlight, onProgress } = options
  const schema = await place.freshSchema()
  const database = { url: place.url, schema }
  onProgress(`${old} old executions are written`)
  await fill(place, schema, old)
  const store = await openStore({ ...database, connections: 2 })
  const load = await startLoad(THREE_STEPS, { database, inFlight, lanes: LANES })
  try {
    await load.run(warmUpOf(options))
    let removed = 0
    let removalSeconds = 0
    const sweeping: Contestant = {
      name: 'beside the removal',
      async run(seconds) {
        const meters = new Meters()
        const loop = sweepOver(store, meters)
        await store.writePolicies([{ workflow: OLD, kept: KEPT_MS_DEFAULT, archived: false }])
        await place.sql`update ${place.sql(`${schema}.retention`)} set due_at = now() where workflow = ${OLD}::text`
        loop.start()
        const slice = await load.run(seconds)
        await loop.stop()
        removed += meters.executionsRemoved
        removalSeconds += slice.seconds
        return slice
      },
    }
    const quiet: Contestant = { name: 'without', run: (seconds) => load.run(seconds) }
    const removal = await runPairs({ ...options, ours: sweeping, reference: quiet })
    await check(place, schema, old - removed)
    return { removal, removed, removed_per_s: removed / removalSeconds }
  } finally {
    await load.stop()
    await store.close()
  }
}

/** Before it counts. */
const WARM_UP_SECONDS_MAX = 3

function warmUpOf({ seconds }: RetentionOptions): number {
  return Math.min(seconds / 4, WARM_UP_SECONDS_MAX)
}

function sweepOver(store: Store, meters: Meters): RetentionLoop {
  return new RetentionLoop({ store, clock: systemClock, log: silentLogger, meters, pollMs: 50 })
}

/** Whatever was counted as removed is gone, with its events, and nothing else is. */
async function check({ sql }: Place, schema: string, left: number): Promise<void> {
  const [row] = await sql<{ executions: number; events: number }[]>`
    select
      (select count(*)::int4 from ${sql(`${schema}.executions`)} where workflow = ${OLD}::text) as executions,
      (select count(*)::int4 from ${sql(`${schema}.events`)} where execution_id like 'old %') as events`
  if (row?.executions !== left || row.events !== left * EVENTS)
    throw new Error(`${left} old executions should be left; the tables say ${JSON.stringify(row)}.`)
}

async function fill({ sql }: Place, schema: string, count: number): Promise<void> {
  await sql`
    insert into ${sql(`${schema}.executions`)} (
      region, partition, execution_id, workflow, workflow_version, status, version, started_at, closed_at
    )
    select 'local', (n % 64)::int2, 'old ' || n::text, ${OLD}::text, '1', 'completed', ${EVENTS}::int4,
      date_trunc('milliseconds', now() - interval '40 days' + n * interval '1 millisecond'),
      date_trunc('milliseconds', now() - interval '40 days' + n * interval '1 millisecond')
    from generate_series(1, ${count}::int4) as t (n)`
  await sql`
    insert into ${sql(`${schema}.events`)} (region, partition, execution_id, version, type, seq, name, payload)
    select 'local', (n % 64)::int2, 'old ' || n::text, v::int4,
      case v when 1 then 'started' when ${EVENTS}::int4 then 'completed' else 'step_completed' end, v::int4, 'step',
      '{"value":3}'
    from generate_series(1, ${count}::int4) as t (n) cross join generate_series(1, ${EVENTS}::int4) as u (v)`
  await sql`analyze ${sql(`${schema}.executions`)}`
  await sql`analyze ${sql(`${schema}.events`)}`
}

async function besideIndex(
  place: Place,
  options: RetentionOptions,
): Promise<Pick<RetentionReport, 'index' | 'index_cost'>> {
  const { inFlight, onProgress } = options
  onProgress('with an index by partition and end, and without')
  const [withIt, without] = [await place.freshSchema(), await place.freshSchema()]
  await place.sql`
    create index executions_ended on ${place.sql(`${withIt}.executions`)} (region, partition, closed_at)
    where closed_at is not null`
  const start = (schema: string): ReturnType<typeof startLoad> =>
    startLoad(THREE_STEPS, { database: { url: place.url, schema }, inFlight, lanes: LANES })
  const [ours, reference] = [await start(withIt), await start(without)]
  try {
    await ours.run(warmUpOf(options))
    await reference.run(warmUpOf(options))
    const meters = { ours: new CostMeter(place, withIt), reference: new CostMeter(place, without) }
    const before = { ours: ours.done, reference: reference.done }
    const index = await runPairs({
      ...options,
      ours: { name: 'with the index', run: (seconds) => meters.ours.measure(() => ours.run(seconds)) },
      reference: {
        name: 'without',
        run: (seconds) => meters.reference.measure(() => reference.run(seconds)),
      },
    })
    const index_cost = {
      ours: meters.ours.per(ours.done - before.ours),
      reference: meters.reference.per(reference.done - before.reference),
    }
    return { index, index_cost }
  } finally {
    await ours.stop()
    await reference.stop()
  }
}
