// `npm run bench -- cluster`: its options and its table.

import type { Command } from 'commander'
import { addBenchmark, seconds, whole, type CommonFlags } from '../harness/command.js'
import { inMs, onText, progress, type TableText } from '../harness/report.js'
import { cluster, type ClusterReport } from '../load/cluster.js'

interface Flags extends CommonFlags {
  readonly nodes: number
  readonly idle: number
  readonly starts: number
  readonly drains: number
  readonly apart: boolean
}

export function registerCluster(program: Command): void {
  addBenchmark(program, {
    name: 'cluster',
    description:
      'many light nodes on one database: what they cost, and what happens when some come, go or die',
    options: (command) =>
      command
        .option('--nodes <n>', 'at first; a half, a tenth and one of them are killed', whole, 100)
        .option('--idle <seconds>', 'how long idleness is measured', seconds, 10)
        .option('--starts <n>', 'works started without a node, with hints and without', whole, 300)
        .option('--drains <n>', 'nodes that leave while they are at work', whole, 10)
        .option(
          '--apart',
          'as if each process had a machine of its own: only the lease tells of its end',
          false,
        ),
    settings: ({ nodes }: Flags) => ({ max_connections: nodes * 8 + 100 }),
    measure: (place, { nodes, idle, starts, drains, apart }) =>
      cluster(place, { nodes, idle, starts, drains, apart, onProgress: progress }),
    table,
  })
}

function table(report: ClusterReport): TableText {
  const pair = (p50: number, p99: number): string => `${inMs(p50)} / ${inMs(p99)}`
  const wal = report.idle_wal_bytes_per_s
  return {
    head: [report.name, `${report.nodes} nodes, ${report.partitions} partitions`],
    rows: [
      ['settled after the last join', inMs(report.settle_ms)],
      ['idle: statements/s of a node', report.idle_statements_per_s.toFixed(2)],
      ['idle: bytes/s of a node, both ways', Math.round(report.idle_bytes_per_s)],
      ['idle: WAL bytes/s of a node', wal === null ? null : Math.round(wal)],
      ['idle: database, cores for all', report.idle_database_cpu?.toFixed(2) ?? null],
      ['one joins: partitions moved', `${report.join_moved} in ${inMs(report.join_ms)}`],
      ['one leaves: partitions moved', `${report.leave_moved} in ${inMs(report.leave_ms)}`],
      ['an even share is', report.fair_moves.toFixed(1)],
      ...report.deaths.map((death) => [
        `${death.nodes} died at once: all owned after`,
        `${inMs(death.owned_ms)}; at most ${death.peak_statements} statements in 100 ms, ${death.statements_each.toFixed(1)} of each survivor`,
      ]),
      ['started elsewhere, p50 / p99', pair(report.start_p50_ms, report.start_p99_ms)],
      ['the same, hints cut', pair(report.start_deaf_p50_ms, report.start_deaf_p99_ms)],
      ['hand-over of a drain, p50 / p99', pair(report.hand_over_p50_ms, report.hand_over_p99_ms)],
      ['on', onText(report)],
    ],
  }
}
