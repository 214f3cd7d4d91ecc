// `failover`: from `kill -9` of a node to the next event that another node records, for every execution it ran.
// All instants are the database's: the kill is stamped just before the signal is sent, so that nothing is flattered.

import { loadavg } from 'node:os'
import { performance } from 'node:perf_hooks'
import { percentile } from '../harness/pairs.js'
import type { Place } from '../harness/place.js'
import { machineText } from '../harness/report.js'
import { startNode, type FleetNode } from '../nodes/fleet.js'

export interface FailoverOptions {
  readonly kills: number
  /** Executions at work on the node that is killed. */
  readonly running: number
  /** Executions that wait meanwhile. */
  readonly waiting: number
  /** Nodes that live on. */
  readonly survivors: number
  /** As if each node had a machine of its own. */
  readonly apart: boolean
  readonly onProgress: (text: string) => void
}

export interface FailoverReport {
  readonly name: 'failover'
  readonly unit: 'ms'
  /** Median over the kills of the time until the last execution of a kill had gone on. */
  readonly ours: number
  /** What is promised for the 99th percentile. */
  readonly reference: number
  readonly ratio: number
  readonly runs: number
  readonly spread: { readonly ours: readonly [number, number] }
  readonly p50_ms: number
  readonly p99_ms: number
  readonly max_ms: number
  /** Until the first survivor knew, median. */
  readonly noticed_ms: number
  readonly apart: boolean
  /** Of the machine, over the minute before the end: what else it did is in the figures. */
  readonly load_average: number
  readonly executions: number
  readonly running: number
  readonly waiting: number
  readonly machine: string
  readonly node_version: string
  readonly server: string
}

const PROMISED_MS = 2_000
const DEADLINE_MS = 120_000
const NOTICED_POLL_MS = 5
const FILL_TRIES = 10
const WARM_UP = 1_000

export async function failover(place: Place, options: FailoverOptions): Promise<FailoverReport> {
  const { kills, running, waiting, survivors, apart, onProgress } = options
  const schema = await place.freshSchema()
  const fleet = { url: place.url, schema, capacity: running * 2, apart }
  const living = await Promise.all(Array.from({ length: survivors }, () => startNode(fleet)))
  const [survivor] = living
  if (survivor === undefined) throw new Error('failover needs a survivor')
  if (waiting > 0) {
    await survivor.order({ start: 'waiting', count: waiting })
    await tidyUp(place, schema)
    onProgress(`${waiting} executions wait`)
  }
  const all: number[] = []
  const noticed: number[] = []
  const longest: number[] = []
  try {
    // Not counted: the survivors have done nothing yet, and their code and connections are cold.
    const first = await startNode(fleet)
    const warmUp = Math.min(running, WARM_UP)
    await fill(place, schema, first, warmUp)
    await killAndWatch(place, schema, first, warmUp)
    for (let kill = 1; kill <= kills; kill++) {
      const victim = await startNode(fleet)
      await fill(place, schema, victim, running)
      const { times, noticedMs } = await killAndWatch(place, schema, victim, running)
      for (const ms of times) all.push(ms)
      noticed.push(noticedMs)
      longest.push(Math.max(...times))
      onProgress(
        `kill ${kill}/${kills}: ${times.length} executions, noticed after ${Math.round(noticedMs)} ms, p50 ${Math.round(percentile(times, 0.5))} ms, last ${Math.round(Math.max(...times))} ms`,
      )
    }
  } finally {
    await Promise.all(living.map((node) => node.stop()))
  }
  const p99 = percentile(all, 0.99)
  return {
    name: 'failover',
    unit: 'ms',
    ours: percentile(longest, 0.5),
    reference: PROMISED_MS,
    ratio: p99 / PROMISED_MS,
    runs: kills,
    spread: { ours: [Math.min(...longest), Math.max(...longest)] },
    p50_ms: percentile(all, 0.5),
    p99_ms: p99,
    max_ms: percentile(all, 1),
    noticed_ms: percentile(noticed, 0.5),
    apart,
    load_average: loadavg()[0] ?? Number.NaN,
    executions: all.length,
    running,
    waiting,
    machine: machineText(),
    node_version: process.versions.node,
    server: place.server,
  }
}

/** What waits has been waiting for long: the database has done by then what it does behind so many new rows. */
async function tidyUp({ sql, isPostgres }: Place, schema: string): Promise<void> {
  if (!isPostgres) return
  for (const table of ['executions', 'events', 'timers'])
    await sql`vacuum (analyze) ${sql(`${schema}.${table}`)}`
}

/** On a busy machine a node may mistrust its lease for a moment, and leaves to others what it starts then. */
async function fill(place: Place, schema: string, victim: FleetNode, running: number): Promise<void> {
  for (let tries = 0; tries < FILL_TRIES; tries++) {
    const missing = running - (await heldBy(place, schema, victim))
    if (missing <= 0) return
    await victim.order({ start: 'held', count: missing })
  }
}

async function heldBy({ sql }: Place, schema: string, victim: FleetNode): Promise<number> {
  const [row] = await sql<{ held: number }[]>`
    select count(*)::int4 as held from ${sql(`${schema}.executions`)}
    where claimed_by = ${victim.nodeId}::text and workflow = 'held'`
  return row?.held ?? 0
}

/** Milliseconds from the kill to the next event, of each execution that the victim held, and to its lease's end. */
async function killAndWatch(
  { sql }: Place,
  schema: string,
  victim: FleetNode,
  running: number,
): Promise<{ readonly times: readonly number[]; readonly noticedMs: number }> {
  const executions = sql(`${schema}.executions`)
  const events = sql(`${schema}.events`)
  const leases = sql(`${schema}.leases`)
  const [before] = await sql<{ held: number; at: Date }[]>`
    select count(*)::int4 as held, clock_timestamp() as at from ${executions}
    where claimed_by = ${victim.nodeId}::text and workflow = 'held'`
  if (before?.held !== running)
    throw new Error(`the node holds ${before?.held} executions instead of ${running}`)
  const killedMs = performance.now()
  await victim.kill()
  const deadline = killedMs + DEADLINE_MS
  for (;;) {
    const rows = await sql`select from ${leases} where node_id = ${victim.nodeId}::text`
    if (rows.length === 0) break
    if (performance.now() > deadline) throw new Error('nobody noticed that a node was killed')
    await new Promise((resolve) => setTimeout(resolve, NOTICED_POLL_MS))
  }
  const noticedMs = performance.now() - killedMs
  for (;;) {
    // By the indexes of what is at work: what earlier kills left behind must not make the watching dearer.
    const [open] = await sql<{ count: number }[]>`
      select (
        (select count(*) from ${executions} where claimed_by is not null)
        + (select count(*) from ${executions} where claimed_by is null and ready_at is not null)
      )::int4 as count`
    if (open?.count === 0) break
    if (performance.now() > deadline) throw new Error(`${open?.count} executions did not go on`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  const rows = await sql<{ ms: number }[]>`
    select (extract(epoch from min(v.at) - ${before.at.toISOString()}::timestamptz) * 1000)::float8 as ms
    from ${events} as v join ${executions} as e
      on e.region = v.region and e.partition = v.partition and e.execution_id = v.execution_id
    where e.workflow = 'held' and v.at > ${before.at.toISOString()}::timestamptz and e.started_at <= ${before.at.toISOString()}::timestamptz
    group by e.execution_id`
  if (rows.length !== running) throw new Error(`${rows.length} executions went on instead of ${running}`)
  return { times: rows.map(({ ms }) => ms), noticedMs }
}
