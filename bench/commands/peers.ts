// `npm run bench -- peers`: its options, and the table it prints.

import type { Command } from 'commander'
import { writeTable } from '../../src/cli/output.js'
import { openPlace } from '../harness/place.js'
import { progress } from '../harness/report.js'
import { peers, type PeersReport } from '../load/peers.js'
import { RIVALS, type Rival } from '../peers/rivals.js'

interface PeersFlags {
  readonly json: boolean
  readonly databaseUrl?: string
  readonly duration: number
  readonly rounds: number
  readonly warmUp: number
  readonly only: readonly Rival[]
}

export function registerPeers(program: Command): void {
  program
    .command('peers')
    .description('other engines and queues on the same PostgreSQL, in turns with ours')
    .option('--json', 'the last line of standard output is one JSON object', false)
    .option(
      '--database-url <url>',
      'PostgreSQL whose user may create databases; default: an embedded one in a fresh folder',
    )
    .option('--duration <seconds>', 'of each contestant, over all rounds, twice', positive, 15)
    .option('--warm-up <seconds>', 'of each, before its rounds', positive, 5)
    .option('--rounds <n>', 'turns of each', positive, 3)
    .option('--only <names>', `of ${RIVALS.map(({ name }) => name).join(',')}`, named, RIVALS)
    .action(async ({ json, databaseUrl, duration, rounds, warmUp, only }: PeersFlags) => {
      const place = await openPlace(databaseUrl)
      try {
        progress(`on ${place.server}`)
        const report = await peers(place, {
          rivals: only,
          seconds: duration,
          rounds: Math.round(rounds),
          warmUpSeconds: warmUp,
          onProgress: progress,
        })
        write(report, json)
      } finally {
        await place.close()
      }
    })
}

function write(report: PeersReport, json: boolean): void {
  writeTable({
    head: [
      'name',
      'records steps',
      'workflows/s',
      'lowest … highest',
      'ours beside it',
      'times',
      'p50 / p99 ms',
      'ours',
      'transactions',
      'WAL bytes',
      'stored bytes',
      'CPU ms, node + database',
    ],
    rows: report.peers.map((peer) => [
      `${peer.name} ${peer.version}`,
      peer.kind === 'durable' ? 'yes' : 'no',
      figure(peer.per_second),
      peer.spread.theirs.map((rate) => figure(rate)).join(' … '),
      figure(peer.ours.per_second),
      `${figure(peer.ratio)} (${peer.spread.ratio.map((ratio) => figure(ratio)).join(' … ')})`,
      `${figure(peer.p50_ms)} / ${figure(peer.p99_ms)}`,
      `${figure(peer.ours.p50_ms)} / ${figure(peer.ours.p99_ms)}`,
      both(peer.transactions, peer.ours.transactions),
      both(peer.wal_bytes, peer.ours.wal_bytes),
      both(peer.db_bytes, peer.ours.db_bytes),
      `${figure(peer.cpu_ms_node)} + ${figure(peer.cpu_ms_database)} (ours ${figure(peer.ours.cpu_ms_node)} + ${figure(peer.ours.cpu_ms_database)})`,
    ]),
  })
  for (const { name, settings, latency_settings, calls, checked } of report.peers)
    progress(
      `${name}: at its best with ${JSON.stringify(settings)}, alone (${calls} calls) with ${JSON.stringify(latency_settings)}; ${checked}`,
    )
  progress(`on ${report.machine}, Node ${report.node_version}, ${report.server}`)
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`)
}

function both(theirs: number | null, ours: number | null): string {
  return `${figure(theirs)} (ours ${figure(ours)})`
}

function figure(value: number | null): string {
  if (value === null) return '-'
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return value.toFixed(value >= 10 ? 1 : 2)
}

function positive(text: string): number {
  const value = Number(text.replace(/s$/, ''))
  if (!(value > 0 && value <= 86_400)) throw new Error(`"${text}" is no positive number.`)
  return value
}

function named(text: string): readonly Rival[] {
  return text.split(',').map((name) => {
    const rival = RIVALS.find((one) => one.name === name.trim())
    if (rival !== undefined) return rival
    throw new Error(`"${name}" is none of ${RIVALS.map((one) => one.name).join(', ')}.`)
  })
}
