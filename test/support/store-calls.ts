// Every call of the store as a scenario: what is there before, and the call. Each is in a place of its own, so that
// it can be run over and over, with a fault and without, and give the same outcome and leave the same rows.

import type postgres from 'postgres'
import type { NewEvent } from '../../src/core/event.js'
import type { ExecutionKey } from '../../src/core/execution.js'
import type { Gate } from '../../src/core/gate.js'
import type {
  Claimed,
  Entrant,
  NewSchedule,
  ScheduleChange,
  SeenSchedule,
  Store,
  Sweep,
} from '../../src/store/store.js'
import {
  claimIn,
  commitOf,
  IDLE,
  type Place,
  releaseOf,
  reportTo,
  signalTo,
  startClaimed,
  startRow,
  stepCompleted,
  WORKFLOW,
} from './store-rows.js'

export interface World {
  readonly store: Store
  readonly place: Place
  readonly node: string
  readonly schema: string
  /** The database itself. */
  readonly sql: postgres.Sql
}

export interface StoreCall {
  readonly name: string
  /** The call of the store that it is about. */
  readonly of: keyof Store
  /** Makes what is there before; on a store without faults. */
  readonly prepare?: (world: World) => Promise<unknown>
  readonly run: (world: World) => Promise<unknown>
}

const TERMINATED: NewEvent = { type: 'terminated', payload: '"enough"' }
const CLOSE = {
  events: [{ type: 'completed' as const, payload: '1' }],
  transition: { kind: 'close' as const, status: 'completed' as const },
}
const LEASE = {
  region: 'local',
  address: null,
  release: '1',
  capacity: 1,
  workflows: [WORKFLOW],
  report: IDLE,
}

const one = ({ place }: World): ExecutionKey => place.key('one')
const two = ({ place }: World): ExecutionKey => place.key('two')
const three = ({ place }: World): ExecutionKey => place.key('three')

const claimed = (world: World): Promise<void> =>
  startClaimed(world.store, world.node, [one(world), two(world), three(world)])

async function released(world: World): Promise<void> {
  await claimed(world)
  await world.store.commit([one(world), two(world), three(world)].map((key) => releaseOf(key, world.node)))
}

async function withMessages(world: World): Promise<void> {
  await claimed(world)
  await world.store.sendMessages([signalTo(one(world), 'm1'), signalTo(one(world), 'm2')], 10)
}

async function asleep(world: World): Promise<void> {
  await claimed(world)
  await world.store.commit([
    {
      ...releaseOf(one(world), world.node),
      events: [{ type: 'sleep_started', seq: 1, dueAt: new Date('2020-01-01') }],
    },
  ])
}

async function closed(world: World): Promise<void> {
  await claimed(world)
  await world.store.commit([commitOf(one(world), world.node, CLOSE)])
}

async function family(world: World): Promise<void> {
  const parent = { key: two(world), seq: 1, run: 1 }
  await claimed(world)
  await world.store.insertExecutions([
    startRow(world.place.key('child'), { parent: { key: one(world), seq: 1, run: 1 } }),
    startRow(world.place.key('grown'), { parent }),
  ])
  await world.store.commit([
    commitOf(one(world), world.node, {
      events: [{ type: 'child_started', seq: 1, detail: '{"closePolicy":"terminate"}' }],
    }),
  ])
}

async function stranded(world: World): Promise<void> {
  await claimed(world)
  await world.sql`
    update executions set claimed_by = null where execution_id = ${one(world).executionId}::text`
}

const joined = (world: World): Promise<void> =>
  world.store.insertLease({ ...LEASE, nodeId: world.node, leaseMs: 3_600_000 })

const gateOf = ({ place }: World, rule: string, runningMax: number | null): Gate => ({
  gateId: `${place.region}/${rule}`,
  workflow: place.region,
  rule,
  key: null,
  runningMax,
  bucket: runningMax === null ? { tokensMax: 2, refillMs: 1e9 } : null,
})

