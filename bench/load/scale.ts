// `scale`: three-step workflows/s of 1, 2, 4 and 8 nodes on one database, and of one node while its tables hold a
// thousand times as much.

import { figuresReport, type FiguresReport } from '../harness/figures.js'
import { runPairs, type Contestant, type PairResult } from '../harness/pairs.js'
import type { Place } from '../harness/place.js'
import { startWorker, type Worker } from '../nodes/fleet.js'
import { startLoad } from './load.js'
import { copyRows } from './raw-rows.js'
import { THREE_STEPS } from './shapes.js'

export interface ScaleOptions {
  readonly nodes: readonly number[]
  /** Stored executions, ascending. */
  readonly stored: readonly number[]
  /** Of each number of nodes, and of each number of stored executions. */
  readonly seconds: number
  readonly rounds: number
  /** Three-step workflows at the same time, where the node is at its limit. Default 2,000. */
  readonly inFlight?: number
  readonly onProgress: (text: string) => void
}

const IN_FLIGHT = 2_000

export async function scale(place: Place, options: ScaleOptions): Promise<FiguresReport> {
  const { nodes, stored, onProgress } = options
  const byNodes: number[] = []
  for (const count of nodes) {
    const rate = await withNodes(place, { count, ...options })
    byNodes.push(rate)
    onProgress(`${nodesText(count)}: ${Math.round(rate)} workflows/s`)
  }
  const byStored = await withStored(place, options)
  const least = stored[0] ?? 0
  const last = byStored.at(-1)
  if (last === undefined) throw new Error('Give at least two numbers of stored executions.')
  const most = stored.at(-1) ?? 0
  return figuresReport(place, {
    name: 'scale',
    unit: 'workflows/s',
    values: [last.ours],
    reference: last.reference,
    reference_name: `the same with ${least} stored, in turns`,
    figures: [
      ...nodes.map((count, index) => ({
        what: `${nodesText(count)} on one machine`,
        value: byNodes[index] ?? null,
        unit: 'workflows/s',
      })),
      ...byStored.map(({ ours, reference }, index) => ({
        what: `${(stored[index + 1] ?? 0).toLocaleString('en')} stored, beside ${least.toLocaleString('en')}`,
        value: ours / reference,
        unit: 'times',
      })),
      {
        what: `tables ${Math.round(most / least)} times as large: throughput`,
        value: last.ratio,
        unit: 'times',
        atLeast: 0.9,
      },
    ],
    chart: {
      title: 'Throughput by nodes on one machine, and by executions stored',
      unit: 'workflows/s',
      kind: 'bars',
      labels: [
        ...nodes.map(nodesText),
        ...stored.slice(1).map((count) => `${count.toLocaleString('en')} stored`),
      ],
      series: [
        { name: 'measured', values: [...byNodes, ...byStored.map(({ ours }) => ours)] },
        {
          name: `with ${least} stored`,
          values: [...nodes.map(() => null), ...byStored.map(({ reference }) => reference)],
        },
      ],
    },
    checked: 'every result was right, every execution has completed',
  })
}

async function withNodes(
  place: Place,
  { count, seconds, inFlight: all = IN_FLIGHT }: ScaleOptions & { readonly count: number },
): Promise<number> {
  const schema = await place.freshSchema()
  const workers: Worker[] = []
  try {
    for (let n = 0; n < count; n++) workers.push(await startWorker({ url: place.url, schema, cached: 1_000 }))
    const inFlight = Math.ceil(all / count)
    const loadAll = (some: number): Promise<{ units: number; seconds: number }[]> =>
      Promise.all(workers.map((worker) => worker.load({ inFlight, seconds: some, from: 0 })))
    const warm = await loadAll(seconds / 4)
    await place.settle()
    const slices = await loadAll(seconds)
    const units = slices.reduce((sum, slice) => sum + slice.units, 0)
    await check(place, schema, units + warm.reduce((sum, slice) => sum + slice.units, 0))
    return units / Math.max(...slices.map((slice) => slice.seconds))
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()))
  }
}

/** A node on small tables and one on large ones in turns; between the comparisons the large ones are filled further. */
async function withStored(place: Place, options: ScaleOptions): Promise<PairResult[]> {
  const { stored, seconds, rounds, inFlight = IN_FLIGHT, onProgress } = options
  const [least = 1_000, ...more] = stored
  const schemas = { small: await place.freshSchema(), large: await place.freshSchema() }
  const start = (schema: string): ReturnType<typeof startLoad> =>
    startLoad(THREE_STEPS, { database: { url: place.url, schema }, inFlight, lanes: 3 })
  const small = await start(schemas.small)
  const large = await start(schemas.large)
  const results: PairResult[] = []
  try {
    for (const one of [small, large]) await one.run(Math.max(1, seconds / 4))
    await fill(place, { schema: schemas.small, count: least, onProgress })
    let filled = 0
    for (const count of more) {
      await fill(place, { schema: schemas.large, count: count - filled, onProgress })
      filled = count
      const settled = (contestant: Contestant): Contestant => ({
        name: contestant.name,
        async run(some) {
          await place.settle()
          return contestant.run(some)
        },
      })
      results.push(
        await runPairs({
          ours: settled({ name: `${count} stored`, run: (some) => large.run(some) }),
          reference: settled({ name: `${least} stored`, run: (some) => small.run(some) }),
          rounds,
          seconds,
          onProgress,
        }),
      )
    }
    await check(place, schemas.large, large.done + filled)
    return results
  } finally {
    await small.stop()
    await large.stop()
  }
}

/** Copies of an execution that has completed there, with the statistics and maps that such tables have in the long run. */
async function fill(
  place: Place,
  options: { readonly schema: string; readonly count: number; readonly onProgress: (text: string) => void },
): Promise<void> {
  const { schema, count, onProgress } = options
  const of = { schema, root: THREE_STEPS.root }
  await copyRows(place, { of, count, onProgress })
  if (place.isPostgres) {
    for (const table of ['executions', 'events'])
      await place.sql`vacuum (analyze) ${place.sql(`${schema}.${table}`)}`
  }
}

async function check({ sql }: Place, schema: string, wanted: number): Promise<void> {
  const [row] = await sql<{ completed: number; others: number }[]>`
    select count(*) filter (where status = 'completed')::int4 as completed,
      count(*) filter (where status <> 'completed')::int4 as others
    from ${sql(`${schema}.executions`)}`
  if (row?.completed !== wanted || row.others !== 0)
    throw new Error(`${wanted} executions must have completed, but the tables say ${JSON.stringify(row)}.`)
}

function nodesText(count: number): string {
  return count === 1 ? '1 node' : `${count} nodes`
}
