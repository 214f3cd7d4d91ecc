// `npm run bench -- NAME`: one benchmark, ours and its reference side by side in one run.

import { Command } from 'commander'
import { progress, writeReport } from './harness/report.js'
import { openPlace } from './harness/place.js'
import { throughput } from './load/throughput.js'

const program = new Command('bench').description('Benchmarks of Cerebelum. Durability is never turned off.')

program
  .command('throughput')
  .description('three-step workflows/s of one node beside the raw limit of the same database')
  .option('--json', 'the last line of standard output is one JSON object', false)
  .option(
    '--database-url <url>',
    'PostgreSQL or CockroachDB; default: an embedded PostgreSQL in a fresh folder',
  )
  .option('--duration <seconds>', 'of each contestant, over all rounds', seconds, 30)
  .option('--warm-up <seconds>', 'before the first round', seconds, 10)
  .option('--rounds <n>', 'turns of each', whole, 5)
  .option('--in-flight <n>', 'workflows at the same time', whole, 2_000)
  .option('--lanes <n>', 'commit lanes of the node', whole, 3)
  .action(async (options: ThroughputFlags) => {
    const place = await openPlace(options.databaseUrl)
    try {
      progress(`on ${place.server}`)
      const report = await throughput(place, {
        seconds: options.duration,
        warmUpSeconds: options.warmUp,
        rounds: options.rounds,
        inFlight: options.inFlight,
        lanes: options.lanes,
        onProgress: progress,
      })
      writeReport(report, options.json)
    } finally {
      await place.close()
    }
  })

interface ThroughputFlags {
  readonly json: boolean
  readonly databaseUrl?: string
  readonly duration: number
  readonly warmUp: number
  readonly rounds: number
  readonly inFlight: number
  readonly lanes: number
}

function seconds(text: string): number {
  const value = Number(text.replace(/s$/, ''))
  if (!(value > 0 && value <= 86_400)) throw new Error(`"${text}" is no number of seconds.`)
  return value
}

function whole(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 1_000_000)
    throw new Error(`"${text}" is no whole number from 1.`)
  return value
}

await program.parseAsync()
