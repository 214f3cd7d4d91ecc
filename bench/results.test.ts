// The page of a run, and its charts: pure, so they are held against what a run may have found.

import { expect, it } from 'vitest'
import { drawChart } from './harness/chart.js'
import { renderResults, Results } from './harness/results.js'

const results = Results.parse({
  commit: 'abc1234',
  at: '2026-11-24T16:00:00.000Z',
  size: 'short',
  machine: '2 × CPU, 24 GiB',
  node_version: '20.20.2',
  runs: [
    {
      name: 'latency',
      flags: ['--duration', '2'],
      seconds: 3,
      load_average: 2.5,
      chart: 'charts/latency.svg',
      report: {
        name: 'latency',
        unit: 'ms',
        ours: 3,
        reference: 6,
        reference_name: 'the target',
        ratio: 0.5,
        spread: { ours: [2, 9] },
        figures: [
          { what: 'p50', value: 3, unit: 'ms', atMost: 6 },
          { what: 'p99', value: 30, unit: 'ms', atMost: 20 },
          { what: 'rate', value: null, unit: '/s', atLeast: 5 },
        ],
        checked: '10 executions completed',
        server: 'PostgreSQL 18.4, embedded',
      },
    },
    {
      name: 'caches',
      flags: [],
      seconds: 1,
      load_average: 2,
      report: { name: 'caches', rows: [{ events: 10, hit_rate: 0.5, spread: [1, 2] }] },
    },
    { name: 'scale', flags: [], seconds: 1, load_average: 2, failure: 'it ended with 1' },
  ],
})

it('the page says of each target whether it is met, and what was not to be had', () => {
  const page = renderResults(results)
  expect(page).toContain('| p50 | 3 ms | ≤ 6 ms: met |')
  expect(page).toContain('| p99 | 30 ms | ≤ 20 ms: not met |')
  expect(page).toContain('| rate | not to be had here /s | ≥ 5 /s: not met |')
  expect(page).toContain('![latency](charts/latency.svg)')
})

it('a list in a report is a table of its own', () => {
  expect(renderResults(results)).toContain('| events | hit rate |\n| --- | --- |\n| 10 | 0.500 |')
})

it('a benchmark that failed is in the page as failed', () => {
  expect(renderResults(results)).toContain('| scale | failed: it ended with 1 |')
})

it('a chart draws one mark per value, none for what is missing, and escapes its texts', () => {
  const chart = { title: 'a < b', unit: 'ms', labels: ['x', 'y'], series: [{ name: '&', values: [1, null] }] }
  const bars = drawChart({ ...chart, kind: 'bars' })
  expect(bars.match(/<rect /g)).toHaveLength(2)
  expect(bars).toContain('a &lt; b')
  expect(bars).toContain('>&amp;<')
  expect(drawChart({ ...chart, kind: 'lines' }).match(/<circle /g)).toHaveLength(1)
})
