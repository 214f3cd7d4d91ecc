// `npm run bench -- waiting`: its options.

import type { Command } from 'commander'
import { addBenchmark, seconds, whole, type CommonFlags } from '../harness/command.js'
import { figuresTable } from '../harness/figures.js'
import { progress } from '../harness/report.js'
import { waiting } from '../load/waiting.js'

interface Flags extends CommonFlags {
  readonly duration: number
  readonly executions: number
}

export function registerWaiting(program: Command): void {
  addBenchmark(program, {
    name: 'waiting',
    description: 'executions that wait for timers and signals: what they cost, and how fast all go on',
    options: (command) =>
      command
        .option('--duration <seconds>', 'of three-step workflows, the reference', seconds, 30)
        .option('--executions <n>', 'that wait at the same time', whole, 1_000_000),
    measure: (place, { duration, executions }: Flags) =>
      waiting(place, { seconds: duration, executions, onProgress: progress }),
    table: figuresTable,
    chart: ({ chart }) => chart,
  })
}
