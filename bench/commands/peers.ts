// `npm run bench -- peers`: its options, and the table it prints.

import type { Command } from 'commander'
import { addBenchmark, seconds, whole, type CommonFlags } from '../harness/command.js'
import type { Cost } from '../harness/cost.js'
import { onText, progress, type TableText } from '../harness/report.js'
import { peers, type PeerReport, type PeersReport } from '../load/peers.js'
import { RIVALS, type Rival, type Settings } from '../peers/rivals.js'
import type { Latencies, Range } from '../peers/summary.js'

interface Flags extends CommonFlags {
  readonly duration: number
  readonly rounds: number
  readonly warmUp: number
  readonly only: readonly Rival[]
}

export function registerPeers(program: Command): void {
  addBenchmark(program, {
    name: 'peers',
    description: 'other engines and queues on the same PostgreSQL, in turns with ours',
    options: (command) =>
      command
        .option('--duration <seconds>', 'of each contestant, over all rounds, twice', seconds, 15)
        .option('--warm-up <seconds>', 'of each, before its rounds', seconds, 5)
        .option('--rounds <n>', 'turns of each', whole, 3)
        .option('--only <names>', `of ${RIVALS.map(({ name }) => name).join(',')}`, named, RIVALS),
    measure: (place, { duration, rounds, warmUp, only }: Flags) =>
      peers(place, {
        rivals: only,
        seconds: duration,
        rounds,
        warmUpSeconds: warmUp,
        onProgress: progress,
      }),
    table,
  })
}

function table(report: PeersReport): TableText {
  const of = (row: (peer: PeerReport) => string): string[] => report.peers.map(row)
  return {
    head: [report.name, ...of(({ name, version }) => `${name} ${version}`)],
    rows: [
      ['records each step', ...of(({ kind }) => (kind === 'durable' ? 'yes' : 'no'))],
      [report.unit, ...of((peer) => withRange(peer.per_second, peer.spread.theirs))],
      ['ours beside it', ...of((peer) => withRange(peer.ours.per_second, peer.spread.ours))],
      ['ours ÷ it', ...of((peer) => withRange(peer.ratio, peer.spread.ratio))],
      ['alone, p50 / p99 ms', ...of(latencyText)],
      ['ours', ...of(({ ours }) => latencyText(ours))],
      ['transactions each', ...of((peer) => figure(peer.transactions))],
      ['ours', ...of(({ ours }) => figure(ours.transactions))],
      ['WAL, stored bytes each', ...of(bytesText)],
      ['ours', ...of(({ ours }) => bytesText(ours))],
      ['CPU ms each, node + database', ...of(cpuText)],
      ['ours', ...of(({ ours }) => cpuText(ours))],
      ['its CPU ÷ ours', ...of((peer) => figure(peer.cpu_ratio))],
      ['at its best with', ...of(({ settings }) => settingsText(settings))],
      ['alone with', ...of((peer) => `${settingsText(peer.latency_settings)} (${peer.calls} calls)`)],
      ['load of the machine', ...of(({ load_average }) => load_average.map(figure).join(' … '))],
      ['checked', ...of(({ checked }) => checked)],
      ['on', onText(report)],
    ],
  }
}

function latencyText({ p50_ms, p99_ms }: Latencies): string {
  return `${figure(p50_ms)} / ${figure(p99_ms)}`
}

function bytesText({ wal_bytes, db_bytes }: Cost): string {
  return `${figure(wal_bytes)}, ${figure(db_bytes)}`
}

function cpuText({ cpu_ms_node, cpu_ms_database }: Cost): string {
  return `${figure(cpu_ms_node)} + ${figure(cpu_ms_database)}`
}

function settingsText(settings: Settings): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
}

function withRange(value: number, range: Range): string {
  return `${figure(value)} (${range.map(figure).join(' … ')})`
}

function figure(value: number | null): string {
  if (value === null) return '-'
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return value.toFixed(value >= 10 ? 1 : value >= 1 ? 2 : 3)
}

function named(text: string): readonly Rival[] {
  return text.split(',').map((name) => {
    const rival = RIVALS.find((one) => one.name === name.trim())
    if (rival !== undefined) return rival
    throw new Error(`"${name}" is none of ${RIVALS.map((one) => one.name).join(', ')}.`)
  })
}