/** Two behind two gates, and a third that waits. */
async function lined(world: World): Promise<void> {
  await claimed(world)
  await world.store.enqueue([one(world), two(world), three(world)].map((key) => entrantOf(world, key)))
}

async function passedOnce(world: World): Promise<void> {
  await lined(world)
  const { gateId } = gateOf(world, 'concurrency', 2)
  await world.store.admit({ gates: [gateId], ended: [], isDue: false })
}

function entrantOf(world: World, key: ExecutionKey): Entrant {
  const gates = [gateOf(world, 'concurrency', 2), gateOf(world, 'rate', null)]
  return { key, nodeId: world.node, claimEpoch: 1, priority: 3, gates }
}

const KEPT = { completed: 60_000, failed: null, canceled: null, terminated: null }
const CLOSED_AT = new Date('2020-01-02')

const sweepOf = ({ place }: World): Sweep => ({
  workflow: place.region,
  kept: KEPT,
  archived: false,
  token: 7,
  passed: null,
})

/** One of a workflow of its own that closed long ago, whose parent is gone. */
async function expired(world: World): Promise<void> {
  const parent = { key: world.place.key('gone'), seq: 1, run: 1 }
  const row = startRow(one(world), { workflow: world.place.region, claimedBy: world.node, parent })
  await world.store.insertExecutions([row])
  await world.store.commit([commitOf(one(world), world.node, CLOSE)])
  await world.sql`
    update executions set started_at = ${'2020-01-01'}::timestamptz, closed_at = ${CLOSED_AT}::timestamptz
    where execution_id = ${one(world).executionId}::text`
}

async function swept(world: World): Promise<void> {
  await world.store.writePolicies([sweepOf(world)])
  await world.sql`update retention set claim_token = 7 where workflow = ${world.place.region}::text`
}

const RESTS = { restMinMs: 60_000, restMaxMs: 120_000 }

