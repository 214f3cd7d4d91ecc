// Opens the store on a migrated database. Puts the statements of the other files together, each behind the retry
// loop; no SQL of its own.

import type postgres from 'postgres'
import { CerebelumError } from '../core/errors.js'
import type { ExecutionKey } from '../core/execution.js'
import { partitionOf } from '../core/partition.js'
import { systemClock } from '../core/ports.js'
import { Meters, type PoolReading } from '../metrics/meters.js'
import { admit } from './admit.js'
import { findHeld } from './claim.js'
import { Claims, newToken } from './claims.js'
import { readClusterStats } from './cluster-stats.js'
import { insertDefinitions, readDefinitions } from './definitions.js'
import { detectDialect, type Dialect } from './dialect.js'
import { readHistories } from './events.js'
import { readExecutions } from './executions.js'
import { asStoreError, failureCode } from './failures.js'
import { commitLane } from './lane.js'
import { changeSchedule, createSchedule, fireSchedules, removeSchedule } from './fire.js'
import { updateLimits } from './gates.js'
import { insertFork, readForkable } from './fork.js'
import { glance } from './glance.js'
import { Hints } from './hints.js'
import { insertLease, readCluster, renewLease } from './leases.js'
import { listExecutions } from './lists.js'
import { givePartitions, readPartitions, takePartitions } from './partitions.js'
import { createPool, type PoolOptions } from './pool.js'
import { enqueue } from './queue.js'
import { Sessions } from './sessions.js'
import { buryLeases, buryNodes, freeAll, removeLease } from './reap.js'
import { removeClosed } from './remove.js'
import { findExpired, noteSweep, readSweep, takeSweep, writePolicies } from './retention.js'
import { BEAT_STEP_MAX_MS, Outage, type RetryPolicy, withRetry } from './retry.js'
import type { Home } from './rows.js'
import { listSchedules, readNextSchedule, readSchedule } from './schedules.js'
import { sendMessages } from './send.js'
import { checkSchema } from './schema-check.js'
import { checkPartitionCount, readPartitionCount } from './settings.js'
import { readAnswers, readInboxes } from './signals.js'
import { remove, restart, restartWithin, resume, terminate } from './single.js'
import { startExecutions, startWithin } from './starts.js'
import type {
  Commit,
  OpenStoreOptions,
  PartitionRow,
  ScheduleChange,
  StartOutcome,
  StartRow,
  Store,
} from './store.js'
import { type Database, tablesOf } from './tables.js'
import { readThroughput } from './throughput.js'
import { readNextTimer, takeTimers } from './timers.js'
import { transact } from './transact.js'
import { ringStranded, sweepConsumed, sweepStranded } from './upkeep.js'

/** @throws CerebelumError DATABASE_UNAVAILABLE | DATABASE_SCHEMA | SETTINGS */
export async function openStore(
  database: string | OpenStoreOptions,
  meters: Meters = new Meters(),
): Promise<Store> {
  // A program in JavaScript passes an unset variable on: that is told as what it is.
  const options = typeof database === 'object' ? database : { url: database }
  const { pools, dialect } = await connect(options, meters)
  try {
    return await createStore({ pools, dialect, options, meters })
  } catch (error) {
    await closePools(pools)
    throw asStoreError(error, { call: 'openStore', doubtful: false })
  }
}

interface Pools {
  readonly work: postgres.Sql
  /** Heartbeats, and what they do about leases and partitions, must not wait behind work. */
  readonly heartbeat: postgres.Sql
  /** Transitions that take several statements. */
  readonly transitions: Sessions
  /** Transactional steps hold their connections for as long as users' code takes. */
  readonly transactions: Sessions
}

/** Connects with session settings, or without them where a pooler in between refuses them. */
async function connect(
  options: OpenStoreOptions,
  meters: Meters,
): Promise<{ pools: Pools; dialect: Dialect }> {
  for (const settings of [true, false]) {
    const shared = { url: options.url, statementTimeoutMs: timeoutOf(options), settings, name: 'cerebelum' }
    // Which settings the connections take depends on the database.
    const first = createPool({ ...shared, isIndexed: true, connections: 1 })
    let pools: Pools | undefined
    try {
      const dialect = await detectDialect(first)
      pools = createPools(shared, {
        dialect,
        connections: options.connections ?? CONNECTIONS_DEFAULT,
        meters,
      })
      await pools.work`select 1`
      return { pools, dialect }
    } catch (error) {
      if (pools !== undefined) await closePools(pools)
      if (!settings || failureCode(error) !== '08P01') {
        throw asStoreError(error, { call: 'connecting', doubtful: false })
      }
    } finally {
      await first.end({ timeout: CLOSE_SECONDS })
    }
  }
  throw new CerebelumError('INTERNAL', 'No way to connect was tried. Please report this.')
}

