// What is asked of a node's heartbeat while it is at something else: neither a drain nor a hint may get lost in it.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { LeaseHolder } from '../../src/coordination/lease-holder.js'
import { silentLogger, systemClock } from '../../src/core/ports.js'
import type { Store } from '../../src/store/store.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { IDLE } from '../support/store-rows.js'
import { eventually } from '../support/wait.js'

let database: TestDatabase

beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

interface Watched {
  readonly leases: LeaseHolder
  /** What it asked of the store, with what it said of itself. */
  readonly calls: { readonly what: string; readonly atMs: number }[]
  /** The next call of this name waits until it is let go. */
  hold(what: string): { readonly begun: () => boolean; readonly letGo: () => void }
  isDraining: boolean
}

async function watched(heartbeatMs: number): Promise<Watched> {
  const store = await database.openStore()
  const calls: Watched['calls'] = []
  const gates = new Map<string, () => Promise<void>>()
  const note = async (what: string): Promise<void> => {
    calls.push({ what, atMs: performance.now() })
    const gate = gates.get(what)
    gates.delete(what)
    await gate?.()
  }
  const noted: Store = {
    ...store,
    async renewLease(nodeId, leaseMs, report) {
      await note(report.isDraining ? 'renewed, draining' : 'renewed')
      return store.renewLease(nodeId, leaseMs, report)
    },
    async readCluster() {
      await note('looked')
      return store.readCluster()
    },
    async freePartitions(nodeId) {
      await note('gave up')
      return store.freePartitions(nodeId)
    },
  }
  const watch: Watched = {
    calls,
    isDraining: false,
    leases: new LeaseHolder({
      store: noted,
      clock: systemClock,
      log: silentLogger,
      region: 'local',
      address: null,
      release: 'test',
      capacity: 1,
      workflows: [],
      leaseMs: 60_000,
      heartbeatMs,
      report: () => ({ ...IDLE, isDraining: watch.isDraining }),
      onLost: () => undefined,
      onWork: () => undefined,
      onDeath: () => undefined,
    }),
    hold(what) {
      let hasBegun = false
      let letGo: () => void = () => undefined
      const opened = new Promise<void>((resolve) => (letGo = resolve))
      gates.set(what, () => {
        hasBegun = true
        return opened
      })
      return { begun: () => hasBegun, letGo }
    },
  }
  await watch.leases.start()
  return watch
}

it('a drain that begins while a renewal is under way is told before the partitions are given up', async () => {
  const node = await watched(200)
  try {
    const renewal = node.hold('renewed')
    await eventually(renewal.begun)
    const from = node.calls.length
    node.isDraining = true
    node.leases.drain()
    renewal.letGo()
    await eventually(() => node.calls.some(({ what }) => what === 'gave up'))
    const after = node.calls.slice(from).map(({ what }) => what)
    expect(after.slice(0, 2)).toEqual(['renewed, draining', 'gave up'])
  } finally {
    await node.leases.stop()
  }
})

it('a hint that comes while a look is under way is followed by another look at once', async () => {
  const node = await watched(20_000)
  try {
    const waits: number[] = []
    for (let round = 0; round < 3; round++) {
      const look = node.hold('looked')
      await eventually(look.begun)
      node.leases.lookSoon()
      const from = node.calls.length
      const letGoMs = performance.now()
      look.letGo()
      await eventually(() => node.calls.length > from)
      waits.push((node.calls[from]?.atMs ?? Infinity) - letGoMs)
    }
    // It would look a second later anyway; what else the machine does can only add.
    expect(Math.min(...waits)).toBeLessThan(500)
  } finally {
    await node.leases.stop()
  }
})
