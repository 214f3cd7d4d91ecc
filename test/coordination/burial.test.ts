// Who may declare a node dead: nobody, while nobody could renew.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { silentLogger, systemClock } from '../../src/core/ports.js'
import { LeaseHolder } from '../../src/coordination/lease-holder.js'
import type { Store } from '../../src/store/store.js'
import { IDLE } from '../support/store-rows.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { eventually } from '../support/wait.js'

let database: TestDatabase
const LEASE_MS = 600

beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

type Call = 'renewLease' | 'readCluster'

interface Holder {
  readonly leases: LeaseHolder
  /** Of which nodes it was told to take over. */
  readonly deaths: Set<string>
  /** How many renewals wait for the database. */
  readonly waiting: () => number
  shut(): void
  open(): void
}

/** A node's lease over a database that comes and goes; `call` is what it goes away at. */
async function holder(call: Call = 'renewLease', leaseMs = LEASE_MS): Promise<Holder> {
  const deaths = new Set<string>()
  const store = await database.openStore()
  let gate: Promise<void> | undefined
  let open: () => void = () => undefined
  let waiting = 0
  const pass = async (which: Call): Promise<void> => {
    if (which !== call) return
    waiting++
    await gate
    waiting--
  }
  const gated: Store = {
    ...store,
    async renewLease(...parameters) {
      await pass('renewLease')
      return store.renewLease(...parameters)
    },
    async readCluster() {
      await pass('readCluster')
      return store.readCluster()
    },
  }
  const leases = new LeaseHolder({
    store: gated,
    clock: systemClock,
    log: silentLogger,
    region: 'local',
    address: null,
    release: 'test',
    capacity: 1,
    workflows: [],
    leaseMs,
    heartbeatMs: 100,
    report: () => IDLE,
    onLost: () => undefined,
    onWork: () => undefined,
    onDeath: ({ nodeIds }) => nodeIds.forEach((nodeId) => deaths.add(nodeId)),
  })
  await leases.start()
  return {
    leases,
    deaths,
    waiting: () => waiting,
    shut: () => {
      gate = new Promise((resolve) => (open = resolve))
    },
    open: () => {
      gate = undefined
      open()
    },
  }
}

it.each([
  ['renewing', 'renewLease'],
  ['looking at the others', 'readCluster'],
] as const)(
  'who was stalled by the database while %s, and comes back first, buries nobody',
  async (_, call) => {
    const [first, second] = [await holder(call), await holder()]
    try {
      const ids = [first.leases.nodeId, second.leases.nodeId]
      for (const node of [first, second]) node.shut()
      for (const node of [first, second]) await eventually(() => node.waiting() > 0)
      const sql = database.connect()
      const isOver = async () =>
        (await sql`select 1 from leases where expires_at > now() - interval '200 milliseconds'`).length === 0
      await eventually(isOver)
      first.open()
      // It is back, and has looked at the leases of the others more than once.
      await eventually(() => first.leases.isTrusted())
      await eventually(async () => {
        const [row] = await sql`
        select 1 from leases where node_id = ${ids[0] ?? ''}::text and expires_at > now() + interval '300 milliseconds'`
        return row !== undefined
      })
      second.open()
      await eventually(() => second.leases.isTrusted())
      expect([first.leases.nodeId, second.leases.nodeId]).toEqual(ids)
    } finally {
      for (const node of [first, second]) {
        node.open()
        await node.leases.stop()
      }
    }
  },
)

it('a node that does not come back is buried all the same', async () => {
  const [first, second] = [await holder(), await holder()]
  try {
    for (const node of [first, second]) node.shut()
    for (const node of [first, second]) await eventually(() => node.waiting() > 0)
    await eventually(() => !first.leases.isTrusted())
    first.open()
    const sql = database.connect()
    await eventually(
      async () =>
        (await sql`select 1 from leases where node_id = ${second.leases.nodeId}::text`).length === 0,
    )
  } finally {
    for (const node of [first, second]) {
      node.open()
      await node.leases.stop()
    }
  }
})

it('who looks after another has buried the dead takes over as well', async () => {
  const [first, second] = [await holder('readCluster', 60_000), await holder('readCluster', 60_000)]
  const store = await database.openStore()
  const sql = database.connect()
  const isBuried = async () => (await sql`select 1 from leases where node_id = 'dead'`).length === 0
  try {
    await store.insertLease({
      nodeId: 'dead',
      region: 'local',
      address: null,
      release: 'test',
      capacity: 1,
      workflows: [],
      report: { ...IDLE, running: 1 },
      leaseMs: 1_500,
    })
    // Both have seen it, and the second one's next look is held back until it is gone.
    await eventually(() => [first, second].every(({ leases }) => leases.leases.length === 3))
    first.shut()
    second.shut()
    await eventually(() => first.waiting() > 0 && second.waiting() > 0)
    first.open()
    await eventually(isBuried)
    await eventually(() => first.deaths.has('dead'))
    expect(second.deaths.has('dead')).toBe(false)
    second.open()
    await eventually(() => second.deaths.has('dead'))
  } finally {
    for (const node of [first, second]) {
      node.open()
      await node.leases.stop()
    }
  }
})
