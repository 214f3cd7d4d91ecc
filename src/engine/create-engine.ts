// The engine: a node and its client, put together with their settings. The door to everything for a program that runs
// workflows.

import { CerebelumError } from '../core/errors.js'
import { resolveLimits, type Limits } from '../core/limits.js'
import { silentLogger, systemClock, type Clock, type Logger } from '../core/ports.js'
import { KEPT_MS_DEFAULT, keptMsOf, type KeptMs, type Retention } from '../core/retention.js'
import { Exporter } from '../metrics/exporter.js'
import { Meters } from '../metrics/meters.js'
import type { Client } from '../client/client.js'
import { StoreClient } from '../client/create-client.js'
import { openStore } from '../store/open.js'
import type { ArchiveSink } from '../retention/archive-sink.js'
import type { OpenStoreOptions, Store } from '../store/store.js'
import type { Workflow } from '../workflow/define.js'
import { Registry } from '../workflow/registry.js'
import { Node, type NodeStats } from './node.js'

export interface EngineOptions {
  /** Where: a URL, or a URL with schema, connections and time-outs. Migrated before (`migrate`, or the CLI). */
  readonly database: string | OpenStoreOptions
  /** What this node can run; each name once. */
  readonly workflows: readonly Workflow[]
  readonly log?: Logger
  readonly limits?: Partial<Limits>
  /** Default "local". */
  readonly region?: string
  /** Where in its region this node stands; shown, and nothing else. */
  readonly zone?: string
  /** Where other nodes may send hints, e.g. "http://10.0.0.7:4000". */
  readonly address?: string
  /** Executions at work at the same time; default 2,000. Waiting ones do not count. */
  readonly capacity?: number
  /** Commit lanes, 1 to 16; default 3. */
  readonly lanes?: number
  /** Default 1,200 ms; at least three heartbeats. */
  readonly leaseMs?: number
  /** Default 400 ms. */
  readonly heartbeatMs?: number
  /** Suspended executions kept in memory; default 10,000 and 256 MiB. 0 executions: none. */
  readonly cache?: { readonly executionsMax?: number; readonly bytesMax?: number }
  /** How long `stop` waits for steps in flight; default 10 s. */
  readonly drainMs?: number
  /**
   * How long closed executions are kept of workflows that do not say: a span, `off` for good, or one of these by status;
   * default 30 days.
   */
  readonly retention?: Retention
  /** Where they go before they are removed. Nodes without one leave them alone. */
  readonly archive?: ArchiveSink
  readonly clock?: Clock
  /** Spans of executions go to OpenTelemetry wherever its SDK is set up before `start`; false: not from here. */
  readonly tracing?: boolean
}

export interface Engine {
  readonly client: Client
  readonly nodeId: string
  /** Executions at work in this process. */
  readonly running: number
  /** What this node holds in memory, how often that was of use, and what its background work has done. */
  stats(): NodeStats
  /** Whether it may be given work: started, its lease trusted, not draining. */
  readonly isReady: boolean
  /**
   * Joins and begins to work; `address` is that of the options unless it became known only now.
   * @throws CerebelumError DATABASE_UNAVAILABLE | DATABASE_SCHEMA
   */
  start(options?: { readonly address?: string }): Promise<void>
  /** A hint from another node: something may be ready in these partitions. It saves waiting, and may be rubbish. */
  hinted(hint: { readonly partitions: readonly number[]; readonly free: boolean }): void
  /** What it has counted, in Prometheus' text format; every name is explained in `metrics/names.ts`. */
  metrics(): Promise<string>
  /** Drains and leaves; idempotent. */
  stop(): Promise<void>
}

const RELEASE = '0.1.0'

/**
 * Makes an engine; nothing happens before `start`.
 * @throws CerebelumError SETTINGS
 *
 * @example
 * const engine = await createEngine({ database: process.env.DATABASE_URL, workflows: [fulfil] })
 * await engine.start()
 * const handle = await engine.client.start(fulfil, order)
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const meters = new Meters()
  const assemble = prepare(options, meters)
  return assemble(await openStore(options.database, meters))
}

/** An engine on a store that is open already, which it closes when it stops: tests put faults in between. */
export function createEngineOn(store: Store, options: Omit<EngineOptions, 'database'>): Engine {
  return prepare(options, new Meters())(store)
}

