// `waiting`: executions that wait for a timer or a signal, up to a million of them. How fast they are made, what each
// costs the node and the database while it waits, and how fast all of them go on when their time has come.

import { performance } from 'node:perf_hooks'
import { createClient } from '../../src/database.js'
import type { Client } from '../../src/index.js'
import { figuresReport, type FiguresReport } from '../harness/figures.js'
import type { Place } from '../harness/place.js'
import { startWorker, type Worker } from '../nodes/fleet.js'
import { waitsForSignal, waitsForTimer } from './waiting-workflows.js'

export interface WaitingOptions {
  /** Half of them wait for a timer, half for a signal. */
  readonly executions: number
  /** Of three-step workflows on the same node, as the reference. */
  readonly seconds: number
  /** Three-step workflows at the same time, where the node is at its limit. Default 2,000. */
  readonly inFlight?: number
  readonly onProgress: (text: string) => void
}

const IN_FLIGHT = 2_000
const CACHED_MAX = 10_000
const AT_ONCE = 1_000
/** Instants are rounded to it, so that timers come due in one go. */
const MARGIN_MS = 5_000
const DEADLINE_MS = 3_600_000

export async function waiting(place: Place, options: WaitingOptions): Promise<FiguresReport> {
  const { executions, seconds, inFlight = IN_FLIGHT, onProgress } = options
  const schema = await place.freshSchema()
  // As large a share of them as the default cache holds of a million, so that sizes compare.
  const cached = Math.min(CACHED_MAX, Math.max(1, Math.floor(executions / 100)))
  const worker = await startWorker({ url: place.url, schema, cached })
  const client = await createClient({ database: { url: place.url, schema } })
  try {
    await worker.load({ inFlight, seconds: seconds / 4, from: 0 })
    const reference = await worker.load({ inFlight, seconds, from: 0 })
    const throughput = reference.units / reference.seconds
    onProgress(`three-step workflows: ${Math.round(throughput)}/s`)
    const scene = { place, schema, worker, client, executions, throughput, onProgress }
    const made = await make(scene)
    const woken = await wake(scene, made)
    return report(scene, { ...made, ...woken, cached })
  } finally {
    await client.close()
    await worker.stop()
  }
}

interface Scene {
  readonly place: Place
  readonly schema: string
  readonly worker: Worker
  readonly client: Client
  readonly executions: number
  readonly throughput: number
  readonly onProgress: (text: string) => void
}

interface Made {
  readonly perSecond: number
  /** Each, over all, and over those that came after the cache was full. */
  readonly nodeBytes: number
  readonly uncachedBytes: number
  readonly databaseBytes: number | null
  readonly signalIds: readonly string[]
  readonly dueAtMs: number
  readonly residentBytes: number
}

async function make(scene: Scene): Promise<Made> {
  const { place, schema, worker, executions, throughput, onProgress } = scene
  const bytesBefore = await databaseBytes(place, schema)
  const before = await worker.memory({ isCollected: true })
  const timers = Math.floor(executions / 2)
  const signals = executions - timers
  // Signals first: how fast they are made tells when the last timer will have been.
  const begun = performance.now()
  const few = Math.ceil(signals / 5)
  const signalIds = [...(await createWaiting(scene, { workflow: waitsForSignal.name, count: few, all: few }))]
  const full = await worker.memory({ isCollected: true })
  signalIds.push(
    ...(await createWaiting(scene, { workflow: waitsForSignal.name, count: signals - few, all: signals })),
  )
  const perSecondSoFar = signals / ((performance.now() - begun) / 1_000)
  onProgress(`${signals} wait for a signal, made at ${Math.round(perSecondSoFar)}/s`)
  const dueAtMs = Date.now() + ((timers / perSecondSoFar) * 1_500 + MARGIN_MS)
  await createWaiting(scene, { workflow: waitsForTimer.name, count: timers, input: dueAtMs, all: executions })
  const elapsed = (performance.now() - begun) / 1_000
  if (Date.now() > dueAtMs)
    throw new Error('The first timers were due before the last was made. Run it again when it is quieter.')
  const after = await worker.memory({ isCollected: true })
  const bytesAfter = await databaseBytes(place, schema)
  const [payload] = await place.sql<{ bytes: number }[]>`
    select coalesce(sum(length(e.payload)), 0)::float8 as bytes from ${place.sql(`${schema}.events`)} as e
    where e.name in (${waitsForSignal.name}::text, ${waitsForTimer.name}::text)`
  const databaseEach =
    bytesBefore === null || bytesAfter === null
      ? null
      : (bytesAfter - bytesBefore - (payload?.bytes ?? 0)) / executions
  onProgress(
    `${executions} wait: ${Math.round(executions / elapsed)}/s made, ${((after.heapBytes - before.heapBytes) / executions).toFixed(0)} bytes of the node each, ${databaseEach?.toFixed(0) ?? '?'} of the database; three-step workflows ${Math.round(throughput)}/s`,
  )
  return {
    perSecond: executions / elapsed,
    nodeBytes: (after.heapBytes - before.heapBytes) / executions,
    uncachedBytes: (after.heapBytes - full.heapBytes) / (executions - few),
    databaseBytes: databaseEach,
    signalIds,
    dueAtMs,
    residentBytes: after.residentBytes,
  }
}

