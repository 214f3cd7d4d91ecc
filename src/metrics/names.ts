// Every metric that a node gives out: name, kind, labels, and what it says. Nothing is exported that is not here, and all
// that is here is exported (the tidy test looks). Names follow OpenTelemetry's conventions in the form that Prometheus
// gives them: the unit at the end (`_seconds`, `_bytes`), `_total` behind what only grows. Labels are bounded: a
// workflow beyond the first hundred of a process is counted as `_other`, and no id is ever a label.

export interface MetricDefinition {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  /** What one is, in the words of UCUM: `s`, `By`, or a thing in braces. */
  readonly unit: string
  readonly labels: readonly string[]
  readonly help: string
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[]
}

/** From a memory access to a slow disk. */
const FAST = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Of work that may take long: to an hour. */
const LONG = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600]
/** Of executions, which may sleep: to thirty days. */
const LIFE = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10, 60, 600, 3_600, 21_600, 86_400, 604_800, 2_592_000,
]
const SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000]

export const METRICS = {
  // ---- executions
  cerebelum_executions_started_total: {
    kind: 'counter',
    unit: '{execution}',
    labels: ['workflow', 'source'],
    help: 'Runs begun by this node or its client. source: client, child, schedule, restart (of a closed id), continue (as new). Starts in a transaction of the caller are not counted: it may roll back.',
  },
  cerebelum_executions_closed_total: {
    kind: 'counter',
    unit: '{execution}',
    labels: ['workflow', 'result'],
    help: 'Runs ended by this node or its client. result: completed, failed, canceled, terminated, continued (as new).',
  },
  cerebelum_execution_duration_seconds: {
    kind: 'histogram',
    unit: 's',
    labels: ['workflow', 'result'],
    help: 'From the start of a run to its end, waits included, by the clock of the database. Of runs that ended on this node.',
    buckets: LIFE,
  },
  cerebelum_executions_running: {
    kind: 'gauge',
    unit: '{execution}',
    labels: [],
    help: 'Executions at work on this node now.',
  },
  cerebelum_executions_cached: {
    kind: 'gauge',
    unit: '{execution}',
    labels: [],
    help: 'Suspended executions that this node keeps in memory.',
  },
  cerebelum_executions_claimed_total: {
    kind: 'counter',
    unit: '{execution}',
    labels: ['source'],
    help: 'Executions that this node took: doorbell (it rang), late (the owner of the partition was late), failover (their node died).',
  },
  cerebelum_executions_dropped_total: {
    kind: 'counter',
    unit: '{execution}',
    labels: ['reason'],
    help: 'Executions dropped from memory and given back. reason: lost (claimed by another), unavailable (the database), broken (an error of this node or its code).',
  },
  cerebelum_execution_cache_lookups_total: {
    kind: 'counter',
    unit: '{lookup}',
    labels: ['result'],
    help: 'Whether an execution that woke went on from memory (hit) or had its history replayed: it was not there (miss), or had been run elsewhere since (stale).',
  },
  cerebelum_execution_cache_evictions_total: {
    kind: 'counter',
    unit: '{execution}',
    labels: [],
    help: 'Suspended executions that had to leave memory for others.',
  },
  cerebelum_execution_cache_bytes: {
    kind: 'gauge',
    unit: 'By',
    labels: [],
    help: 'Roughly what the suspended executions in memory take.',
  },
  cerebelum_executions_removed_total: {
    kind: 'counter',
    unit: '{execution}',
    labels: [],
    help: 'Closed executions that this node removed because the time for which they are kept was over.',
  },
  cerebelum_executions_archived_total: {
    kind: 'counter',
    unit: '{execution}',
    labels: [],
    help: 'Closed executions that this node wrote into the archive before it removed them.',
  },
  cerebelum_doorbell_lag_seconds: {
    kind: 'histogram',
    unit: 's',
    labels: [],
    help: 'From the ringing of a doorbell (a start, a message, a timer) to the moment when the claimed execution goes on.',
    buckets: FAST,
  },
  cerebelum_timer_lag_seconds: {
    kind: 'histogram',
    unit: 's',
    labels: ['kind'],
    help: 'By how much timers were late: from the due instant to the moment when the execution goes on. kind: sleep, signal (a time-out), retry.',
    buckets: FAST,
  },

  // ---- steps
  cerebelum_step_attempt_duration_seconds: {
    kind: 'histogram',
    unit: 's',
    labels: ['workflow', 'outcome'],
    help: 'Attempts of steps, by how they ended (completed, failed); the count is the number of attempts. Transactional steps are not in it.',
    buckets: LONG,
  },
  cerebelum_step_retries_total: {
    kind: 'counter',
    unit: '{attempt}',
    labels: ['workflow'],
    help: 'Failed attempts after which another one was planned.',
  },

  // ---- lanes and store
  cerebelum_lane_batch_size: {
    kind: 'histogram',
    unit: '{item}',
    labels: ['lane'],
    help: 'Items that one statement of a lane wrote. lane: commit, start, child.',
    buckets: SIZES,
  },
  cerebelum_lane_write_duration_seconds: {
    kind: 'histogram',
    unit: 's',
    labels: ['lane'],
    help: 'How long one statement of a lane took, retries included.',
    buckets: FAST,
  },
  cerebelum_commits_waiting: {
    kind: 'gauge',
    unit: '{commit}',
    labels: [],
    help: 'Commits that wait for a lane.',
  },
  cerebelum_events_written_total: {
    kind: 'counter',
    unit: '{event}',
    labels: [],
    help: 'Events of histories that the commit lanes of this node have written.',
  },
  cerebelum_claim_duration_seconds: {
    kind: 'histogram',
    unit: 's',
    labels: [],
    help: 'How long the statement took that claims ready executions.',
    buckets: FAST,
  },
  cerebelum_store_connections: {
    kind: 'gauge',
    unit: '{connection}',
    labels: ['pool', 'state'],
    help: 'Connections to the database. pool: work, heartbeat, transitions, transactions. state: busy, idle.',
  },
  cerebelum_store_connections_max: {
    kind: 'gauge',
    unit: '{connection}',
    labels: ['pool'],
    help: 'Connections that a pool may open.',
  },
  cerebelum_store_waiting: {
    kind: 'gauge',
    unit: '{statement}',
    labels: ['pool'],
    help: 'Statements, or transactions, that wait for a connection.',
  },
  cerebelum_store_retries_total: {
    kind: 'counter',
    unit: '{attempt}',
    labels: ['class'],
    help: 'Calls of the store that were tried again, by the class of their SQLSTATE (40: conflicts, 08 and 57: connections, 53: resources), or "connection" for what never reached the server.',
  },
  cerebelum_store_failures_total: {
    kind: 'counter',
    unit: '{call}',
    labels: ['class'],
    help: 'Calls of the store that were given up, by the same classes.',
  },

  // ---- cluster
  cerebelum_lease_renewals_total: {
    kind: 'counter',
    unit: '{renewal}',
    labels: ['result'],
    help: 'Heartbeats. result: renewed, lost (the lease had run out, and the node joined as a new one).',
  },
  cerebelum_lease_renewal_duration_seconds: {
    kind: 'histogram',
    unit: 's',
    labels: [],
    help: 'How long the renewal of the lease took.',
    buckets: FAST,
  },
  cerebelum_lease_trusted: {
    kind: 'gauge',
    unit: '{node}',
    labels: [],
    help: '1 while this node may begin work, else 0.',
  },
  cerebelum_nodes_buried_total: {
    kind: 'counter',
    unit: '{node}',
    labels: [],
    help: 'Other nodes that this one noticed to be dead. Several may notice the same death.',
  },
  cerebelum_nodes_known: {
    kind: 'gauge',
    unit: '{node}',
    labels: [],
    help: 'Nodes with a lease, as this node last read.',
  },
  cerebelum_partitions_owned: {
    kind: 'gauge',
    unit: '{partition}',
    labels: [],
    help: 'Partitions that this node looks after.',
  },
  cerebelum_node_info: {
    kind: 'gauge',
    unit: '{node}',
    labels: ['node_id', 'region', 'zone', 'release', 'database'],
    help: 'Always 1. node_id changes when the node joins anew.',
  },
  cerebelum_node_capacity: {
    kind: 'gauge',
    unit: '{execution}',
    labels: [],
    help: 'Executions that may be at work on this node at a time.',
  },

  // ---- process
  cerebelum_event_loop_delay_seconds: {
    kind: 'histogram',
    unit: 's',
    labels: [],
    help: 'How late the event loop was with a timer, sampled 50 times a second.',
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
  },
  process_cpu_seconds_total: {
    kind: 'counter',
    unit: 's',
    labels: [],
    help: 'CPU time of the process, user and system.',
  },
  process_resident_memory_bytes: {
    kind: 'gauge',
    unit: 'By',
    labels: [],
    help: 'Resident memory of the process.',
  },
  nodejs_heap_size_used_bytes: {
    kind: 'gauge',
    unit: 'By',
    labels: [],
    help: 'Heap of JavaScript in use.',
  },
  process_start_time_seconds: {
    kind: 'gauge',
    unit: 's',
    labels: [],
    help: 'When the process started, in seconds since the epoch.',
  },

  // ---- HTTP
  cerebelum_http_request_duration_seconds: {
    kind: 'histogram',
    unit: 's',
    labels: ['method', 'route', 'status_class'],
    help: 'Requests answered, by the pattern of their route and the class of the status (2xx, 4xx, 5xx). Long polls and streams last as long as they wait.',
    buckets: FAST,
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>

export type MetricName = keyof typeof METRICS

/** Those of the HTTP face, which counts for itself. */
export type HttpMetricName = Extract<MetricName, `cerebelum_http_${string}`>

export function bucketsOf(name: MetricName): readonly number[] {
  const definition: MetricDefinition = METRICS[name]
  return definition.buckets ?? []
}
