// `npm run bench -- scale`: its options.

import type { Command } from 'commander'
import { addBenchmark, seconds, sizes, whole, type CommonFlags } from '../harness/command.js'
import { figuresTable } from '../harness/figures.js'
import { progress } from '../harness/report.js'
import { scale } from '../load/scale.js'

interface Flags extends CommonFlags {
  readonly duration: number
  readonly rounds: number
  readonly nodes: readonly number[]
  readonly stored: readonly number[]
}

export function registerScale(program: Command): void {
  addBenchmark(program, {
    name: 'scale',
    description: 'throughput by nodes on one database, and by executions stored',
    options: (command) =>
      command
        .option('--duration <seconds>', 'of each number of nodes, and of each number stored', seconds, 30)
        .option('--rounds <n>', 'turns of each number stored', whole, 3)
        .option('--nodes <list>', 'numbers of nodes', sizes, [1, 2, 4, 8])
        .option('--stored <list>', 'numbers of executions stored', sizes, [1_000, 100_000, 1_000_000]),
    settings: () => ({ max_connections: 200 }),
    measure: (place, { duration, rounds, nodes, stored }: Flags) =>
      scale(place, { seconds: duration, rounds, nodes, stored, onProgress: progress }),
    table: figuresTable,
    chart: ({ chart }) => chart,
  })
}
