// Leases, partitions and what upkeep takes away. All of it shares one set of partitions, so each test gives back.

import { afterEach, expect, test } from 'vitest'
import type { ExecutionKey } from '../../../src/core/execution.js'
import { eventually } from '../../support/wait.js'
import { conformance } from '../../support/conformance.js'
import type { TakenOver } from '../../../src/store/store.js'
import {
  claimIn,
  commitOf,
  IDLE,
  idsOf,
  Place,
  signalTo,
  startClaimed,
  startRow,
  WORKFLOW,
} from '../../support/store-rows.js'

const LEASE = {
  region: 'local',
  address: null,
  release: '1.2.3',
  capacity: 10,
  workflows: ['w'],
  report: IDLE,
}

conformance('leases', (context) => {
  const joined: string[] = []
  afterEach(async () => {
    for (const nodeId of joined.splice(0)) await context.store.removeLease(nodeId)
  })

  async function join(nodeId: string, leaseMs = 3_600_000): Promise<string> {
    joined.push(nodeId)
    await context.store.insertLease({ ...LEASE, nodeId, leaseMs })
    return nodeId
  }

  async function leaseOf(nodeId: string) {
    const { leases } = await context.store.readCluster()
    return leases.find((lease) => lease.nodeId === nodeId)
  }

  /** Buries the dead and hands all that they held back. */
  async function reap(graceMs: number): Promise<string[]> {
    const dead = await context.store.buryLeases(graceMs)
    await context.store.takeOver({ dead, heir: null, crashesMax: 3, limit: 1_000 })
    return dead
  }

  function inherit(dead: string, nodeId: string): Promise<TakenOver> {
    const heir = { nodeId, workflows: [WORKFLOW] }
    return context.store.takeOver({ dead: [dead], heir, crashesMax: 3, limit: 100 })
  }

  async function holding(count: number, nodeId: string): Promise<{ place: Place; keys: ExecutionKey[] }> {
    const place = new Place()
    const keys = place.keys(count)
    await startClaimed(context.store, nodeId, keys)
    return { place, keys }
  }

  test('a node that joined is read by all, with what it can do and its load', async () => {
    const nodeId = await join(new Place().node('a'))
    expect(await leaseOf(nodeId)).toEqual({
      ...LEASE,
      nodeId,
      startedAt: expect.any(Date),
      renewedAt: expect.any(Date),
      expiresAt: expect.any(Date),
      expired: false,
    })
    const report = { ...IDLE, running: 3, lagMs: 1.5, zone: 'north', versions: { w: '2' } }
    expect(await context.store.renewLease(nodeId, 7_200_000, report)).toBe(true)
    const renewed = await leaseOf(nodeId)
    expect(renewed?.report).toEqual(report)
    expect(Number(renewed?.expiresAt) - Number(renewed?.startedAt)).toBeGreaterThan(7_100_000)
  })

  test('a lease that ran out is renewed as long as nobody has taken it away', async () => {
    const nodeId = await join(new Place().node('a'), 0)
    expect(await leaseOf(nodeId)).toMatchObject({ expired: true })
    expect(await context.store.renewLease(nodeId, 3_600_000, IDLE)).toBe(true)
    expect(await leaseOf(nodeId)).toMatchObject({ expired: false })
    expect(await reap(0)).not.toContain(nodeId)
    await context.store.removeLease(nodeId)
    expect(await context.store.renewLease(nodeId, 3_600_000, IDLE)).toBe(false)
  })

  test('reaping rings what a dead node held, counts the crash, and leaves the living alone', async () => {
    const dead = await join(new Place().node('dead'), 0)
    const alive = await join(new Place().node('alive'))
    const lost = await holding(5, dead)
    const kept = await holding(2, alive)
    expect(await reap(3_600_000)).not.toContain(dead)
    expect(await reap(0)).toContain(dead)
    expect(await leaseOf(dead)).toBeUndefined()
    expect(await leaseOf(alive)).toBeDefined()
    const claimed = await claimIn(context.store, lost.place)
    expect(idsOf(claimed)).toEqual(idsOf(lost.keys.map((key) => ({ key }))))
    expect(new Set(claimed.map(({ attempts }) => attempts))).toEqual(new Set([1]))
    expect(new Set(claimed.map(({ claimEpoch }) => claimEpoch))).toEqual(new Set([2]))
    expect(await claimIn(context.store, kept.place)).toEqual([])
    const [first] = lost.keys
    if (first === undefined) throw new Error('five keys')
    expect(await context.store.commit([commitOf(first, dead)])).toEqual([{ kind: 'lost' }])
  })

  test('what is held by a node that never had a lease is found and rung', async () => {
    const ghost = new Place().node('ghost')
    const { place, keys } = await holding(3, ghost)
    expect(await reap(0)).toContain(ghost)
    expect(idsOf(await claimIn(context.store, place))).toEqual(idsOf(keys.map((key) => ({ key }))))
  })

  test('several that reap at once hand everything back once', async () => {
    const dead = await join(new Place().node('dead'), 0)
    const { place, keys } = await holding(50, dead)
    await Promise.all([1, 2, 3].map(() => reap(0)))
    const claimed = await claimIn(context.store, place, { limit: 100 })
    expect(claimed).toHaveLength(keys.length)
    expect(new Set(claimed.map(({ attempts }) => attempts))).toEqual(new Set([1]))
  })

  test('what made no progress is counted crash by crash, waits longer each time, and is set aside in the end', async () => {
    const place = new Place()
    const [stuck, moving] = [place.key('stuck'), place.key('moving')]
    await startClaimed(context.store, place.node('0'), [stuck, moving])
    for (let crash = 1; crash <= 3; crash++) {
      const node = place.node(`${crash - 1}`)
      const progress = commitOf(moving, node, { claimEpoch: crash, expectedVersion: crash })
      expect(await context.store.commit([progress])).toMatchObject([{ kind: 'committed' }])
      expect(await reap(0)).toContain(node)
      const rows = await context.store.readExecutions([stuck, moving])
      expect(rows.map((row) => row?.attempts)).toEqual([crash, 1])
      expect(rows.map((row) => row?.status)).toEqual([crash < 3 ? 'running' : 'dead', 'running'])
      await context.sql`
        update executions set ready_at = now()
        where region = ${place.region}::text and ready_at is not null`
      const claimed = await claimIn(context.store, place, { nodeId: place.node(`${crash}`) })
      expect(claimed).toHaveLength(crash < 3 ? 2 : 1)
    }
    await context.store.removeLease(place.node('3'))
  })

  test('who had not run out when it was looked is not buried, however late the burial comes', async () => {
    const place = new Place()
    const dead = await join(place.node('dead'), 0)
    // In the next millisecond, because that is what an instant is told in.
    const readClock = async (): Promise<Date | undefined> =>
      (await context.sql<{ at: Date }[]>`select now() as at`)[0]?.at
    const joinedAt = (await readClock()) ?? new Date()
    const seenAt = await eventually(async () => {
      const at = await readClock()
      return at !== undefined && at > joinedAt && at
    })
    const late = await join(place.node('late'), 1)
    await eventually(async () => (await leaseOf(late))?.expired === true)
    const buried = await context.store.buryLeases(0, seenAt)
    expect([buried.includes(dead), buried.includes(late)]).toEqual([true, false])
    expect(await context.store.buryLeases(0)).toContain(late)
  })

  test('an heir takes what it can run straight from the dead, once, and the rest rings', async () => {
    const dead = await join(new Place().node('dead'), 0)
    const { place, keys } = await holding(5, dead)
    const foreign = place.key('foreign')
    await context.store.insertExecutions([startRow(foreign, { workflow: 'not mine', claimedBy: dead })])
    expect(await context.store.buryLeases(0)).toContain(dead)
    const heirs = [place.node('a'), place.node('b'), place.node('c')]
    const estates = await Promise.all(heirs.map((nodeId) => inherit(dead, nodeId)))
    const taken = estates.flatMap(({ claimed }) => claimed)
    expect(idsOf(taken)).toEqual(idsOf(keys.map((key) => ({ key }))))
    expect(estates.reduce((sum, { ended }) => sum + ended, 0)).toBe(6)
    expect(taken).toMatchObject(taken.map(() => ({ attempts: 1, claimEpoch: 2, version: 1 })))
    const rows = await context.store.readExecutions([...keys, foreign])
    expect(rows.map((row) => [row?.claimedBy !== null, row?.readyAt !== null])).toEqual([
      ...keys.map(() => [true, false]),
      [false, true],
    ])
    const [first] = taken
    const [owner] = rows.filter((row) => row?.key.executionId === first?.key.executionId)
    const holder = owner?.claimedBy ?? undefined
    if (first === undefined || holder === undefined) throw new Error('something was taken')
    const late = commitOf(first.key, dead)
    const next = commitOf(first.key, holder, { claimEpoch: 2 })
    expect(await context.store.commit([late])).toEqual([{ kind: 'lost' }])
    expect(await context.store.commit([next])).toMatchObject([{ kind: 'committed' }])
    for (const nodeId of heirs) await context.store.removeLease(nodeId)
  })

  test('nobody takes from a node that lives, and nobody what may have killed its node twice', async () => {
    const alive = await join(new Place().node('alive'))
    const kept = await holding(1, alive)
    expect(await inherit(alive, kept.place.node('heir'))).toEqual({ claimed: [], ended: 0 })
    const place = new Place()
    const [stuck, moving] = [place.key('stuck'), place.key('moving')]
    await startClaimed(context.store, place.node('0'), [stuck, moving])
    await context.settled(place)
    expect((await inherit(place.node('0'), place.node('1'))).claimed).toHaveLength(2)
    const progress = commitOf(moving, place.node('1'), { claimEpoch: 2 })
    expect(await context.store.commit([progress])).toMatchObject([{ kind: 'committed' }])
    await context.settled(place)
    const { claimed, ended } = await inherit(place.node('1'), place.node('2'))
    expect([idsOf(claimed), ended]).toEqual([[moving.executionId], 2])
    expect(await context.store.readExecutions([stuck])).toMatchObject([
      { claimedBy: null, attempts: 2, readyAt: expect.any(Date) },
    ])
    await context.store.removeLease(place.node('2'))
  })

  test('a node that leaves hands back at once, and it counts as no crash', async () => {
    const nodeId = await join(new Place().node('a'))
    const { place } = await holding(2, nodeId)
    await context.store.takePartitions(nodeId, [3])
    await context.settled(place)
    await context.store.removeLease(nodeId)
    await context.settled(place)
    expect(await claimIn(context.store, place)).toMatchObject([{ attempts: 0 }, { attempts: 0 }])
    const partitions = await context.store.readPartitions()
    expect(partitions[3]).toMatchObject({ partition: 3, owner: null })
  })

  test('partitions are taken by one, given back, and taken over from the dead', async () => {
    const a = await join(new Place().node('a'))
    const b = await join(new Place().node('b'))
    expect(await context.store.readPartitions()).toHaveLength(context.store.partitionCount)
    const taken = await context.store.takePartitions(a, [0, 1, 2])
    expect(taken.toSorted(ascending)).toEqual([0, 1, 2])
    const second = await context.store.takePartitions(b, [1, 2, 5])
    expect(second).toEqual([5])
    const epochs = async () => (await context.store.readPartitions()).slice(0, 3).map(({ epoch }) => epoch)
    const before = await epochs()
    // Asked again, it has them still.
    expect(await context.store.takePartitions(a, [0])).toEqual([0])
    expect(await epochs()).toEqual(before)
    await context.store.givePartitions(a, [0, 5])
    expect((await context.store.readPartitions())[5]).toMatchObject({ owner: b })
    expect(await context.store.takePartitions(b, [0])).toEqual([0])
    await context.store.removeLease(a)
    expect((await context.store.takePartitions(b, [0, 1, 2])).toSorted(ascending)).toEqual([0, 1, 2])
    expect((await epochs())[0]).toBeGreaterThan(before[0] ?? Infinity)
  })

  test('what a node reads of the cluster shows whether a partition changed hands', async () => {
    const nodeId = await join(new Place().node('a'))
    const seen = async () => (await context.store.readCluster()).partitionsEpoch
    const steps = [
      await seen(),
      await context.store.takePartitions(nodeId, [7]).then(seen),
      await context.store.givePartitions(nodeId, [7]).then(seen),
    ]
    expect(new Set(steps).size).toBe(3)
    expect(await seen()).toBe(steps[2])
  })

  test('nodes that reach for the same partitions at once get each to one', async () => {
    const nodes = await Promise.all(['a', 'b', 'c'].map((name) => join(new Place().node(name))))
    const all = Array.from({ length: 20 }, (_, n) => n)
    const taken = await Promise.all(nodes.map((nodeId) => context.store.takePartitions(nodeId, all)))
    expect(taken.flat().toSorted(ascending)).toEqual(all)
  })

  test('what was consumed long ago is swept, no more at a time than asked, and nothing else', async () => {
    const node = await join(new Place().node('a'))
    const { place, keys } = await holding(1, node)
    const [key] = keys
    if (key === undefined) throw new Error('one key')
    const ids = ['m1', 'm2', 'm3', 'fresh', 'unread']
    await context.store.sendMessages(
      ids.map((id) => signalTo(key, id)),
      100,
    )
    const consumed = ids.slice(0, 4).map((messageId) => ({ messageId }))
    await context.store.commit([commitOf(key, node, { consumed })])
    await context.sql`
      update signals set consumed_at = now() - interval '2 days'
      where region = ${place.region}::text and message_id in ('m1', 'm2', 'm3')`
    expect(await context.store.sweepConsumed(86_400_000, 2)).toBe(2)
    expect(await context.store.sweepConsumed(86_400_000, 2)).toBe(1)
    expect(await context.store.sweepConsumed(86_400_000, 2)).toBe(0)
    expect(await context.store.sendMessages([signalTo(key, 'fresh'), signalTo(key, 'm1')], 100)).toEqual([
      'duplicate',
      'accepted',
    ])
  })

  test('definitions are noted once each, from many nodes at once', async () => {
    const { region } = new Place()
    const definitions = Array.from({ length: 20 }, (_, n) => ({
      workflow: `${region} ${n % 10}`,
      version: `${n % 4}`,
    }))
    await Promise.all([
      context.store.registerDefinitions(definitions),
      context.store.registerDefinitions(definitions.toReversed()),
      context.store.registerDefinitions([]),
    ])
    const known = await context.store.readDefinitions()
    const mine = known.filter(({ workflow }) => workflow.startsWith(region))
    const wanted = new Set(definitions.map(({ workflow, version }) => `${workflow} ${version}`))
    expect(mine.map(({ workflow, version }) => `${workflow} ${version}`)).toEqual([...wanted].toSorted())
  })
})

function ascending(one: number, other: number): number {
  return one - other
}
