// `npm run bench -- throughput`: its options and its table.

import type { Command } from 'commander'
import { addBenchmark, seconds, whole, type CommonFlags } from '../harness/command.js'
import { pairTable, progress } from '../harness/report.js'
import { throughput } from '../load/throughput.js'

interface Flags extends CommonFlags {
  readonly duration: number
  readonly warmUp: number
  readonly rounds: number
  readonly inFlight: number
  readonly lanes: number
}

export function registerThroughput(program: Command): void {
  addBenchmark(program, {
    name: 'throughput',
    description: 'three-step workflows/s of one node beside the raw limit of the same database',
    options: (command) =>
      command
        .option('--duration <seconds>', 'of each contestant, over all rounds', seconds, 30)
        .option('--warm-up <seconds>', 'before the first round', seconds, 10)
        .option('--rounds <n>', 'turns of each', whole, 5)
        .option('--in-flight <n>', 'workflows at the same time', whole, 2_000)
        .option('--lanes <n>', 'commit lanes of the node', whole, 3),
    measure: (place, { duration, warmUp, rounds, inFlight, lanes }: Flags) =>
      throughput(place, {
        seconds: duration,
        warmUpSeconds: warmUp,
        rounds,
        inFlight,
        lanes,
        onProgress: progress,
      }),
    table: pairTable,
  })
}
