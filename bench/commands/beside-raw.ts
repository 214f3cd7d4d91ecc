// `npm run bench -- throughput | signals | timers | children | transactions`: one shape of work each, beside the raw limit
// of its own rows.

import type { Command } from 'commander'
import { addBenchmark, seconds, whole, type CommonFlags } from '../harness/command.js'
import { pairChart, pairTable, progress } from '../harness/report.js'
import { besideRaw } from '../load/beside-raw.js'
import { SHAPES } from '../load/shapes.js'

interface Flags extends CommonFlags {
  readonly duration: number
  readonly warmUp: number
  readonly rounds: number
  readonly inFlight: number
  readonly lanes: number
}

export function registerBesideRaw(program: Command): void {
  for (const shape of SHAPES) {
    addBenchmark(program, {
      name: shape.name,
      description: shape.description,
      options: (command) =>
        command
          .option('--duration <seconds>', 'of each contestant, over all rounds', seconds, 30)
          .option('--warm-up <seconds>', 'before the first round', seconds, 10)
          .option('--rounds <n>', 'turns of each', whole, 5)
          .option('--in-flight <n>', 'at the same time', whole, shape.inFlight)
          .option('--lanes <n>', 'commit lanes of the node', whole, 3),
      measure: (place, { duration, warmUp, rounds, inFlight, lanes }: Flags) =>
        besideRaw(place, shape, {
          seconds: duration,
          warmUpSeconds: warmUp,
          rounds,
          inFlight,
          lanes,
          onProgress: progress,
        }),
      table: pairTable,
      chart: pairChart,
    })
  }
}
