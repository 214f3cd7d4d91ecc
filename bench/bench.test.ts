// Every benchmark runs small in every check, so that none rots: the figures mean nothing here, but that it runs, checks
// its own work and prints what it promises does.

import { inject, expect, it } from 'vitest'
import { openPlace } from './harness/place.js'
import { median, percentile } from './harness/pairs.js'
import { besideRaw } from './load/beside-raw.js'
import { caches } from './load/caches.js'
import { cluster } from './load/cluster.js'
import { failover } from './load/failover.js'
import { retention } from './load/retention.js'
import { SHAPES } from './load/shapes.js'

it.each(SHAPES)(
  '$name runs beside the raw limit of its rows, checks its work and reports every figure',
  async (shape) => {
    const place = await openPlace(inject('databaseUrl'))
    try {
      const report = await besideRaw(place, shape, {
        seconds: 0.5,
        rounds: 1,
        warmUpSeconds: 0.5,
        inFlight: 50,
        lanes: 2,
        onProgress: () => undefined,
      })
      expect(report).toMatchObject({ name: shape.name, unit: shape.unit, runs: 1 })
      expect(report.ratio).toBeGreaterThan(0)
      expect(report.p99_ms).toBeGreaterThanOrEqual(report.p50_ms)
      expect(report.cpu_ms_node).toBeGreaterThan(0)
      expect(report.checked).toMatch(/executions completed/)
      if (place.isPostgres) expect(report.transactions).toBeGreaterThan(0)
    } finally {
      await place.close()
    }
  },
  60_000,
)

it('failover kills nodes, and says when each of their executions went on', async () => {
  const place = await openPlace(inject('databaseUrl'))
  try {
    for (const apart of [false, true]) {
      const sizes = { kills: 1, running: 20, waiting: 5, survivors: 2 }
      const report = await failover(place, { ...sizes, apart, onProgress: () => undefined })
      expect(report).toMatchObject({ name: 'failover', executions: 20, runs: 1, apart })
      // Seen by a poll of this process, a round trip after it was so; the rest is by the database's clock.
      expect(report.noticed_ms).toBeGreaterThan(0)
      expect(report.p99_ms).toBeGreaterThan(0)
    }
  } finally {
    await place.close()
  }
}, 120_000)

it('cluster counts, kills and drains nodes', async () => {
  const place = await openPlace(inject('databaseUrl'))
  try {
    const sizes = { nodes: 6, idle: 1, starts: 5, drains: 1, apart: false }
    const report = await cluster(place, { ...sizes, onProgress: () => undefined })
    expect(report).toMatchObject({ name: 'cluster', nodes: 6, partitions: 96 })
    expect(report.idle_statements_per_s).toBeGreaterThan(1)
    expect(report.deaths.map(({ nodes }) => nodes)).toEqual([1, 1, 3])
    expect(report.join_moved).toBeGreaterThan(0)
    expect(report.hand_over_p99_ms).toBeGreaterThan(0)
  } finally {
    await place.close()
  }
}, 120_000)

it('caches wakes what is in memory and what is not, and each answers from its whole history', async () => {
  const place = await openPlace(inject('databaseUrl'))
  try {
    const sizes = { events: [3], executions: 5, seconds: 0.4, rounds: 1 }
    const report = await caches(place, { ...sizes, onProgress: () => undefined })
    expect(report.rows).toMatchObject([{ events: 3, runs: 1 }])
    expect(report.rows[0]?.hit_rate).toBeGreaterThan(0.5)
    expect(report.rows[0]?.ratio).toBeGreaterThan(0)
  } finally {
    await place.close()
  }
}, 60_000)

it('retention removes the old beside the load, and all that it counts', async () => {
  const place = await openPlace(inject('databaseUrl'))
  try {
    const sizes = { old: 300, seconds: 1, rounds: 1, inFlight: 20 }
    const report = await retention(place, { ...sizes, onProgress: () => undefined })
    expect(report.removed).toBe(300)
    expect(report.removal.ratio).toBeGreaterThan(0)
    expect(report.index.ratio).toBeGreaterThan(0)
  } finally {
    await place.close()
  }
}, 60_000)

it('medians and percentiles are those of the values', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
  expect(percentile([5, 1, 4, 2, 3], 0.5)).toBe(3)
  expect(percentile([5, 1, 4, 2, 3], 0.99)).toBe(5)
})
