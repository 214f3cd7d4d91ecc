// The report of a benchmark that has figures of its own beside what all have (`ours`, `reference`, `ratio`): each with the
// target that it was to meet, in a table, as JSON, and drawn.

import { loadavg } from 'node:os'
import type { ChartData } from './chart.js'
import { median } from './pairs.js'
import type { Place } from './place.js'
import { machineText, onText, type TableText } from './report.js'

export interface Figure {
  readonly what: string
  readonly value: number | null
  readonly unit: string
  readonly atMost?: number | undefined
  readonly atLeast?: number | undefined
}

export interface FiguresReport {
  readonly name: string
  readonly unit: string
  readonly ours: number
  readonly reference: number
  readonly reference_name: string
  readonly ratio: number
  readonly runs: number
  /** Lowest and highest of the runs. */
  readonly spread: { readonly ours: readonly [number, number] }
  readonly figures: readonly Figure[]
  readonly p50_ms?: number
  readonly p99_ms?: number
  readonly chart: ChartData
  /** How it is known that the work was done. */
  readonly checked: string
  readonly server: string
  readonly machine: string
  readonly load_average: number
  readonly node_version: string
}

/** What a benchmark has found out, with where it did. `values`: of ours, one per run. */
export function figuresReport(
  place: Place | undefined,
  found: Pick<
    FiguresReport,
    'name' | 'unit' | 'reference' | 'reference_name' | 'figures' | 'chart' | 'checked'
  > &
    Partial<Pick<FiguresReport, 'p50_ms' | 'p99_ms'>> & { readonly values: readonly number[] },
): FiguresReport {
  const { values, ...rest } = found
  const ours = median(values)
  return {
    ...rest,
    ours,
    ratio: ours / found.reference,
    runs: values.length,
    spread: { ours: [Math.min(...values), Math.max(...values)] },
    server: place?.server ?? 'no database',
    machine: machineText(),
    load_average: loadavg()[0] ?? Number.NaN,
    node_version: process.versions.node,
  }
}

export function figuresTable(report: FiguresReport): TableText {
  return {
    head: [report.name, 'measured', 'target'],
    rows: [
      ...report.figures.map((figure) => [
        figure.what,
        `${amount(figure.value)} ${figure.unit}`,
        targetText(figure),
      ]),
      ['checked', report.checked, null],
      ['on', onText(report), null],
    ],
  }
}

export function targetText({ value, atMost, atLeast, unit }: Figure): string | null {
  const [sign, bound] = atMost === undefined ? ['≥', atLeast] : ['≤', atMost]
  if (bound === undefined) return null
  const isMet = value !== null && (atMost === undefined ? value >= bound : value <= bound)
  return `${sign} ${`${amount(bound)} ${unit}`.trim()}: ${isMet ? 'met' : 'not met'}`
}

export function amount(value: number | null): string {
  if (value === null) return 'not to be had here'
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en')
  return Number.isInteger(value) ? String(value) : value.toFixed(Math.abs(value) >= 1 ? 1 : 3)
}
