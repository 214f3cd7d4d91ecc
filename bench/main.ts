// `npm run bench -- NAME`: one benchmark, ours and its reference side by side in one run.

import { Command } from 'commander'
import { writeTable } from '../src/cli/output.js'
import { progress, writeReport } from './harness/report.js'
import { openPlace } from './harness/place.js'
import { failover } from './load/failover.js'
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

program
  .command('failover')
  .description('from kill -9 of a node to the next event of each execution that it ran')
  .option('--json', 'the last line of standard output is one JSON object', false)
  .option(
    '--database-url <url>',
    'PostgreSQL or CockroachDB; default: an embedded PostgreSQL in a fresh folder',
  )
  .option('--kills <n>', 'how many nodes are killed, one after the other', whole, 30)
  .option('--running <n>', 'executions at work on each of them', whole, 1_000)
  .option('--waiting <n>', 'executions that wait meanwhile', whole, 10_000)
  .option('--survivors <n>', 'nodes that live on', whole, 2)
  .option('--apart', 'as if each node had a machine of its own: only the lease tells of its end', false)
  .action(async (options: FailoverFlags) => {
    const place = await openPlace(options.databaseUrl)
    try {
      progress(`on ${place.server}`)
      const { kills, running, waiting, survivors, apart } = options
      const report = await failover(place, {
        kills,
        running,
        waiting,
        survivors,
        apart,
        onProgress: progress,
      })
      writeTable({
        head: [report.name, `${report.runs} kills, ${report.executions} executions`],
        rows: [
          ['p50 / p99 / max', `${ms(report.p50_ms)} / ${ms(report.p99_ms)} / ${ms(report.max_ms)}`],
          ['noticed after, median', `${ms(report.noticed_ms)}${report.apart ? ' (by the lease alone)' : ''}`],
          ['last of a kill, median', ms(report.ours)],
          ['last of a kill, lowest … highest', report.spread.ours.map(ms).join(' … ')],
          ['promised for p99', ms(report.reference)],
          [
            'on',
            `${report.machine}, load ${report.load_average.toFixed(1)}, Node ${report.node_version}, ${report.server}`,
          ],
        ],
      })
      if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`)
    } finally {
      await place.close()
    }
  })

interface FailoverFlags {
  readonly json: boolean
  readonly databaseUrl?: string
  readonly kills: number
  readonly running: number
  readonly waiting: number
  readonly survivors: number
  readonly apart: boolean
}

function ms(value: number): string {
  return `${Math.round(value)} ms`
}

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
