// Makes a store send every statement that it has: all its calls, and what it asks only after an answer was lost, when
// an inbox is full, when two run into each other.

import type postgres from 'postgres'
import type { Store } from '../../src/store/store.js'
import type { Proxy } from './proxy.js'
import { newSchedule, STORE_CALLS, type World } from './store-calls.js'
import { commitOf, Place, signalTo, startClaimed, startRow, stepCompleted } from './store-rows.js'

interface Running {
  readonly store: Store
  readonly proxy: Proxy
  readonly sql: postgres.Sql
  readonly schema: string
}

export async function runEveryStatement(running: Running): Promise<void> {
  const { store, proxy, sql, schema } = running
  await sql`create table payments (id text not null primary key)`
  for (const call of STORE_CALLS) {
    const place = new Place()
    const world: World = { store, place, node: place.node('a'), schema, sql }
    await call.prepare?.(world)
    await call.run(world)
    // And once more with its last answer lost.
    if (
      ['commit', 'transact', 'claim', 'takeRung', 'insertSchedule', 'restart', 'takeSweep'].includes(call.of)
    )
      await runLosing(call, running)
  }
  await listEverything(store)
  await readSeveral(store)
  await refuse(store)
  await postpone(store)
  await passEveryGate(running)
  await store.readClusterStats()
  await sql`delete from leases`
  await store.readClusterStats()
  proxy.plan = () => undefined
}

async function runLosing(
  call: (typeof STORE_CALLS)[number],
  { store, proxy, sql, schema }: Running,
): Promise<void> {
  const place = new Place()
  const world: World = { store, place, node: place.node('a'), schema, sql }
  await call.prepare?.(world)
  const lost = new Set<string>()
  proxy.plan = (text) => {
    if (lost.has(text) || text === 'begin' || !/^\s*(commit|with|update|insert)\b/.test(text))
      return undefined
    lost.add(text)
    return { kind: 'lose-answer' }
  }
  try {
    await call.run(world)
  } finally {
    proxy.plan = () => undefined
  }
}

async function listEverything(store: Store): Promise<void> {
  const after = { startedAt: new Date('2026-01-01'), executionId: 'filled 7' }
  const filters = [
    {},
    { workflow: 'filled 3' },
    { workflow: 'filled 3', statuses: ['failed' as const] },
    { statuses: ['failed' as const, 'dead' as const] },
    { statuses: ['running' as const, 'waiting' as const, 'dead' as const] },
    { parentId: 'filled 5' },
    { attributes: { city: 'c42' } },
  ]
  for (const filter of filters) {
    await store.list({ ...filter, limit: 10 })
    await store.list({ ...filter, limit: 10, after })
  }
}

/** As a claim of several does, whose statements differ from those for one. */
async function readSeveral(store: Store): Promise<void> {
  const keys = new Place().keys(2)
  await store.readHistories(
    keys.map((key) => ({ key, from: 1 })),
    10,
  )
  await store.readInboxes(
    keys.map((key) => ({ key, after: 0 })),
    10,
  )
}

/** Gates that are due, one that is not there, and one that has served its time. */
async function passEveryGate({ store, sql }: Running): Promise<void> {
  const place = new Place()
  const [key = place.key('one')] = place.keys(1)
  const node = place.node('a')
  const gate = {
    gateId: `${place.region}/gate`,
    workflow: place.region,
    rule: 'rate',
    key: null,
    runningMax: null,
    bucket: { tokensMax: 1, refillMs: 1 },
  }
  await startClaimed(store, node, [key])
  await store.enqueue([{ key, nodeId: node, claimEpoch: 1, priority: 3, gates: [gate] }])
  await store.admit({ gates: ['none'], ended: [], isDue: true })
  await sql`update gates set refilled_at = now() - interval '1 hour' where gate_id = ${gate.gateId}::text`
  await store.admit({ gates: [gate.gateId], ended: [], isDue: false })
}

/** Of a schedule that nobody can judge. */
async function postpone(store: Store): Promise<void> {
  const place = new Place()
  await store.insertSchedule(place.region, () => newSchedule(place))
  await store.fireSchedules(10, () => {
    throw new Error('no judgement')
  })
}

/** A commit that is refused for one of its data, and an inbox that has no room. */
async function refuse(store: Store): Promise<void> {
  const place = new Place()
  const keys = place.keys(2)
  await startClaimed(store, place.node('a'), keys)
  await store.commit(
    keys.map((key, n) =>
      commitOf(key, place.node('a'), { events: [{ ...stepCompleted(1), attempt: n === 0 ? 2 ** 40 : 1 }] }),
    ),
  )
  await store.sendMessages(
    keys.map((key) => signalTo(key, 'm')),
    0,
  )
  await store.insertExecutions([startRow(place.key('one'))])
}