/** Makes some and waits until all of them, with those before, have been suspended. */
async function createWaiting(
  { place, schema, worker }: Scene,
  what: { readonly workflow: string; readonly count: number; readonly input?: unknown; readonly all: number },
): Promise<readonly string[]> {
  const { workflow, count, input, all } = what
  const ids = await worker.create({ workflow, count, input, atOnce: AT_ONCE })
  await until(async () => {
    const [row] = await place.sql<{ waiting: number }[]>`
      select count(*)::int4 as waiting from ${place.sql(`${schema}.executions`)} where status = 'waiting'`
    return (row?.waiting ?? 0) >= all
  })
  return ids
}

interface Woken {
  readonly wokenPerSecond: number
  /** What the node's memory grew by, at most, while they went on. */
  readonly grownBytes: number
  readonly completed: number
}

async function wake(scene: Scene, { signalIds, dueAtMs, residentBytes }: Made): Promise<Woken> {
  const { place, schema, worker, client, executions, onProgress } = scene
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueAtMs - Date.now())))
  const begun = performance.now()
  let peak = 0
  const signaling = sendSignals(client, signalIds)
  // Should it fail, that is told below.
  signaling.catch(() => undefined)
  let completed = 0
  let told = begun
  await until(async () => {
    const { residentBytes: now } = await worker.memory({ isCollected: false })
    peak = Math.max(peak, now)
    const [row] = await place.sql<{ completed: number }[]>`
      select count(*)::int4 as completed from ${place.sql(`${schema}.executions`)}
      where status = 'completed' and workflow in (${waitsForSignal.name}::text, ${waitsForTimer.name}::text)`
    completed = row?.completed ?? 0
    if (performance.now() - told > 10_000) {
      told = performance.now()
      onProgress(`${completed} of ${executions} have gone on`)
    }
    return completed >= executions
  })
  const elapsed = (performance.now() - begun) / 1_000
  await signaling
  return { wokenPerSecond: executions / elapsed, grownBytes: peak - residentBytes, completed }
}

async function sendSignals(client: Client, ids: readonly string[]): Promise<void> {
  const waiting = ids.values()
  const sender = async (): Promise<void> => {
    for (const id of waiting) await client.signal(id, 'go', null)
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, sender))
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error('The executions did not come so far within an hour.')
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}

async function databaseBytes({ sql, isPostgres }: Place, schema: string): Promise<number | null> {
  if (!isPostgres) return null
  const [row] = await sql<{ bytes: number }[]>`
    select coalesce(sum(pg_total_relation_size(c.oid)), 0)::float8 as bytes from pg_class c
    join pg_namespace n on n.oid = c.relnamespace where n.nspname = ${schema}::text and c.relkind in ('r', 'm')`
  return row?.bytes ?? null
}

function report(scene: Scene, found: Made & Woken & { readonly cached: number }): FiguresReport {
  const { place, executions, throughput } = scene
  const { wokenPerSecond, completed, cached, grownBytes } = found
  return figuresReport(place, {
    name: 'waiting',
    unit: 'executions/s',
    values: [wokenPerSecond],
    reference: throughput,
    reference_name: 'three-step workflows/s of the same node',
    figures: [
      { what: 'wait at the same time', value: executions, unit: 'executions' },
      { what: 'made and suspended', value: found.perSecond, unit: 'executions/s' },
      { what: `node memory each (${cached} kept live)`, value: found.nodeBytes, unit: 'bytes', atMost: 200 },
      {
        what: 'node memory each, of those not kept live',
        value: found.uncachedBytes,
        unit: 'bytes',
        atMost: 8,
      },
      { what: 'database each, beyond the payload', value: found.databaseBytes, unit: 'bytes', atMost: 1_024 },
      { what: 'all wake, and end', value: wokenPerSecond, unit: 'executions/s', atLeast: throughput / 2 },
      { what: 'node memory grows meanwhile by', value: grownBytes / 2 ** 20, unit: 'MiB' },
    ],
    chart: {
      title: `${executions.toLocaleString('en')} executions that wait`,
      unit: 'per second',
      kind: 'bars',
      labels: ['three steps', 'made and suspended', 'woken and ended'],
      series: [{ name: 'one node', values: [throughput, found.perSecond, wokenPerSecond] }],
    },
    checked: `${completed} executions completed`,
  })
}