export const STORE_CALLS: readonly StoreCall[] = [
  {
    name: "enqueue: what is claimed, and what is somebody else's",
    of: 'enqueue',
    prepare: claimed,
    run: (world) =>
      world.store.enqueue([entrantOf(world, one(world)), { ...entrantOf(world, two(world)), claimEpoch: 9 }]),
  },
  {
    name: 'admit: at the first gate',
    of: 'admit',
    prepare: lined,
    run: async (world) => {
      const { gateId } = gateOf(world, 'concurrency', 2)
      const { passed, again } = await world.store.admit({ gates: [gateId], ended: [], isDue: false })
      return { passed, again }
    },
  },
  {
    name: 'admit: at the last gate',
    of: 'admit',
    prepare: passedOnce,
    run: async (world) => {
      const { gateId } = gateOf(world, 'rate', null)
      const { passed } = await world.store.admit({ gates: [gateId], ended: [], isDue: false })
      return passed.map(({ executionId }) => executionId).toSorted()
    },
  },
  {
    name: 'admit: where one has ended',
    of: 'admit',
    prepare: async (world) => {
      await passedOnce(world)
      await world.store.terminate(one(world), TERMINATED)
    },
    run: async (world) => {
      const { passed } = await world.store.admit({ gates: [], ended: [one(world)], isDue: false })
      return passed
    },
  },
  {
    name: 'updateLimits: one that has changed, one that is gone',
    of: 'updateLimits',
    prepare: lined,
    run: (world) =>
      world.store.updateLimits([
        gateOf(world, 'concurrency', 7),
        { ...gateOf(world, 'rate', null), bucket: null },
      ]),
  },
  {
    name: 'insertExecutions: generated ids, claimed, for later and for nobody',
    of: 'insertExecutions',
    run: (world) =>
      world.store.insertExecutions([
        startRow(one(world), { claimedBy: world.node }),
        startRow(two(world), { startAt: new Date('2999-01-01'), attributes: { a: 1 } }),
        startRow(three(world)),
      ]),
  },
  {
    name: 'insertExecutions: ids of the caller, one of them taken',
    of: 'insertExecutions',
    prepare: ({ store, place }) => store.insertExecutions([startRow(place.key('two'), { startId: 'other' })]),
    run: (world) =>
      world.store.insertExecutions([
        startRow(one(world), { claimedBy: world.node, startId: 'mine' }),
        startRow(two(world), { claimedBy: world.node, startId: 'mine' }),
      ]),
  },
  {
    name: 'commit: plain appends, one of them lost',
    of: 'commit',
    prepare: claimed,
    run: (world) =>
      world.store.commit([
        commitOf(one(world), world.node),
        commitOf(two(world), world.node, { claimEpoch: 9 }),
        commitOf(three(world), world.node, { events: [{ type: 'sleep_started', seq: 1, delayMs: 1e9 }] }),
      ]),
  },
  {
    name: 'commit: a release, a close that tells, an answer',
    of: 'commit',
    prepare: async (world) => {
      await withMessages(world)
      await world.store.sendMessages([signalTo(three(world), 'u', { kind: 'update' })], 10)
    },
    run: (world) =>
      world.store.commit([
        { ...releaseOf(one(world), world.node, { readyInMs: 0 }), consumed: [{ messageId: 'm1' }] },
        commitOf(two(world), world.node, { ...CLOSE, messages: [reportTo(three(world), 'done')] }),
        commitOf(three(world), world.node, {
          consumed: [{ messageId: 'u', answer: { ok: true, payload: '1' } }],
        }),
      ]),
  },
  {
    name: 'commit: continue as new, attributes, a version that is taken',
    of: 'commit',
    prepare: claimed,
    run: (world) =>
      world.store.commit([
        commitOf(one(world), world.node, {
          events: [{ type: 'continued' }, { type: 'started', payload: '2' }],
          transition: { kind: 'continue', workflowVersion: '2' },
        }),
        commitOf(two(world), world.node, { attributes: { a: 1 } }),
        commitOf(three(world), world.node, { expectedVersion: 0 }),
      ]),
  },
  {
    name: 'sendMessages: to one that waits, one that is closed, one that is not there',
    of: 'sendMessages',
    prepare: async (world) => {
      await released(world)
      await world.store.terminate(two(world), TERMINATED)
    },
    run: (world) =>
      world.store.sendMessages(
        [signalTo(one(world), 'm1'), signalTo(two(world), 'm1'), signalTo(world.place.key('none'), 'm1')],
        10,
      ),
  },
  {
    name: 'claim',
    of: 'claim',
    // One after the other: which two of three that are equally old are taken is anybody's guess.
    async prepare({ store, place }) {
      for (const key of place.keys(3)) await store.insertExecutions([startRow(key)])
    },
    run: async ({ store, place, node }) => inOrder(await claimIn(store, place, { nodeId: node, limit: 2 })),
  },
  {
    name: 'claim: by shares, with priorities',
    of: 'claim',
    prepare: ({ store, place }) =>
      store.insertExecutions(place.keys(3).map((key, n) => startRow(key, { priority: n + 1 }))),
    run: ({ store, place, node }) =>
      store
        .claim({
          nodeId: node,
          partitions: place.partitions(),
          since: null,
          workflows: [WORKFLOW],
          limit: 2,
          isCrowded: true,
        })
        .then(inOrder),
  },
  {
    name: 'takeRung',
    of: 'takeRung',
    prepare: withMessages,
    run: ({ store, node }) => store.takeRung(node, 10),
  },
  { name: 'findHeld', of: 'findHeld', prepare: claimed, run: ({ store, node }) => store.findHeld(node, 2) },
  {
    name: 'ringStranded',
    of: 'ringStranded',
    prepare: stranded,
    run: (world) => world.store.ringStranded([one(world), two(world)]),
  },
  {
    name: 'sweepStranded',
    of: 'sweepStranded',
    prepare: stranded,
    run: ({ store, place }) => store.sweepStranded(place.partitions(), 10),
  },
  {
    name: 'readForkable',
    of: 'readForkable',
    prepare: closed,
    run: (world) => world.store.readForkable(one(world), { from: 1, to: 2 }),
  },
  {
    name: 'fork: of a closed one',
    of: 'fork',
    prepare: closed,
    run: (world) =>
      world.store.fork({
        key: two(world),
        source: { key: one(world), from: 1, to: 1 },
        dropped: [],
        count: 1,
        workflow: WORKFLOW,
        workflowVersion: '1',
        startId: 'fork',
        detail: '{"run":1}',
        attributes: { city: 'Ulm' },
      }),
  },
  {
    name: 'restart: of a closed one',
    of: 'restart',
    prepare: closed,
    run: (world) => world.store.restart({ ...startRow(one(world)), expectedRun: 1 }),
  },
  {
    name: 'restart: in place of an open one, with a start id',
    of: 'restart',
    prepare: family,
    run: (world) =>
      world.store.restart({ ...startRow(one(world), { startId: 's' }), expectedRun: 1, close: TERMINATED }),
  },
  {
    name: 'terminate: a parent',
    of: 'terminate',
    prepare: family,
    run: (world) => world.store.terminate(one(world), TERMINATED),
  },
  {
    name: 'terminate: a child, whose parent is told',
    of: 'terminate',
    prepare: async (world) => {
      const parent = atHome(world)
      await world.store.insertExecutions([
        startRow(parent),
        startRow(one(world), { parent: { key: parent, seq: 1, run: 1 } }),
      ])
    },
    run: (world) => world.store.terminate(one(world), TERMINATED),
  },
  {
    name: 'terminate: of a closed one',
    of: 'terminate',
    prepare: closed,
    run: (world) => world.store.terminate(one(world), TERMINATED),
  },
  {
    name: 'resume',
    of: 'resume',
    prepare: async (world) => {
      await claimed(world)
      await world.store.commit([releaseOf(one(world), world.node, { status: 'paused' })])
    },
    run: (world) => world.store.resume(one(world), { type: 'resumed', messageId: 'again' }),
  },
  {
    name: 'remove',
    of: 'remove',
    prepare: closed,
    run: (world) => world.store.remove(one(world)),
  },
  {
    name: 'remove: what is not there',
    of: 'remove',
    run: (world) => world.store.remove(one(world)),
  },
  {
    name: 'transact',
    of: 'transact',
    prepare: claimed,
    run: (world) =>
      world.store.transact({
        key: one(world),
        nodeId: world.node,
        claimEpoch: 1,
        work: async (sql) => {
          await sql`
            insert into ${sql(`${world.schema}.payments`)} (id) values (${one(world).executionId}::text)`
          return 'paid'
        },
        event: (result) => stepCompleted(1, JSON.stringify(result)),
        lock: () => Promise.resolve(1),
        unlock: () => undefined,
      }),
  },
  {
    name: 'readExecutions',
    of: 'readExecutions',
    prepare: claimed,
    run: (world) => world.store.readExecutions([two(world), world.place.key('none'), one(world)]),
  },
  {
    name: 'readHistories',
    of: 'readHistories',
    prepare: closed,
    run: (world) => world.store.readHistories([{ key: one(world), from: 1 }], 10),
  },
  {
    name: 'readInboxes',
    of: 'readInboxes',
    prepare: withMessages,
    run: (world) => world.store.readInboxes([{ key: one(world), after: 0 }], 10),
  },
  {
    name: 'readAnswers',
    of: 'readAnswers',
    prepare: withMessages,
    run: (world) => world.store.readAnswers([{ key: one(world), messageId: 'm1' }]),
  },
  {
    name: 'list',
    of: 'list',
    prepare: family,
    run: (world) => world.store.list({ parentId: one(world).executionId, limit: 10 }),
  },
  {
    name: 'fireTimers',
    of: 'fireTimers',
    prepare: asleep,
    run: ({ store, place }) => store.fireTimers(place.partitions(), 10),
  },
  {
    name: 'nextTimer',
    of: 'nextTimer',
    prepare: asleep,
    run: ({ store, place }) => store.nextTimer(place.partitions()),
  },
  { name: 'insertLease', of: 'insertLease', run: joined },
  {
    name: 'renewLease',
    of: 'renewLease',
    prepare: joined,
    run: ({ store, node }) => store.renewLease(node, 7_200_000, { ...IDLE, running: 2 }),
  },
  {
    name: 'readCluster',
    of: 'readCluster',
    prepare: joined,
    run: async ({ store, place }) => {
      const { leases } = await store.readCluster()
      return leases.filter(({ nodeId }) => nodeId.startsWith(place.region))
    },
  },
  {
    name: 'readClusterStats',
    of: 'readClusterStats',
    prepare: async (world) => {
      await joined(world)
      await claimed(world)
    },
    run: async ({ store, place }) => {
      const { held } = await store.readClusterStats()
      return held.filter(({ nodeId }) => nodeId.startsWith(place.region))
    },
  },
  {
    name: 'readThroughput',
    of: 'readThroughput',
    prepare: async (world) => {
      await claimed(world)
      await world.store.registerDefinitions([{ workflow: WORKFLOW, version: '1' }])
    },
    run: async ({ store }) => {
      const rows = await store.readThroughput({ lastMs: 3_600_000, bucketMs: 60_000 })
      return rows.some(({ started }) => started > 0)
    },
  },
  {
    name: 'removeLease',
    of: 'removeLease',
    prepare: async (world) => {
      await joined(world)
      await claimed(world)
      await world.store.takePartitions(world.node, [3, 4])
    },
    run: ({ store, node }) => store.removeLease(node),
  },
  {
    name: 'buryLeases: of a node that held something, and of one that held nothing',
    of: 'buryLeases',
    prepare: async (world) => {
      await world.store.insertLease({ ...LEASE, nodeId: world.node, leaseMs: 0 })
      await world.store.insertLease({ ...LEASE, nodeId: world.place.node('idle'), leaseMs: 0 })
      await claimed(world)
    },
    run: async ({ store }) => (await store.buryLeases(0)).toSorted(),
  },
  {
    name: 'glance',
    of: 'glance',
    prepare: asleep,
    run: async ({ store, place }) => {
      const partitions = place.partitions()
      const request = { own: partitions, others: partitions, lateMs: 0, workflows: [WORKFLOW] }
      const { isReady, isLate, timerInMs } = await store.glance(request)
      return { isReady, isLate, timerInMs }
    },
  },
  {
    name: 'buryNodes: of one that has a lease, and of one that has left',
    of: 'buryNodes',
    prepare: joined,
    run: ({ store, node, place }) => store.buryNodes([node, place.node('left')]),
  },
  ...[null, 'heir'].map((heir) => ({
    name: `takeOver: ${heir === null ? 'all of it is handed back' : 'all of it is taken'}`,
    of: 'takeOver' as const,
    prepare: claimed,
    run: async ({ store, node, place }: World) => {
      const nodeId = place.node('heir')
      const taken = await store.takeOver({
        dead: [node],
        heir: heir === null ? null : { nodeId, workflows: [WORKFLOW] },
        crashesMax: 3,
        limit: 100,
      })
      return taken.claimed.map(({ key, claimEpoch }) => `${key.executionId} ${claimEpoch}`).toSorted()
    },
  })),
  {
    name: 'readPartitions',
    of: 'readPartitions',
    run: async ({ store }) => (await store.readPartitions()).length,
  },
  {
    name: 'takePartitions',
    of: 'takePartitions',
    prepare: joined,
    run: async ({ store, node }) => (await store.takePartitions(node, [1, 2])).toSorted((a, b) => a - b),
  },
  {
    name: 'givePartitions',
    of: 'givePartitions',
    prepare: async (world) => {
      await joined(world)
      await world.store.takePartitions(world.node, [1, 2])
    },
    run: ({ store, node }) => store.givePartitions(node, [1]),
  },
  {
    name: 'registerDefinitions',
    of: 'registerDefinitions',
    run: ({ store, place }) => store.registerDefinitions([{ workflow: place.region, version: '1' }]),
  },
  {
    name: 'readDefinitions',
    of: 'readDefinitions',
    prepare: ({ store, place }) => store.registerDefinitions([{ workflow: place.region, version: '1' }]),
    run: async ({ store, place }) =>
      (await store.readDefinitions()).filter(({ workflow }) => workflow === place.region),
  },
  {
    name: 'sweepConsumed',
    of: 'sweepConsumed',
    prepare: async (world) => {
      await withMessages(world)
      await world.store.commit([commitOf(one(world), world.node, { consumed: [{ messageId: 'm1' }] })])
    },
    run: ({ store }) => store.sweepConsumed(0, 10),
  },
  {
    name: 'writePolicies',
    of: 'writePolicies',
    run: (world) => world.store.writePolicies([sweepOf(world)]),
  },
  {
    name: 'takeSweep',
    of: 'takeSweep',
    prepare: (world) => world.store.writePolicies([sweepOf(world)]),
    run: async ({ store }) => {
      const sweep = await store.takeSweep({ canArchive: false, holdMs: 60_000 })
      return sweep === null ? null : { ...sweep, token: 'drawn' }
    },
  },
  {
    name: 'findExpired',
    of: 'findExpired',
    prepare: expired,
    run: (world) => world.store.findExpired(sweepOf(world), 10),
  },
  {
    name: 'removeExpired',
    of: 'removeExpired',
    prepare: expired,
    run: (world) => world.store.removeExpired([{ key: one(world), version: 2, closedAt: CLOSED_AT }]),
  },
  {
    name: 'removeExpired: a long history',
    of: 'removeExpired',
    prepare: expired,
    run: (world) => world.store.removeExpired([{ key: one(world), version: 12_000, closedAt: CLOSED_AT }]),
  },
  {
    name: 'noteSweep: to go on',
    of: 'noteSweep',
    prepare: swept,
    run: (world) => {
      const passed = { at: CLOSED_AT, executionId: one(world).executionId }
      return world.store.noteSweep({ sweep: sweepOf(world), passed, removed: 3, ...RESTS })
    },
  },
  {
    name: 'noteSweep: at the end',
    of: 'noteSweep',
    prepare: swept,
    run: (world) => world.store.noteSweep({ sweep: sweepOf(world), passed: null, removed: 3, ...RESTS }),
  },
  {
    name: 'freePartitions',
    of: 'freePartitions',
    prepare: async (world) => {
      await joined(world)
      await world.store.takePartitions(world.node, [5, 6])
    },
    run: ({ store, node }) => store.freePartitions(node),
  },
  {
    name: 'insertSchedule',
    of: 'insertSchedule',
    run: ({ store, place }) => store.insertSchedule(place.region, () => newSchedule(place)),
  },
  {
    name: 'insertSchedule: an id that is taken',
    of: 'insertSchedule',
    prepare: scheduled,
    run: ({ store, place }) => store.insertSchedule(place.region, () => newSchedule(place)),
  },
  {
    name: 'readSchedule',
    of: 'readSchedule',
    prepare: scheduled,
    run: ({ store, place }) => store.readSchedule(place.region),
  },
  {
    name: 'listSchedules',
    of: 'listSchedules',
    prepare: scheduled,
    run: ({ store, place }) => store.listSchedules({ workflow: place.region, limit: 10 }),
  },
  {
    name: 'changeSchedule: another definition',
    of: 'changeSchedule',
    prepare: scheduled,
    run: ({ store, place }) =>
      store.changeSchedule(place.region, ({ row }) => {
        if (row.revision !== 1) throw new Error('somebody else changed it')
        return { row: { ...row, paused: true, note: 'why', revision: row.revision + 1 }, starts: [] }
      }),
  },
  {
    name: 'changeSchedule: a start by hand',
    of: 'changeSchedule',
    prepare: scheduled,
    run: (world) => world.store.changeSchedule(world.place.region, (seen) => fired(world, seen)),
  },
  {
    name: 'changeSchedule: of one that is not there',
    of: 'changeSchedule',
    run: (world) => world.store.changeSchedule(world.place.region, (seen) => fired(world, seen)),
  },
  {
    name: 'removeSchedule',
    of: 'removeSchedule',
    prepare: scheduled,
    run: ({ store, place }) => store.removeSchedule(place.region),
  },
  {
    name: 'removeSchedule: of one that is not there',
    of: 'removeSchedule',
    run: ({ store, place }) => store.removeSchedule(place.region),
  },
  {
    name: 'nextSchedule',
    of: 'nextSchedule',
    prepare: scheduled,
    run: ({ store }) => store.nextSchedule(),
  },
  {
    name: 'fireSchedules',
    of: 'fireSchedules',
    prepare: async (world) => {
      await scheduled(world)
      await world.store.insertExecutions([startRow(atHome(world))])
    },
    run: (world) =>
      world.store.fireSchedules(10, (seen) => ({
        ...fired(world, seen),
        other: { kind: 'cancel', executionId: atHome(world).executionId },
      })),
  },
]