/** Refuses bad settings before anything is opened. */
function prepare(options: Omit<EngineOptions, 'database'>, meters: Meters): (store: Store) => Engine {
  const settings = check(options)
  const clock = options.clock ?? systemClock
  const log = options.log ?? silentLogger
  const limits = resolveLimits(options.limits)
  const registry = new Registry(options.workflows, limits)
  return (store) => {
    const node = new Node({ store, registry, limits, clock, log, meters, release: RELEASE, ...settings })
    const client = new StoreClient({ store, limits, clock, log, meters, host: node })
    return new RunningEngine({ store, node, client, exporter: new Exporter(meters) })
  }
}

class RunningEngine implements Engine {
  readonly client: Client
  private readonly store: Store
  private readonly node: Node
  private readonly exporter: Exporter
  private stopping: Promise<void> | undefined
  private isStarted = false

  constructor(parts: {
    readonly store: Store
    readonly node: Node
    readonly client: Client
    readonly exporter: Exporter
  }) {
    this.store = parts.store
    this.node = parts.node
    this.client = parts.client
    this.exporter = parts.exporter
  }

  get nodeId(): string {
    return this.node.nodeId
  }
  get running(): number {
    return this.node.running
  }
  stats(): NodeStats {
    return this.node.stats
  }
  get isReady(): boolean {
    return this.isStarted && this.node.isReady
  }

  async start({ address }: { readonly address?: string } = {}): Promise<void> {
    if (this.stopping !== undefined)
      throw new CerebelumError('ENGINE_STOPPED', 'This engine was stopped. Create another one.')
    if (this.isStarted) return
    await this.node.start(address)
    this.isStarted = true
  }

  hinted({ partitions, free }: { readonly partitions: readonly number[]; readonly free: boolean }): void {
    this.node.hinted(partitions, free)
  }

  metrics(): Promise<string> {
    return this.exporter.text()
  }

  stop(): Promise<void> {
    this.stopping ??= this.leave()
    return this.stopping
  }

  private async leave(): Promise<void> {
    if (this.isStarted) await this.node.stop()
    await this.client.close()
    await this.store.close()
  }
}

function check(options: Omit<EngineOptions, 'database'>): {
  region: string
  zone: string | null
  address: string | null
  capacity: number
  lanes: number
  leaseMs: number
  heartbeatMs: number
  cacheExecutionsMax: number
  cacheBytesMax: number
  drainMs: number
  tracing: boolean
  kept: KeptMs
  archive: ArchiveSink | undefined
} {
  const leaseMs = options.leaseMs ?? 1_200
  const heartbeatMs = options.heartbeatMs ?? 400
  if (leaseMs < heartbeatMs * 3) {
    throw new CerebelumError(
      'SETTINGS',
      `leaseMs (${leaseMs}) must be at least three heartbeats (heartbeatMs is ${heartbeatMs}), or one late answer costs the lease.`,
    )
  }
  const bound = (name: string, value: number, min: number, max: number): number => {
    if (Number.isInteger(value) && value >= min && value <= max) return value
    throw new CerebelumError(
      'SETTINGS',
      `${name} is ${value}; it must be a whole number from ${min} to ${max}.`,
    )
  }
  return {
    region: options.region ?? 'local',
    zone: options.zone ?? null,
    address: options.address ?? null,
    capacity: bound('capacity', options.capacity ?? 2_000, 1, 1_000_000),
    lanes: bound('lanes', options.lanes ?? 3, 1, 16),
    leaseMs: bound('leaseMs', leaseMs, 300, 600_000),
    heartbeatMs: bound('heartbeatMs', heartbeatMs, 50, 200_000),
    // An LRU of none is not to be had: one entry of one byte is as good.
    cacheExecutionsMax: Math.max(
      1,
      bound('cache.executionsMax', options.cache?.executionsMax ?? 10_000, 0, 10_000_000),
    ),
    cacheBytesMax:
      options.cache?.executionsMax === 0
        ? 1
        : bound('cache.bytesMax', options.cache?.bytesMax ?? 268_435_456, 1, 1e12),
    tracing: options.tracing !== false,
    drainMs: bound('drainMs', options.drainMs ?? 10_000, 0, 3_600_000),
    kept: keptMsOf(options.retention, 'the engine', KEPT_MS_DEFAULT),
    archive: options.archive,
  }
}
