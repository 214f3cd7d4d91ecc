// The model that the simulation runs on says what the real store says: the same random calls are given to both, and each
// answer, each row and each history must be the same. Time stands out of it: leases have run out already or last an hour,
// and what is due, is due now or in an hour.

import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { NewEvent } from '../../src/core/event.js'
import { systemClock } from '../../src/core/ports.js'
import type { Commit, ExecutionRow, Store } from '../../src/store/store.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { IDLE, startRow, stepCompleted, WORKFLOW } from '../support/store-rows.js'
import { ModelExecutions } from './model-executions.js'
import { ModelLeases } from './model-leases.js'
import { modelStore, type ModelTables } from './model-store.js'

const RUNS = Number(process.env['MODEL_RUNS'] ?? 15)
const CALLS = 30
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const NODES = ['a', 'b', 'c'] as const
const EXECUTIONS = ['one', 'two', 'three', 'four', 'five', 'six'] as const

let database: TestDatabase
let real: Store
let sql: ReturnType<TestDatabase['connect']>

beforeAll(async () => {
  database = await createTestDatabase()
  real = await database.openStore()
  sql = database.connect({ max: 1 })
})
afterAll(() => database.drop())

/** One call of a store; `tables` are the model's, to make calls that make sense more often than not. */
interface Call extends fc.WithToStringMethod {
  readonly name: string
  readonly run: (store: Store, tables: ModelTables) => Promise<unknown>
}

const node = fc.constantFrom(...NODES)
const execution = fc.constantFrom(...EXECUTIONS)
const leaseMs = fc.constantFrom(HOUR_MS, -1)
const some = fc.uniqueArray(fc.nat(4), { minLength: 1, maxLength: 4 })

function homes(): { readonly region: string; readonly partition: number }[] {
  return Array.from({ length: 64 }, (_, partition) => ({ region: 'local', partition }))
}

function call(name: string, run: Call['run']): Call {
  return { name, run, [fc.toStringMethod]: () => name }
}

const leaseCalls: readonly fc.Arbitrary<Call>[] = [
  fc.tuple(node, leaseMs).map(([nodeId, ms]) =>
    call(`insertLease ${nodeId} ${ms}`, (store) =>
      store.insertLease({
        nodeId,
        region: 'local',
        address: null,
        release: '1',
        capacity: 1,
        workflows: [WORKFLOW],
        report: IDLE,
        leaseMs: ms,
      }),
    ),
  ),
  fc
    .tuple(node, leaseMs)
    .map(([nodeId, ms]) => call(`renewLease ${nodeId} ${ms}`, (store) => store.renewLease(nodeId, ms, IDLE))),
  node.map((nodeId) => call(`removeLease ${nodeId}`, (store) => store.removeLease(nodeId))),
  fc
    .constantFrom(undefined, new Date(0))
    .map((seenAt) =>
      call(`buryLeases ${String(seenAt)}`, async (store) => (await store.buryLeases(0, seenAt)).toSorted()),
    ),
  node.map((nodeId) => call(`buryNodes ${nodeId}`, (store) => store.buryNodes([nodeId]))),
  fc.constant(
    call('readCluster', async (store) => {
      const { leases, partitionsEpoch, at } = await store.readCluster()
      const seen = leases.map(({ nodeId, expired, workflows }) => ({ nodeId, expired, workflows }))
      return { seen, partitionsEpoch, isEmpty: at === null }
    }),
  ),
  fc
    .tuple(node, some)
    .map(([nodeId, wanted]) =>
      call(`takePartitions ${nodeId} ${wanted.join()}`, async (store) =>
        (await store.takePartitions(nodeId, wanted)).toSorted((a, b) => a - b),
      ),
    ),
  fc
    .tuple(node, some)
    .map(([nodeId, given]) =>
      call(`givePartitions ${nodeId} ${given.join()}`, (store) => store.givePartitions(nodeId, given)),
    ),
  node.map((nodeId) => call(`freePartitions ${nodeId}`, (store) => store.freePartitions(nodeId))),
]

