// `fan-out`: one execution with many parallel steps, and one with many children. What a step or a child costs must not
// grow with their number.

import { performance } from 'node:perf_hooks'
import { createEngine, workflow, type Engine, type Workflow } from '../../src/index.js'
import { figuresReport, type FiguresReport } from '../harness/figures.js'
import { median } from '../harness/pairs.js'
import type { Place } from '../harness/place.js'

export interface FanOutOptions {
  /** How many steps or children, ascending. */
  readonly sizes: readonly number[]
  readonly rounds: number
  readonly onProgress: (text: string) => void
}

const steps = workflow({ name: 'fan-out-steps' }, async (ctx, count: number) => {
  const values = await Promise.all(Array.from({ length: count }, (_, n) => ctx.step('one', () => n)))
  return values.reduce((sum, value) => sum + value, 0)
})

const leaf = workflow({ name: 'fan-out-leaf' }, (_, n: number) => Promise.resolve(n))

const children = workflow({ name: 'fan-out-children' }, async (ctx, count: number) => {
  const values = await Promise.all(Array.from({ length: count }, (_, n) => ctx.child(leaf, n)))
  return values.reduce((sum, value) => sum + value, 0)
})

export async function fanOut(place: Place, options: FanOutOptions): Promise<FiguresReport> {
  const { sizes, onProgress } = options
  const schema = await place.freshSchema()
  const most = Math.max(...sizes)
  const engine = await createEngine({
    database: { url: place.url, schema },
    workflows: [steps, children, leaf],
    capacity: most * 2,
    limits: { historyEventsMax: most * 3 + 1_000, historyEventsWarn: most * 3 + 1_000 },
  })
  await engine.start()
  try {
    const ofSteps = await each(engine, steps, options)
    onProgress(`steps: ${texts(sizes, ofSteps)}`)
    const ofChildren = await each(engine, children, options)
    onProgress(`children: ${texts(sizes, ofChildren)}`)
    const growth = (values: readonly number[]): number => (values.at(-1) ?? Number.NaN) / (values[0] ?? 0)
    return figuresReport(place, {
      name: 'fan-out',
      unit: 'µs',
      values: [ofSteps.at(-1) ?? Number.NaN],
      reference: (ofSteps[0] ?? 0) * 2,
      reference_name: `twice the time per step at ${sizes[0] ?? 0}`,
      figures: [
        ...sizes.map((size, index) => figure(`per step, ${size} parallel`, ofSteps[index])),
        {
          what: `per step, ${most} against ${sizes[0] ?? 0}`,
          value: growth(ofSteps),
          unit: 'times',
          atMost: 2,
        },
        ...sizes.map((size, index) => figure(`per child, ${size} parallel`, ofChildren[index])),
        {
          what: `per child, ${most} against ${sizes[0] ?? 0}`,
          value: growth(ofChildren),
          unit: 'times',
          atMost: 2,
        },
      ],
      chart: {
        title: 'Time per parallel step and child of one execution',
        unit: 'µs',
        kind: 'lines',
        labels: sizes.map(String),
        series: [
          { name: 'per step', values: ofSteps },
          { name: 'per child', values: ofChildren },
        ],
      },
      checked: await check(place, schema, options),
    })
  } finally {
    await engine.stop()
  }
}

function figure(what: string, value: number | undefined): FiguresReport['figures'][number] {
  return { what, value: value ?? null, unit: 'µs' }
}

function texts(sizes: readonly number[], values: readonly number[]): string {
  return sizes.map((size, index) => `${size}: ${(values[index] ?? Number.NaN).toFixed(0)} µs each`).join(', ')
}

/** Microseconds per step or child, of each size. */
async function each(
  { client }: Engine,
  definition: Workflow<number, number>,
  { sizes, rounds }: FanOutOptions,
): Promise<number[]> {
  const once = async (size: number): Promise<number> => {
    const startedAt = performance.now()
    const handle = await client.start(definition, size)
    if ((await handle.result()) !== (size * (size - 1)) / 2) throw new Error(`${size} gave a wrong sum.`)
    return ((performance.now() - startedAt) * 1_000) / size
  }
  const smallest = Math.min(...sizes)
  for (let n = 0; n < WARM_UPS; n++) await once(smallest)
  const medians: number[] = []
  for (const size of sizes) {
    // As much work of each size, or nearly: a single small one tells little.
    const turns = Math.max(
      rounds,
      Math.min(rounds * 10, Math.round((Math.max(...sizes) * rounds) / size / 10)),
    )
    const times: number[] = []
    for (let turn = 0; turn < turns; turn++) times.push(await once(size))
    medians.push(median(times))
  }
  return medians
}

const WARM_UPS = 5

async function check({ sql }: Place, schema: string, { sizes }: FanOutOptions): Promise<string> {
  const [row] = await sql<{ completed: number; others: number }[]>`
    select count(*) filter (where status = 'completed')::int4 as completed,
      count(*) filter (where status <> 'completed')::int4 as others
    from ${sql(`${schema}.executions`)}`
  if (row === undefined || row.others > 0 || row.completed < Math.max(...sizes))
    throw new Error(`The tables say ${JSON.stringify(row)}: not all have completed.`)
  return `${row.completed} executions completed with the right sums`
}
