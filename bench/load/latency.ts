// `latency`: three-step workflows from call to result, one at a time and at half of the most that the node can do, and
// from a start on one node to the first event on another.

import { performance } from 'node:perf_hooks'
import { createEngine, type Engine } from '../../src/index.js'
import { figuresReport, type FiguresReport } from '../harness/figures.js'
import { percentile } from '../harness/pairs.js'
import type { Place } from '../harness/place.js'
import { startHive } from '../nodes/fleet.js'
import { startLatencies } from '../nodes/latencies.js'
import { startLoad } from './load.js'
import { THREE_STEPS } from './shapes.js'

export interface LatencyOptions {
  /** Idle, and at half load. */
  readonly seconds: number
  /** At full load: what the most is. */
  readonly warmUpSeconds: number
  readonly starts: number
  /** Three-step workflows at the same time, where the node is at its limit. Default 2,000. */
  readonly inFlight?: number
  readonly onProgress: (text: string) => void
}

const IN_FLIGHT = 2_000
/** What is offered must be taken; more outstanding than this, and half of the most it was not. */
const OUTSTANDING_MAX = 20_000

export async function latency(place: Place, options: LatencyOptions): Promise<FiguresReport> {
  const { seconds, warmUpSeconds, starts, inFlight = IN_FLIGHT, onProgress } = options
  const schema = await place.freshSchema()
  const database = { url: place.url, schema }
  const load = await startLoad(THREE_STEPS, { database, inFlight, lanes: 3 })
  let most: number
  try {
    await load.run(warmUpSeconds / 2)
    const full = await load.run(warmUpSeconds / 2)
    most = full.units / full.seconds
    onProgress(`the most: ${Math.round(most)} workflows/s`)
  } finally {
    await load.stop()
  }
  await place.settle()
  const engine = await createEngine({ database, workflows: THREE_STEPS.workflows })
  await engine.start()
  try {
    const idle = await oneAtATime(engine, seconds)
    const [p50, p99] = [percentile(idle, 0.5), percentile(idle, 0.99)]
    onProgress(`idle: ${idle.length} calls, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`)
    const busy = await atRate(engine, most / 2, seconds)
    onProgress(`half load: ${busy.length} calls, p99 ${percentile(busy, 0.99).toFixed(1)} ms`)
    const elsewhere = await toAnotherNode(place, { schema, engine, starts })
    const done = load.done + idle.length + busy.length
    return figuresReport(place, {
      name: 'latency',
      unit: 'ms',
      values: idle,
      reference: 6,
      reference_name: 'the target for p50, idle',
      p50_ms: p50,
      p99_ms: p99,
      figures: [
        { what: 'idle, p50', value: p50, unit: 'ms', atMost: 6 },
        { what: 'idle, p99', value: p99, unit: 'ms', atMost: 20 },
        { what: 'offered at half load', value: most / 2, unit: 'workflows/s' },
        { what: 'half load, p50', value: percentile(busy, 0.5), unit: 'ms' },
        { what: 'half load, p99', value: percentile(busy, 0.99), unit: 'ms', atMost: 50 },
        {
          what: 'start on one node, first event on another, p50',
          value: percentile(elsewhere, 0.5),
          unit: 'ms',
        },
        {
          what: 'start on one node, first event on another, p99',
          value: percentile(elsewhere, 0.99),
          unit: 'ms',
        },
      ],
      chart: {
        title: 'Latency of three-step workflows',
        unit: 'ms',
        kind: 'bars',
        labels: ['p50', 'p90', 'p99'],
        series: [
          { name: 'idle', values: spectrum(idle) },
          { name: 'half load', values: spectrum(busy) },
          { name: 'start → other node', values: spectrum(elsewhere) },
        ],
      },
      checked: await check(place, schema, done),
    })
  } finally {
    await engine.stop()
  }
}

function spectrum(values: readonly number[]): number[] {
  return [0.5, 0.9, 0.99].map((share) => percentile(values, share))
}

async function oneAtATime({ client }: Engine, seconds: number): Promise<number[]> {
  const latencies: number[] = []
  const until = performance.now() + seconds * 1_000
  for (let n = 0; performance.now() < until; n++) {
    const startedAt = performance.now()
    await THREE_STEPS.run(client, n)
    latencies.push(performance.now() - startedAt)
  }
  return latencies
}

/** Arrivals by the clock, whatever is still under way; a late one counts from when it was to come. */
async function atRate({ client }: Engine, perSecond: number, seconds: number): Promise<number[]> {
  const begun = performance.now()
  const total = Math.max(1, Math.floor(perSecond * seconds))
  const latencies: number[] = []
  const under: Promise<void>[] = []
  let sent = 0
  while (sent < total) {
    const due = Math.min(total, Math.floor(((performance.now() - begun) / 1_000) * perSecond))
    for (; sent < due; sent++) {
      const scheduledAt = begun + (sent * 1_000) / perSecond
      under.push(
        THREE_STEPS.run(client, sent).then(() => void latencies.push(performance.now() - scheduledAt)),
      )
    }
    if (sent - latencies.length > OUTSTANDING_MAX)
      throw new Error(`At ${Math.round(perSecond)}/s ${OUTSTANDING_MAX} calls wait: more than it can take.`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await Promise.all(under)
  return latencies
}

/** The first node has not the code; it has only the client, and what it writes another one must run. */
async function toAnotherNode(
  place: Place,
  { schema, engine, starts }: { readonly schema: string; readonly engine: Engine; readonly starts: number },
): Promise<number[]> {
  const hive = await startHive({ url: place.url, schema, apart: false, nodes: 1 })
  try {
    return await startLatencies({ place, schema, client: engine.client, count: starts })
  } finally {
    await hive.stop()
  }
}

async function check({ sql }: Place, schema: string, done: number): Promise<string> {
  const [row] = await sql<{ completed: number }[]>`
    select count(*)::int4 as completed from ${sql(`${schema}.executions`)}
    where workflow = ${THREE_STEPS.root}::text and status = 'completed'`
  if (row?.completed !== done)
    throw new Error(`${done} workflows were run, but ${row?.completed ?? 0} have completed.`)
  return `${done} executions completed`
}
