// `npm run bench -- caches`: its options and its table.

import type { Command } from 'commander'
import { addBenchmark, seconds, whole, type CommonFlags } from '../harness/command.js'
import { onText, progress } from '../harness/report.js'
import { caches } from '../load/caches.js'

interface Flags extends CommonFlags {
  readonly duration: number
  readonly rounds: number
  readonly executions: number
}

const LENGTHS = [10, 100, 1_000]

export function registerCaches(program: Command): void {
  addBenchmark(program, {
    name: 'caches',
    description: 'waking executions that are in memory beside reading and replaying them',
    options: (command) =>
      command
        .option('--duration <seconds>', 'of each contestant and length, over all rounds', seconds, 12)
        .option('--rounds <n>', 'turns of each', whole, 3)
        .option('--executions <n>', 'that are woken', whole, 200),
    measure: (place, { duration, rounds, executions }: Flags) =>
      caches(place, { events: LENGTHS, executions, seconds: duration, rounds, onProgress: progress }),
    table: (report) => ({
      head: ['history', 'with, wake-ups/s', 'without', 'ratio', 'lowest … highest', 'hits', 'one read'],
      rows: [
        ...report.rows.map((row) => [
          `${row.events} steps`,
          Math.round(row.ours),
          Math.round(row.reference),
          row.ratio.toFixed(2),
          row.spread.ratio.map((ratio) => ratio.toFixed(2)).join(' … '),
          `${(row.hit_rate * 100).toFixed(1)} %`,
          `${row.read_ms.toFixed(1)} ms`,
        ]),
        ['on', onText(report), null, null, null, null, null],
      ],
    }),
  })
}