function createPools(
  shared: Omit<PoolOptions, 'connections'>,
  { dialect, connections, meters }: { dialect: Dialect; connections: number; meters: Meters },
): Pools {
  const ours = { ...shared, isIndexed: true, plansOnce: dialect === 'postgres' }
  const metered = (pool: string) => ({
    meter: (read: () => PoolReading) => void meters.pools.set(pool, read),
  })
  return {
    work: createPool({
      ...ours,
      ...metered('work'),
      connections,
    }),
    heartbeat: createPool({
      ...ours,
      ...metered('heartbeat'),
      connections: HEARTBEAT_CONNECTIONS,
      reconnectMaxMs: BEAT_STEP_MAX_MS,
    }),
    transitions: new Sessions({
      ...ours,
      ...metered('transitions'),
      connections: TRANSITION_CONNECTIONS,
      idleInTransactionMs: Math.min(TRANSITION_IDLE_MS, shared.statementTimeoutMs),
    }),
    transactions: new Sessions({
      ...shared,
      ...metered('transactions'),
      connections,
    }),
  }
}

async function closePools(pools: Pools): Promise<void> {
  const { heartbeat, transactions, transitions, work } = pools
  await Promise.all(
    [heartbeat, transactions, transitions, work].map((pool) => pool.end({ timeout: CLOSE_SECONDS })),
  )
}

function timeoutOf(options: OpenStoreOptions): number {
  return options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS
}

const CONNECTIONS_DEFAULT = 10
const HEARTBEAT_CONNECTIONS = 1
/** They are rare, and short. */
const TRANSITION_CONNECTIONS = 4
/** A process that stands still in the middle of one must not keep the rows that it has locked from all others. */
const TRANSITION_IDLE_MS = 5_000
const STATEMENT_TIMEOUT_MS = 30_000
const RETRY_FOR_MS = 30_000
const CLOSE_SECONDS = 5