const EVENTS: readonly (readonly NewEvent[])[] = [
  [],
  [stepCompleted(1)],
  [stepCompleted(1), stepCompleted(2)],
  [{ type: 'sleep_started', seq: 3, delayMs: 0 }],
  [{ type: 'sleep_started', seq: 3, delayMs: HOUR_MS }],
]
const TRANSITIONS: readonly Commit['transition'][] = [
  undefined,
  undefined,
  { kind: 'release', status: 'waiting' },
  { kind: 'release', status: 'waiting' },
  { kind: 'release', status: 'running', readyInMs: 0 },
  { kind: 'release', status: 'running', readyInMs: HOUR_MS },
  { kind: 'release', status: 'blocked', readyInMs: HOUR_MS, note: 'why' },
  { kind: 'release', status: 'paused' },
  { kind: 'close', status: 'completed' },
]

interface CommitChoice {
  readonly id: string
  readonly events: readonly NewEvent[]
  readonly transition: Commit['transition']
  /** Whose it is not, which epoch it is not, where the history does not end: 0 for most. */
  readonly wrong: 'node' | 'epoch' | 'version' | 'nothing'
}

const commitChoice: fc.Arbitrary<CommitChoice> = fc.record({
  id: execution,
  events: fc.constantFrom(...EVENTS),
  transition: fc.constantFrom(...TRANSITIONS),
  wrong: fc.constantFrom('nothing', 'nothing', 'nothing', 'node', 'epoch', 'version'),
})

function asCommit(
  { id, events, transition, wrong }: CommitChoice,
  store: Store,
  tables: ModelTables,
): Commit {
  const row = tables.executions.rows.get(id)
  const version = row?.history.length ?? 1
  return {
    key: store.keyOf(id),
    nodeId: wrong === 'node' ? 'stranger' : (row?.claimedBy ?? 'a'),
    claimEpoch: (row?.claimEpoch ?? 1) - (wrong === 'epoch' ? 1 : 0),
    // Never behind the end: that is a gap, which no node asks for.
    expectedVersion: wrong === 'version' ? Math.max(0, version - 1) : version,
    events,
    ...(transition === undefined ? {} : { transition }),
  }
}

const startCalls: readonly fc.Arbitrary<Call>[] = [
  fc
    .tuple(execution, fc.constantFrom(null, ...NODES), fc.constantFrom(undefined, -HOUR_MS, HOUR_MS))
    .map(([id, claimedBy, startInMs]) =>
      call(`insertExecutions ${id} for ${String(claimedBy)} in ${String(startInMs)}`, async (store) => {
        const startAt = startInMs === undefined ? {} : { startAt: new Date(Date.now() + startInMs) }
        const row = startRow(store.keyOf(id), { claimedBy, startId: id, ...startAt })
        const [outcome] = await store.insertExecutions([row])
        return outcome?.kind === 'created' ? { claimed: outcome.claimed } : outcome?.kind
      }),
    ),
]

const commitCalls: readonly fc.Arbitrary<Call>[] = [
  commitChoice.map((choice) =>
    call(`commit ${JSON.stringify(choice)}`, async (store, tables) => {
      const [outcome] = await store.commit([asCommit(choice, store, tables)])
      return outcome?.kind === 'committed' ? { rung: outcome.rung } : outcome?.kind
    }),
  ),
]

const executionCalls: readonly fc.Arbitrary<Call>[] = [
  node.map((nodeId) =>
    call(`claim for ${nodeId}`, async (store) => {
      const since = null
      const request = { nodeId, partitions: homes(), since, workflows: [WORKFLOW], limit: 100 }
      return (await store.claim(request)).map(claimedOf).toSorted(byId)
    }),
  ),
  node.map((nodeId) =>
    call(`takeRung of ${nodeId}`, async (store) =>
      (await store.takeRung(nodeId, 100))
        .map(({ key, claimEpoch }) => ({ id: key.executionId, claimEpoch }))
        .toSorted(byId),
    ),
  ),
  node.map((nodeId) =>
    call(`findHeld of ${nodeId}`, async (store) =>
      (await store.findHeld(nodeId, 100))
        .map(({ key, claimEpoch }) => ({ id: key.executionId, claimEpoch }))
        .toSorted(byId),
    ),
  ),
  fc.tuple(node, fc.constantFrom(null, ...NODES)).map(([dead, heir]) =>
    call(`takeOver of ${dead} by ${String(heir)}`, async (store) => {
      const { claimed, ended } = await store.takeOver({
        dead: [dead],
        heir: heir === null ? null : { nodeId: heir, workflows: [WORKFLOW] },
        crashesMax: 3,
        limit: 100,
      })
      return { claimed: claimed.map(claimedOf).toSorted(byId), ended }
    }),
  ),
  execution.map((id) => call(`ringStranded ${id}`, (store) => store.ringStranded([store.keyOf(id)]))),
  fc.constant(call('sweepStranded', (store) => store.sweepStranded(homes(), 100))),
  fc.constant(
    call('fireTimers', async (store) => {
      const { taken, nextInMs } = await store.fireTimers(homes(), 100)
      return { taken, next: nextInMs === null ? null : nextInMs > MINUTE_MS }
    }),
  ),
]

