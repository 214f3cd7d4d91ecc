// Spans of time as bars for a terminal: one line each, all on one scale. Without a terminal the same as tab-separated
// lines, for cut and awk.

import { styleText } from 'node:util'
import { durationText } from './durations.js'
import type { OutputStream } from './output.js'

export interface GanttRow {
  readonly label: string
  readonly startMs: number
  /** Null: it goes on. */
  readonly endMs: number | null
  readonly outcome: string
  readonly color: 'green' | 'red' | 'yellow' | 'cyan' | 'gray' | 'blue'
  /** Waits are drawn lighter than work. */
  readonly isWait: boolean
}

const LABEL_MAX = 44
const BAR_MIN = 16
const COLUMNS_DEFAULT = 100

export interface GanttOptions {
  readonly nowMs: number
  readonly isColorless: boolean
}

export function writeGantt(rows: readonly GanttRow[], stream: OutputStream, options: GanttOptions): void {
  const fromMs = Math.min(...rows.map(({ startMs }) => startMs))
  if (stream.isTTY !== true) {
    stream.write(['start ms', 'ms', 'what', 'outcome'].join('\t') + '\n')
    for (const row of rows) {
      const ms = row.endMs === null ? '-' : String(row.endMs - row.startMs)
      stream.write(`${row.startMs - fromMs}\t${ms}\t${row.label}\t${row.outcome}\n`)
    }
    return
  }
  const toMs = Math.max(fromMs + 1, ...rows.map(({ endMs }) => endMs ?? options.nowMs))
  const labelWidth = Math.min(LABEL_MAX, Math.max(...rows.map(({ label }) => label.length)))
  const texts = rows.map(({ startMs, endMs }) => durationText((endMs ?? options.nowMs) - startMs))
  const textWidth = Math.max(...texts.map((text) => text.length))
  const outcomeWidth = Math.max(...rows.map(({ outcome }) => outcome.length))
  const columns = stream.columns ?? COLUMNS_DEFAULT
  const width = Math.max(BAR_MIN, columns - labelWidth - textWidth - outcomeWidth - 7)
  for (const [at, row] of rows.entries()) {
    const bar = barOf(row, { fromMs, toMs: Math.max(toMs, fromMs + 1), width, nowMs: options.nowMs })
    const colored = options.isColorless ? bar : styleText(row.color, bar, { validateStream: false })
    const text = (texts[at] ?? '').padStart(textWidth)
    stream.write(`${cut(row.label, labelWidth)} │${colored}│ ${text}  ${row.outcome}\n`)
  }
}

function barOf(
  { startMs, endMs, isWait }: GanttRow,
  scale: { readonly fromMs: number; readonly toMs: number; readonly width: number; readonly nowMs: number },
): string {
  const { fromMs, toMs, width, nowMs } = scale
  const cell = (ms: number): number => ((ms - fromMs) / (toMs - fromMs)) * width
  const first = Math.min(width - 1, Math.max(0, Math.floor(cell(startMs))))
  const last = Math.min(width, Math.max(first + 1, Math.round(cell(endMs ?? nowMs))))
  const isShort = cell(endMs ?? nowMs) - cell(startMs) < 0.5
  const fill = isShort ? '▏' : isWait ? '░' : '█'
  const body = isShort ? fill : fill.repeat(last - first)
  const tip = endMs === null && !isShort ? `${body.slice(0, -1)}▶` : body
  return `${' '.repeat(first)}${tip}`.padEnd(width)
}

function cut(label: string, width: number): string {
  return label.length > width ? `${label.slice(0, width - 1)}…` : label.padEnd(width)
}
