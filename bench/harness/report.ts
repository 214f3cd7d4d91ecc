// What a benchmark prints: progress to standard error, a table for people, and with `--json` one JSON object as the
// last line of standard output.

import { cpus, totalmem } from 'node:os'
import type { ChartData } from './chart.js'
import type { Cost } from './cost.js'
import type { PairResult } from './pairs.js'

export interface Report extends PairResult, Cost {
  readonly name: string
  readonly unit: string
  /** What the reference is. */
  readonly reference_name: string
  /** Of one unit of the reference. */
  readonly reference_cpu_ms_database: number | null
  readonly server: string
  readonly machine: string
  readonly node_version: string
  readonly seconds: number
  readonly p50_ms: number
  readonly p99_ms: number
  /** Whether a round trip of all results gave what it must: figures of wrong work are worthless. */
  readonly checked: string
}

export interface TableText {
  readonly head: readonly string[]
  readonly rows: readonly (readonly (string | number | null)[])[]
}

export function machineText(): string {
  const [first] = cpus()
  return `${cpus().length} × ${first?.model.trim() ?? 'unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB`
}

/** Where something was measured, for the last line of a table. */
export function onText(report: {
  readonly machine: string
  readonly load_average?: number
  readonly node_version: string
  readonly server: string
}): string {
  const load = report.load_average === undefined ? '' : `, load ${report.load_average.toFixed(1)}`
  return `${report.machine}${load}, Node ${report.node_version}, ${report.server}`
}

export function inMs(value: number): string {
  return `${Math.round(value)} ms`
}

export function pairTable(report: Report): TableText {
  const rows: (readonly (string | number | null)[])[] = [
    ['ours', `${figure(report.ours)} ${report.unit}`, rangeText(report.spread.ours)],
    [report.reference_name, `${figure(report.reference)} ${report.unit}`, rangeText(report.spread.reference)],
    ['ratio', report.ratio.toFixed(2), rangeText(report.spread.ratio, 2)],
    ['latency p50 / p99', `${figure(report.p50_ms)} / ${figure(report.p99_ms)} ms`, null],
    ['transactions each', figure(report.transactions, 3), null],
    ['WAL bytes each', figure(report.wal_bytes), null],
    ['stored bytes each', figure(report.db_bytes), null],
    [
      'CPU ms each, node + database',
      `${figure(report.cpu_ms_node, 3)} + ${figure(report.cpu_ms_database, 3)}`,
      null,
    ],
    ['… of the raw rows, database', figure(report.reference_cpu_ms_database, 3), null],
    ['checked', report.checked, null],
    ['on', onText(report), null],
  ]
  return { head: [report.name, `median of ${report.runs} rounds`, 'lowest … highest'], rows }
}

export function pairChart(report: Report): ChartData {
  return {
    title: `${report.name}: ours and the raw limit of its rows`,
    unit: report.unit,
    kind: 'bars',
    labels: ['lowest', 'median', 'highest'],
    series: [
      { name: 'ours', values: [report.spread.ours[0], report.ours, report.spread.ours[1]] },
      {
        name: 'raw rows',
        values: [report.spread.reference[0], report.reference, report.spread.reference[1]],
      },
    ],
  }
}

export function progress(text: string): void {
  process.stderr.write(`${text}\n`)
}

function figure(value: number | null, digits?: number): string {
  if (value === null) return 'not to be had here'
  return digits === undefined && Math.abs(value) >= 100
    ? Math.round(value).toLocaleString('en')
    : value.toFixed(digits ?? 1)
}

function rangeText([low, high]: readonly [number, number], digits?: number): string {
  return `${figure(low, digits)} … ${figure(high, digits)}`
}
