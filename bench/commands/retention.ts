// `npm run bench -- retention`: its options and its table.

import type { Command } from 'commander'
import { addBenchmark, seconds, whole, type CommonFlags } from '../harness/command.js'
import type { PairResult } from '../harness/pairs.js'
import { onText, progress } from '../harness/report.js'
import { retention, type RetentionReport } from '../load/retention.js'

interface Flags extends CommonFlags {
  readonly duration: number
  readonly rounds: number
  readonly old: number
  readonly inFlight: number
}

export function registerRetention(program: Command): void {
  addBenchmark(program, {
    name: 'retention',
    description: 'the load beside the removal of old executions, and what an index of their own would cost',
    options: (command) =>
      command
        .option('--duration <seconds>', 'of each contestant, over all rounds', seconds, 30)
        .option('--rounds <n>', 'turns of each', whole, 5)
        .option('--old <n>', 'executions that are there to be removed', whole, 300_000)
        .option('--in-flight <n>', 'workflows at the same time', whole, 2_000),
    measure: (place, { duration, rounds, old, inFlight }: Flags) =>
      retention(place, { old, seconds: duration, rounds, inFlight, onProgress: progress }),
    table: (report) => ({
      head: ['what', 'with, workflows/s', 'without', 'ratio', 'lowest … highest'],
      rows: [
        ['removing old executions', ...pairCells(report.removal)],
        ['an index by partition and end', ...pairCells(report.index)],
        ['… WAL bytes each', ...costCells(report.index_cost, 'wal_bytes')],
        ['… CPU ms of the database each', ...costCells(report.index_cost, 'cpu_ms_database')],
        ['removed', `${Math.round(report.removed_per_s)}/s of its turns`, null, null, null],
        ['on', onText(report), null, null, null],
      ],
    }),
  })
}

function costCells(
  { ours, reference }: RetentionReport['index_cost'],
  what: 'wal_bytes' | 'cpu_ms_database',
): (string | null)[] {
  const [one, other] = [ours[what], reference[what]]
  if (one === null || other === null) return [null, null, null, null]
  return [one.toPrecision(4), other.toPrecision(4), (one / other).toFixed(3), null]
}

function pairCells({ ours, reference, ratio, spread }: PairResult): (string | number)[] {
  const range = spread.ratio.map((one) => one.toFixed(2)).join(' … ')
  return [Math.round(ours), Math.round(reference), ratio.toFixed(2), range]
}