async function createStore({
  pools,
  dialect,
  options,
  meters,
}: {
  pools: Pools
  dialect: Dialect
  options: OpenStoreOptions
  meters: Meters
}): Promise<Store> {
  const tables = tablesOf(pools.work, options.schema ?? 'cerebelum', dialect)
  const database: Database = { sql: pools.work, tables }
  const pulse: Database = { sql: pools.heartbeat, tables }
  const policy: RetryPolicy = {
    clock: systemClock,
    retryForMs: options.retryForMs ?? RETRY_FOR_MS,
    outage: new Outage(),
    meters,
  }
  const partitionCount = await readPartitionCount(database)
  await checkSchema(database, dialect)
  checkPartitionCount(partitionCount, options.partitionCount)
  const home = new Regions(partitionCount, await readPartitions(database))
  const { transitions, transactions } = pools
  const context = { transitions, transactions, database, policy, home }
  const firing = { ...context, keyOf: (executionId: string) => home.keyOf(executionId) }
  const retried = <T>(call: string, work: () => Promise<T>): Promise<T> => withRetry(policy, call, work)
  const reading: RetryPolicy = { ...policy, isRead: true }
  const read = <T>(call: string, work: () => Promise<T>): Promise<T> => withRetry(reading, call, work)
  /** Of the loop that beats: whatever it waits for, the next renewal waits for too. */
  const beating: RetryPolicy = { ...policy, stepMaxMs: BEAT_STEP_MAX_MS }
  const beat = <T>(call: string, work: () => Promise<T>): Promise<T> => withRetry(beating, call, work)
  const look = <T>(call: string, work: () => Promise<T>): Promise<T> =>
    withRetry({ ...beating, isRead: true }, call, work)
  /** How many rows something was done to. What a lost answer counted is not known: something, to be looked after. */
  const counted = (call: string, work: () => Promise<number>): Promise<number> =>
    withRetry(policy, call, async ({ doubtful }) => Math.max(await work(), doubtful ? 1 : 0))
  const hints = new Hints({
    sql: pools.heartbeat,
    channel: `cerebelum:${options.schema ?? 'cerebelum'}`,
    clock: systemClock,
    openListener:
      dialect === 'cockroachdb' || options.notify === false
        ? null
        : (onNotify) =>
            createPool({
              url: options.url,
              connections: 1,
              statementTimeoutMs: timeoutOf(options),
              settings: false,
              name: 'cerebelum hints',
              onNotify,
            }),
  })
  const onRung = (partitions: ReadonlySet<number>): void => hints.ring(partitions)
  const claims = new Claims({ database, policy, home, onRung, doubtMs: 2 * timeoutOf(options) })
  const reaping = {
    database: pulse,
    policy: beating,
    home,
    onRung,
    onFree: () => hints.tellFree(),
  }
  let closing: Promise<void> | undefined

  return {
    dialect,
    partitionCount,
    keyOf: (executionId) => home.keyOf(executionId),
    async ping() {
      try {
        const [row] = await pools.heartbeat<{ at: Date }[]>`select now() as at`
        return row?.at ?? new Date(Number.NaN)
      } catch (error) {
        throw asStoreError(error, { call: 'ping', doubtful: false })
      }
    },
    hasHints: hints.isHeard,
    onHint: (listener) => hints.listen(listener),
    carryHints: (carrier) => hints.carry(carrier),
    close: () => (closing ??= closePools(pools)),

    async insertExecutions(starts) {
      const outcomes = await startExecutions({ database, policy, claims }, starts)
      hints.ring(rungByStarts(starts, outcomes))
      return outcomes
    },
    insertExecutionsWithin: (sql, starts) => startWithin({ sql, tables }, starts),
    async commit(commits) {
      const outcomes = await commitLane(database, policy, commits)
      hints.ring(rungByCommits(commits))
      return outcomes
    },
    async sendMessages(messages, inboxMax) {
      const outcomes = await sendMessages(database, policy, { messages, inboxMax })
      hints.ring(messages.map(({ key }) => key.partition))
      return outcomes
    },

    glance: (request) => read('glance', () => glance(database, request)),
    claim: (request) => claims.claim(request),
    takeRung: (nodeId, limit, isWanted = () => true) => claims.takeRung(nodeId, limit, isWanted),
    takeOver: (request) => claims.takeOver(request),
    findHeld: (nodeId, limit) => read('findHeld', () => findHeld(database, nodeId, limit)),
    ringStranded: (keys) => counted('ringStranded', () => ringStranded(database, keys)),
    sweepStranded: (partitions, limit) =>
      counted('sweepStranded', () => sweepStranded(database, partitions, limit)),

    enqueue: (entrants) => enqueue(database, policy, entrants),
    async admit(request) {
      const admission = await admit(context, request)
      hints.ring(admission.passed.map(({ partition }) => partition))
      return admission
    },
    updateLimits: (limits) => retried('updateLimits', () => updateLimits(database, limits)),

    readForkable: (key, range) => read('readForkable', () => readForkable(database, key, range)),
    async fork(row) {
      const outcome = await retried('fork', () => insertFork(database, row))
      hints.ring([row.key.partition])
      return outcome
    },
    async restart(row) {
      const outcome = await restart(context, row)
      hints.ring([row.key.partition])
      return outcome
    },
    restartWithin: (sql, row) => restartWithin(context, sql, row),
    terminate: (key, event) => terminate(context, key, event),
    async resume(key, event) {
      const outcome = await resume(context, key, event)
      hints.ring([key.partition])
      return outcome
    },
    remove: (key) => remove(context, key),
    transact: (step) => transact(context, step),

    readExecutions: (keys) => read('readExecutions', () => readExecutions(database, keys)),
    readHistories: (wanted, limit) => read('readHistories', () => readHistories(database, wanted, limit)),
    readInboxes: (wanted, limit) => read('readInboxes', () => readInboxes(database, wanted, limit)),
    readAnswers: (wanted) => read('readAnswers', () => readAnswers(database, wanted)),
    list: (query) => listExecutions(database, query, (work) => read('list', work)),

    async fireTimers(partitions, limit) {
      if (partitions.length === 0) return { taken: 0, nextInMs: null }
      const taken = await counted('fireTimers', () => takeTimers(database, partitions, limit))
      const nextInMs = await retried('fireTimers', () => readNextTimer(database, partitions))
      return { taken, nextInMs }
    },

    nextTimer: (partitions) => read('nextTimer', () => readNextTimer(database, partitions)),

    insertSchedule: (scheduleId, decide) => createSchedule(context, scheduleId, decide),
    readSchedule: (scheduleId) => read('readSchedule', () => readSchedule(database, scheduleId)),
    listSchedules: (query) => read('listSchedules', () => listSchedules(database, query)),
    async changeSchedule(scheduleId, decide) {
      const change = await changeSchedule(firing, scheduleId, decide)
      if (change !== null) hints.ring(rungByChanges([change], firing.keyOf))
      return change
    },
    removeSchedule: (scheduleId) => removeSchedule(firing, scheduleId),
    nextSchedule: () => read('nextSchedule', () => readNextSchedule(database)),
    async fireSchedules(limit, decide) {
      const fired = await fireSchedules(firing, limit, decide)
      hints.ring(rungByChanges(fired.changes, firing.keyOf))
      return fired
    },

    insertLease: (lease) => beat('insertLease', () => insertLease(pulse, lease)),
    renewLease: (nodeId, leaseMs, report) =>
      beat('renewLease', () => renewLease(pulse, { nodeId, leaseMs, report })),
    readCluster: () => look('readCluster', () => readCluster(pulse)),
    readClusterStats: () => read('readClusterStats', () => readClusterStats(database)),
    readThroughput: (query) => readThroughput(database, query, (work) => read('readThroughput', work)),
    removeLease: (nodeId) => removeLease(reaping, nodeId),
    buryLeases: (graceMs, seenAt) => buryLeases(reaping, { graceMs, seenAt }),
    buryNodes: (nodeIds) => buryNodes(reaping, nodeIds),
    async readPartitions() {
      const rows = await look('readPartitions', () => readPartitions(pulse))
      home.update(rows)
      return rows
    },
    takePartitions: (nodeId, partitions) =>
      beat('takePartitions', () => takePartitions(pulse, nodeId, partitions)),
    givePartitions: (nodeId, partitions) =>
      beat('givePartitions', () => givePartitions(pulse, nodeId, partitions)),
    freePartitions: (nodeId) => freeAll(reaping, nodeId),

    registerDefinitions: (definitions) =>
      retried('registerDefinitions', () => insertDefinitions(database, definitions)),
    readDefinitions: () => read('readDefinitions', () => readDefinitions(database)),
    sweepConsumed: (olderThanMs, limit) =>
      counted('sweepConsumed', () => sweepConsumed(database, olderThanMs, limit)),

    writePolicies: (policies) => retried('writePolicies', () => writePolicies(database, policies)),
    takeSweep(wanted) {
      const token = newToken()
      return withRetry(policy, 'takeSweep', async ({ doubtful }) => {
        const taken = doubtful ? await readSweep(database, token) : null
        return taken ?? takeSweep(database, { ...wanted, token })
      })
    },
    findExpired: (sweep, limit) => read('findExpired', () => findExpired(database, home, { sweep, limit })),
    removeExpired: (expired) => removeClosed(database, policy, expired),
    noteSweep: (note) => retried('noteSweep', () => noteSweep(database, note)),
  }
}

