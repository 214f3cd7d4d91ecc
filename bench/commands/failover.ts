// `npm run bench -- failover`: its options and its table.

import type { Command } from 'commander'
import { addBenchmark, whole, type CommonFlags } from '../harness/command.js'
import { inMs, onText, progress } from '../harness/report.js'
import { failover } from '../load/failover.js'

interface Flags extends CommonFlags {
  readonly kills: number
  readonly running: number
  readonly waiting: number
  readonly survivors: number
  readonly apart: boolean
}

export function registerFailover(program: Command): void {
  addBenchmark(program, {
    name: 'failover',
    description: 'from kill -9 of a node to the next event of each execution that it ran',
    options: (command) =>
      command
        .option('--kills <n>', 'how many nodes are killed, one after the other', whole, 30)
        .option('--running <n>', 'executions at work on each of them', whole, 1_000)
        .option('--waiting <n>', 'executions that wait meanwhile', whole, 10_000)
        .option('--survivors <n>', 'nodes that live on', whole, 2)
        .option(
          '--apart',
          'as if each node had a machine of its own: only the lease tells of its end',
          false,
        ),
    measure: (place, { kills, running, waiting, survivors, apart }: Flags) =>
      failover(place, { kills, running, waiting, survivors, apart, onProgress: progress }),
    table: (report) => ({
      head: [report.name, `${report.runs} kills, ${report.executions} executions`],
      rows: [
        ['p50 / p99 / max', `${inMs(report.p50_ms)} / ${inMs(report.p99_ms)} / ${inMs(report.max_ms)}`],
        ['noticed after, median', `${inMs(report.noticed_ms)}${report.apart ? ' (by the lease alone)' : ''}`],
        ['last of a kill, median', inMs(report.ours)],
        ['last of a kill, lowest … highest', report.spread.ours.map(inMs).join(' … ')],
        ['promised for p99', inMs(report.reference)],
        ['on', onText(report)],
      ],
    }),
  })
}
