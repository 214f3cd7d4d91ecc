// The benchmarks of latency, replay, fan-out, waiting, scale and the small pieces, in their smallest form: that they run,
// check their work and say what they promise to say.

import { afterEach, beforeEach, expect, inject, it } from 'vitest'
import type { FiguresReport } from './harness/figures.js'
import { openPlace, type Place } from './harness/place.js'
import { fanOut } from './load/fan-out.js'
import { latency } from './load/latency.js'
import { micro } from './load/micro.js'
import { replay } from './load/replay.js'
import { scale } from './load/scale.js'
import { waiting } from './load/waiting.js'

const onProgress = (): void => undefined
const DEADLINE_MS = 120_000
let place: Place

beforeEach(async () => {
  place = await openPlace(inject('databaseUrl'))
})
afterEach(() => place.close())

/** All figures are numbers, but those that a database may not tell. */
function expectWhole(report: FiguresReport): void {
  for (const { what, value } of report.figures)
    expect(value ?? (place.isPostgres ? Number.NaN : 0), what).not.toBeNaN()
  expect(report.ratio).toBeGreaterThan(0)
  expect(report.chart.series.length).toBeGreaterThan(0)
  for (const { values } of report.chart.series) expect(values).toHaveLength(report.chart.labels.length)
}

it(
  'latency is measured idle, at half load and to another node',
  async () => {
    const report = await latency(place, {
      seconds: 0.5,
      warmUpSeconds: 0.5,
      starts: 3,
      inFlight: 100,
      onProgress,
    })
    expectWhole(report)
    expect(report.p99_ms).toBeGreaterThanOrEqual(report.p50_ms ?? Infinity)
    expect(report.checked).toMatch(/executions completed/)
  },
  DEADLINE_MS,
)

it(
  'replay resumes histories from the database, and from memory without beginning again',
  async () => {
    expectWhole(await replay(place, { sizes: [10, 300], rounds: 1, seconds: 0.1, onProgress }))
  },
  DEADLINE_MS,
)

it(
  'fan-out counts what it has spread out',
  async () => {
    const report = await fanOut(place, { sizes: [5, 50], rounds: 1, onProgress })
    expectWhole(report)
    expect(report.checked).toMatch(/executions completed/)
  },
  DEADLINE_MS,
)

it(
  'waiting makes executions that wait, and wakes all of them',
  async () => {
    const report = await waiting(place, { executions: 200, seconds: 0.4, inFlight: 100, onProgress })
    expectWhole(report)
    expect(report.checked).toBe('200 executions completed')
  },
  DEADLINE_MS,
)

it(
  'scale measures several nodes, and tables that grow',
  async () => {
    const options = { nodes: [1, 2], stored: [100, 1_000], seconds: 0.4, rounds: 1, inFlight: 100 }
    expectWhole(await scale(place, { ...options, onProgress }))
  },
  DEADLINE_MS,
)

it('micro times each piece, and compares with nothing where there is no record', async () => {
  const report = await micro({ seconds: 0.6, record: undefined, keep: false, onProgress })
  expectWhole(report)
  expect(report.figures).toHaveLength(6)
})
