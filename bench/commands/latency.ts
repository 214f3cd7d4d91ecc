// `npm run bench -- latency`: its options.

import type { Command } from 'commander'
import { addBenchmark, seconds, whole, type CommonFlags } from '../harness/command.js'
import { figuresTable } from '../harness/figures.js'
import { progress } from '../harness/report.js'
import { latency } from '../load/latency.js'

interface Flags extends CommonFlags {
  readonly duration: number
  readonly warmUp: number
  readonly starts: number
}

export function registerLatency(program: Command): void {
  addBenchmark(program, {
    name: 'latency',
    description: 'from call to result, idle and at half load; from a start to another node',
    options: (command) =>
      command
        .option('--duration <seconds>', 'idle, and again at half load', seconds, 30)
        .option('--warm-up <seconds>', 'at full load: half of what it does then is half load', seconds, 10)
        .option('--starts <n>', 'from one node to another', whole, 200),
    measure: (place, { duration, warmUp, starts }: Flags) =>
      latency(place, { seconds: duration, warmUpSeconds: warmUp, starts, onProgress: progress }),
    table: figuresTable,
    chart: ({ chart }) => chart,
  })
}