/** An execution that is where its id's hash says: always the same partition. */
function atHome({ store, place }: World): ExecutionKey {
  for (let n = 0; n < 10_000; n++) {
    const key = store.keyOf(`${place.region}/at home ${String(n).padStart(4, '0')}`)
    if (key.partition === 7) return { ...key }
  }
  throw new Error('no id in partition 7')
}

function scheduled({ store, place }: World): Promise<unknown> {
  return store.insertSchedule(place.region, () => newSchedule(place))
}

/** Due long ago. */
export function newSchedule(place: Place): NewSchedule {
  const due = new Date('2020-01-01')
  return {
    scheduleId: place.region,
    region: 'local',
    spec: { every: 86_400_000, offset: 0 },
    jitterMs: 0,
    workflow: place.region,
    workflowVersion: '1',
    input: '1',
    unchecked: false,
    attributes: { a: 1 },
    overlap: 'allow',
    catchUpMs: 1_000,
    paused: false,
    note: null,
    revision: 1,
    nextAt: due,
    dueAt: due,
    lastAt: null,
    bufferedAt: null,
    lastExecutionId: null,
    fired: 0,
    skipped: 0,
    missed: 0,
  }
}

function fired({ place }: World, { row }: SeenSchedule): ScheduleChange {
  const key = place.key(`firing ${row.fired}`)
  return {
    row: {
      ...row,
      lastExecutionId: key.executionId,
      fired: row.fired + 1,
      nextAt: new Date('2999-01-01'),
      dueAt: new Date('2999-01-01'),
    },
    starts: [startRow(key, { startId: key.executionId })],
  }
}

/** What a claim promises; since when its doorbells rang is lost with an answer. */
function inOrder(claims: readonly Claimed[]): Omit<Claimed, 'rungAt'>[] {
  return claims.toSorted(byId).map(({ rungAt: _rungAt, ...claim }) => claim)
}

function byId(a: { readonly key: { readonly executionId: string } }, b: typeof a): number {
  return a.key.executionId < b.key.executionId ? -1 : 1
}