/** Where starts left a doorbell ringing that nobody is about to answer. */
function rungByStarts(starts: readonly StartRow[], outcomes: readonly StartOutcome[]): number[] {
  return starts
    .filter(({ startAt }, n) => {
      const outcome = outcomes[n]
      return startAt === undefined && outcome?.kind === 'created' && !outcome.claimed
    })
    .map(({ key }) => key.partition)
}

/** Where commits ring: at whom it writes to, and what it hands back to whoever may take it. */
function rungByCommits(commits: readonly Commit[]): number[] {
  const rung: number[] = []
  for (const { key, messages, transition } of commits) {
    if (messages !== undefined) for (const message of messages) rung.push(message.key.partition)
    if (transition?.kind === 'release' && transition.readyInMs === 0) rung.push(key.partition)
  }
  return rung
}

/** Where firings left doorbells ringing, and messages. */
function rungByChanges(changes: readonly ScheduleChange[], keyOf: Store['keyOf']): number[] {
  return changes.flatMap(({ starts, other }) => [
    ...starts.map(({ key }) => key.partition),
    ...(other === undefined ? [] : [keyOf(other.executionId).partition]),
  ])
}

/** Where executions live: the home region of each partition, as last read. */
class Regions implements Home {
  readonly partitionCount: number
  readonly #regions: string[]

  constructor(partitionCount: number, rows: readonly PartitionRow[]) {
    this.partitionCount = partitionCount
    this.#regions = Array.from({ length: partitionCount }, () => 'local')
    this.update(rows)
  }

  update(rows: readonly PartitionRow[]): void {
    for (const row of rows) this.#regions[row.partition] = row.region
  }

  regionOf(partition: number): string {
    return this.#regions[partition] ?? 'local'
  }

  keyOf(executionId: string): ExecutionKey {
    const partition = partitionOf(executionId, this.partitionCount)
    return { region: this.regionOf(partition), partition, executionId }
  }
}
