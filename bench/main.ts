// `npm run bench -- NAME`: one benchmark, ours and its reference side by side in one run.

import { Command } from 'commander'
import { writeTable } from '../src/cli/output.js'
import { registerPeers } from './commands/peers.js'
import { progress, writeReport } from './harness/report.js'
import { openPlace } from './harness/place.js'
import { cluster, type ClusterReport } from './load/cluster.js'
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

program
  .command('cluster')
  .description('many light nodes on one database: what they cost, and what happens when some come, go or die')
  .option('--json', 'the last line of standard output is one JSON object', false)
  .option(
    '--database-url <url>',
    'PostgreSQL or CockroachDB; default: an embedded PostgreSQL in a fresh folder',
  )
  .option('--nodes <n>', 'at first; a half, a tenth and one of them are killed', whole, 100)
  .option('--idle <seconds>', 'how long idleness is measured', seconds, 10)
  .option('--starts <n>', 'works started without a node, with hints and without', whole, 300)
  .option('--drains <n>', 'nodes that leave while they are at work', whole, 10)
  .option('--apart', 'as if each process had a machine of its own: only the lease tells of its end', false)
  .action(async (options: ClusterFlags) => {
    const place = await openPlace(options.databaseUrl, { max_connections: options.nodes * 8 + 100 })
    try {
      progress(`on ${place.server}`)
      const { nodes, idle, starts, drains, apart } = options
      writeCluster(
        await cluster(place, { nodes, idle, starts, drains, apart, onProgress: progress }),
        options.json,
      )
    } finally {
      await place.close()
    }
  })

function writeCluster(report: ClusterReport, json: boolean): void {
  const pair = (p50: number, p99: number): string => `${ms(p50)} / ${ms(p99)}`
  writeTable({
    head: [report.name, `${report.nodes} nodes, ${report.partitions} partitions`],
    rows: [
      ['settled after the last join', ms(report.settle_ms)],
      ['idle: statements/s of a node', report.idle_statements_per_s.toFixed(2)],
      ['idle: bytes/s of a node, both ways', Math.round(report.idle_bytes_per_s)],
      [
        'idle: WAL bytes/s of a node',
        report.idle_wal_bytes_per_s === null ? null : Math.round(report.idle_wal_bytes_per_s),
      ],
      ['idle: database, cores for all', report.idle_database_cpu?.toFixed(2) ?? null],
      ['one joins: partitions moved', `${report.join_moved} in ${ms(report.join_ms)}`],
      ['one leaves: partitions moved', `${report.leave_moved} in ${ms(report.leave_ms)}`],
      ['an even share is', report.fair_moves.toFixed(1)],
      ...report.deaths.map((death) => [
        `${death.nodes} died at once: all owned after`,
        `${ms(death.owned_ms)}; at most ${death.peak_statements} statements in 100 ms, ${death.statements_each.toFixed(1)} of each survivor`,
      ]),
      ['started elsewhere, p50 / p99', pair(report.start_p50_ms, report.start_p99_ms)],
      ['the same, hints cut', pair(report.start_deaf_p50_ms, report.start_deaf_p99_ms)],
      ['hand-over of a drain, p50 / p99', pair(report.hand_over_p50_ms, report.hand_over_p99_ms)],
      [
        'on',
        `${report.machine}, load ${report.load_average.toFixed(1)}, Node ${report.node_version}, ${report.server}`,
      ],
    ],
  })
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`)
}

interface ClusterFlags {
  readonly json: boolean
  readonly databaseUrl?: string
  readonly nodes: number
  readonly idle: number
  readonly starts: number
  readonly drains: number
  readonly apart: boolean
}

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

registerPeers(program)

await program.parseAsync()
