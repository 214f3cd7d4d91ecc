// Every benchmark runs small in every check, so that none rots: the figures mean nothing here, but that it runs, checks
// its own work and prints what it promises does.

import { inject, expect, it } from 'vitest'
import { openPlace } from './harness/place.js'
import { median, percentile } from './harness/pairs.js'
import { throughput } from './load/throughput.js'

it('throughput runs, checks its work and reports every figure', async () => {
  const place = await openPlace(inject('databaseUrl'))
  try {
    const report = await throughput(place, {
      seconds: 1,
      rounds: 2,
      warmUpSeconds: 0.5,
      inFlight: 100,
      lanes: 2,
      onProgress: () => undefined,
    })
    expect(report).toMatchObject({ name: 'throughput', unit: 'workflows/s', runs: 2 })
    expect(report.ratio).toBeGreaterThan(0)
    expect(report.p99_ms).toBeGreaterThanOrEqual(report.p50_ms)
    expect(report.cpu_ms_node).toBeGreaterThan(0)
    expect(report.checked).toMatch(/executions completed/)
    if (place.isPostgres) expect(report.transactions).toBeGreaterThan(0)
  } finally {
    await place.close()
  }
})

it('medians and percentiles are those of the values', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
  expect(percentile([5, 1, 4, 2, 3], 0.5)).toBe(3)
  expect(percentile([5, 1, 4, 2, 3], 0.99)).toBe(5)
})
