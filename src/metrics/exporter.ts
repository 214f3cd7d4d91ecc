// What a node has counted, under its documented names: the text that Prometheus scrapes. Asked for by a scrape and never
// in between, so nobody pays for it who does not look.

import { systemClock, type Clock } from '../core/ports.js'
import { Distribution } from './distribution.js'
import type { LaneMeters, Meters, NodeReading, PoolReading, WorkflowMeters } from './meters.js'
import type { HttpMetricName, MetricName } from './names.js'
import { registryOf, type Reader, type Sample } from './registry.js'

/** Of `Engine.metrics`, for whoever serves it. */
export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export class Exporter {
  readonly #registry: ReturnType<typeof registryOf>

  constructor(meters: Meters, clock: Clock = systemClock) {
    this.#registry = registryOf({ ...readersOf(meters), ...processReaders(clock) })
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }
}

type ProcessMetricName = Extract<MetricName, `process_${string}` | `nodejs_${string}`>

function readersOf(
  meters: Meters,
): Readonly<Record<Exclude<MetricName, HttpMetricName | ProcessMetricName>, Reader>> {
  const { workflows, lanes, pools, timerLag } = meters
  const ofNode = (read: (node: NodeReading) => number): Reader => {
    return () => (meters.node === undefined ? [] : [{ value: read(meters.node()) }])
  }
  const ofPools = (read: (pool: PoolReading) => Readonly<Record<string, number>>): Reader => {
    return () => [...pools].flatMap(([pool, reading]) => byLabel('state', read(reading()), { pool }))
  }
  const ofPool = (read: (pool: PoolReading) => number): Reader => {
    return () => [...pools].map(([pool, reading]) => ({ labels: { pool }, value: read(reading()) }))
  }
  const ofLanes = (read: (lane: LaneMeters) => Distribution): Reader => {
    return () => Object.entries(lanes).map(([lane, meter]) => ({ labels: { lane }, value: read(meter) }))
  }
  const ofWorkflows = (
    label: string,
    read: (workflow: WorkflowMeters) => Readonly<Record<string, number | Distribution>>,
  ): Reader => {
    return () =>
      [...workflows]
        .flatMap(([workflow, meter]) => byLabel(label, read(meter), { workflow }))
        .filter(({ value }) => !(value instanceof Distribution && value.isEmpty))
  }
  return {
    cerebelum_executions_started_total: ofWorkflows('source', ({ started }) => started),
    cerebelum_executions_closed_total: ofWorkflows('result', ({ closed }) => closed),
    cerebelum_execution_duration_seconds: ofWorkflows('result', ({ durations }) => durations),
    cerebelum_executions_running: ofNode(({ running }) => running),
    cerebelum_executions_cached: ofNode(({ cached }) => cached),
    cerebelum_executions_claimed_total: () => byLabel('source', meters.claimed),
    cerebelum_executions_dropped_total: () => byLabel('reason', meters.dropped),
    cerebelum_execution_cache_lookups_total: () => {
      if (meters.node === undefined) return []
      const { hits: hit, misses: miss, stale } = meters.node().cache
      return byLabel('result', { hit, miss, stale })
    },
    cerebelum_execution_cache_evictions_total: ofNode(({ cache }) => cache.evicted),
    cerebelum_execution_cache_bytes: ofNode(({ cache }) => cache.bytes),
    cerebelum_executions_removed_total: () => [{ value: meters.executionsRemoved }],
    cerebelum_executions_archived_total: () => [{ value: meters.executionsArchived }],
    cerebelum_doorbell_lag_seconds: () => [{ value: meters.doorbellLag }],
    cerebelum_timer_lag_seconds: () => byLabel('kind', timerLag),
    cerebelum_step_attempt_duration_seconds: ofWorkflows('outcome', (meter) => ({
      completed: meter.attemptsCompleted,
      failed: meter.attemptsFailed,
    })),
    cerebelum_step_retries_total: () =>
      [...workflows].map(([workflow, { retries }]) => ({ labels: { workflow }, value: retries })),
    cerebelum_lane_batch_size: ofLanes(({ batchSize }) => batchSize),
    cerebelum_lane_write_duration_seconds: ofLanes(({ duration }) => duration),
    cerebelum_commits_waiting: ofNode(({ commitsWaiting }) => commitsWaiting),
    cerebelum_events_written_total: () => [{ value: meters.eventsWritten }],
    cerebelum_claim_duration_seconds: () => [{ value: meters.claims }],
    cerebelum_store_connections: ofPools(({ busy, idle }) => ({ busy, idle })),
    cerebelum_store_connections_max: ofPool(({ max }) => max),
    cerebelum_store_waiting: ofPool(({ waiting }) => waiting),
    cerebelum_store_retries_total: () => byLabel('class', Object.fromEntries(meters.storeRetries)),
    cerebelum_store_failures_total: () => byLabel('class', Object.fromEntries(meters.storeFailures)),
    cerebelum_lease_renewals_total: () => byLabel('result', meters.leaseRenewals),
    cerebelum_lease_renewal_duration_seconds: () => [{ value: meters.leaseRenewal }],
    cerebelum_lease_trusted: ofNode(({ isTrusted }) => (isTrusted ? 1 : 0)),
    cerebelum_nodes_buried_total: () => [{ value: meters.nodesBuried }],
    cerebelum_nodes_known: ofNode(({ nodes }) => nodes),
    cerebelum_partitions_owned: ofNode(({ partitions }) => partitions),
    cerebelum_node_info: () => (meters.node === undefined ? [] : [infoOf(meters.node())]),
    cerebelum_node_capacity: ofNode(({ capacity }) => capacity),
    cerebelum_event_loop_delay_seconds: () => [{ value: meters.eventLoopDelay }],
  }
}

function infoOf({ nodeId, region, zone, release, database }: NodeReading): Sample {
  return { labels: { node_id: nodeId, region, zone: zone ?? '', release, database }, value: 1 }
}

/** Of the whole process, whatever else runs in it. */
function processReaders(clock: Clock): Readonly<Record<ProcessMetricName, Reader>> {
  return {
    process_cpu_seconds_total: () => {
      const { user, system } = process.cpuUsage()
      return [{ value: (user + system) / 1e6 }]
    },
    process_resident_memory_bytes: () => [{ value: process.memoryUsage.rss() }],
    nodejs_heap_size_used_bytes: () => [{ value: process.memoryUsage().heapUsed }],
    process_start_time_seconds: () => [{ value: clock.wallMs() / 1_000 - process.uptime() }],
  }
}

function byLabel(
  label: string,
  values: Readonly<Record<string, number | Distribution>>,
  labels: Readonly<Record<string, string>> = {},
): Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { ...labels, [label]: name }, value }))
}