function claimedOf(claimed: Awaited<ReturnType<Store['claim']>>[number]) {
  const { key, version, claimEpoch, attempts, workflow } = claimed
  return { id: key.executionId, version, claimEpoch, attempts, workflow }
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id.localeCompare(b.id)
}

/** Everything that can be seen, without instants. */
async function stateOf(store: Store): Promise<unknown> {
  const keys = EXECUTIONS.map((id) => store.keyOf(id))
  const rows = await store.readExecutions(keys)
  const histories = await store.readHistories(
    keys.map((key) => ({ key, from: 1 })),
    1_000,
  )
  return {
    rows: rows.map(rowOf),
    histories: histories.map((history) => history.map(({ version, type, seq }) => ({ version, type, seq }))),
    partitions: await store.readPartitions(),
  }
}

function rowOf(row: ExecutionRow | null) {
  if (row === null) return null
  const { key, status, version, claimedBy, claimEpoch, attempts, readyAt, closedAt } = row
  const ready = readyAt === null ? 'silent' : readyAt.getTime() > Date.now() + MINUTE_MS ? 'later' : 'rings'
  return { key, status, version, claimedBy, claimEpoch, attempts, ready, isClosed: closedAt !== null }
}

/** What waits after a crash waits for seconds: it rings now, in both. */
async function endCrashWaits(tables: ModelTables, nowMs: number): Promise<void> {
  for (const row of tables.executions.rows.values()) {
    if (row.readyAtMs !== null && row.readyAtMs < nowMs + MINUTE_MS)
      row.readyAtMs = Math.min(row.readyAtMs, nowMs)
  }
  await sql`
    update executions set ready_at = now()
    where ready_at > now() and ready_at < now() + interval '1 minute'`
}

async function emptied(): Promise<void> {
  for (const table of ['events', 'timers', 'executions', 'leases']) await sql`delete from ${sql(table)}`
  await sql`update partitions set owner = null, epoch = 0`
}

it('the model answers as the store does, whatever is called', async () => {
  const calls = fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.oneof(...leaseCalls) },
      { weight: 2, arbitrary: fc.oneof(...startCalls) },
      { weight: 4, arbitrary: fc.oneof(...commitCalls) },
      { weight: 3, arbitrary: fc.oneof(...executionCalls) },
    ),
    {
      minLength: CALLS,
      maxLength: 2 * CALLS,
      size: 'max',
    },
  )
  const kinds = new Set<string>()
  await fc.assert(
    fc.asyncProperty(calls, async (chosen) => {
      await emptied()
      let nowMs = Date.now()
      const now = (): number => nowMs
      const leases = new ModelLeases(now, 64)
      const executions = new ModelExecutions({ now, hasLease: (nodeId) => leases.has(nodeId) })
      const tables = { leases, executions }
      const model = modelStore({
        tables,
        clock: systemClock,
        hasHints: false,
        now,
        trip: async (carryOut) => carryOut(),
        tell: () => undefined,
        listen: () => () => undefined,
        trace: () => undefined,
      })
      const done: string[] = []
      for (const { name, run } of chosen) {
        done.push(name)
        kinds.add(name.split(' ')[0] ?? '')
        nowMs = Math.max(nowMs + 1, Date.now())
        if (name.startsWith('takeOver') || name.startsWith('claim')) await endCrashWaits(tables, nowMs)
        const answer = await run(real, tables)
        expect(await run(model, tables), done.join('\n')).toEqual(answer)
        expect(await stateOf(model), done.join('\n')).toEqual(await stateOf(real))
      }
    }),
    { numRuns: RUNS },
  )
  expect(kinds.size).toBeGreaterThan(12)
}, 120_000)
