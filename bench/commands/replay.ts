// `npm run bench -- replay`: its options.

import type { Command } from 'commander'
import { addBenchmark, seconds, sizes, whole, type CommonFlags } from '../harness/command.js'
import { figuresTable } from '../harness/figures.js'
import { progress } from '../harness/report.js'
import { replay } from '../load/replay.js'

interface Flags extends CommonFlags {
  readonly duration: number
  readonly rounds: number
  readonly events: readonly number[]
}

export function registerReplay(program: Command): void {
  addBenchmark(program, {
    name: 'replay',
    description: 'executions with long histories are resumed, from the database and from memory',
    options: (command) =>
      command
        .option('--duration <seconds>', 'of the replays of the code alone, over all sizes', seconds, 30)
        .option('--rounds <n>', 'executions of each size', whole, 5)
        .option('--events <list>', 'sizes of the histories', sizes, [10, 100, 1_000, 10_000, 50_000]),
    measure: (place, { duration, rounds, events }: Flags) =>
      replay(place, { seconds: duration, rounds, sizes: events, onProgress: progress }),
    table: figuresTable,
    chart: ({ chart }) => chart,
  })
}
