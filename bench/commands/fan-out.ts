// `npm run bench -- fan-out`: its options.

import type { Command } from 'commander'
import { addBenchmark, sizes, whole, type CommonFlags } from '../harness/command.js'
import { figuresTable } from '../harness/figures.js'
import { progress } from '../harness/report.js'
import { fanOut } from '../load/fan-out.js'

interface Flags extends CommonFlags {
  readonly rounds: number
  readonly sizes: readonly number[]
}

export function registerFanOut(program: Command): void {
  addBenchmark(program, {
    name: 'fan-out',
    description: 'one execution with up to 10,000 parallel steps, or children: what each of them takes',
    options: (command) =>
      command
        .option('--rounds <n>', 'executions of the largest size', whole, 3)
        .option('--sizes <list>', 'how many steps or children', sizes, [100, 1_000, 10_000]),
    measure: (place, flags: Flags) =>
      fanOut(place, { rounds: flags.rounds, sizes: flags.sizes, onProgress: progress }),
    table: figuresTable,
    chart: ({ chart }) => chart,
  })
}
