// Doorbells: none is lost, whatever it races with. What is held rings for its holder; what is nobody's and silent is
// rung by upkeep.

import { expect, test } from 'vitest'
import type { ExecutionKey } from '../../../src/core/execution.js'
import { conformance } from '../../support/conformance.js'
import { eventually } from '../../support/wait.js'
import {
  claimIn,
  commitOf,
  idsOf,
  Place,
  releaseOf,
  signalTo,
  startClaimed,
  startRow,
} from '../../support/store-rows.js'

const INBOX_MAX = 1_000

conformance('doorbells', (context) => {
  async function claimed(count: number): Promise<{ place: Place; keys: ExecutionKey[]; node: string }> {
    const place = new Place()
    const keys = place.keys(count)
    await startClaimed(context.store, place.node('a'), keys)
    return { place, keys, node: place.node('a') }
  }

  test('signals that race releases: each release says that it was rung, or leaves the doorbell to ring', async () => {
    const { place, keys, node } = await claimed(120)
    const [releases, signals] = await Promise.all([
      Promise.all(
        [0, 1, 2].map((lane) =>
          context.store.commit(keys.filter((_, n) => n % 3 === lane).map((key) => releaseOf(key, node))),
        ),
      ),
      Promise.all(
        [0, 1, 2, 3].map((lane) =>
          context.store.sendMessages(
            keys.filter((_, n) => n % 4 === lane).map((key) => signalTo(key, 'm')),
            INBOX_MAX,
          ),
        ),
      ),
    ])
    expect(new Set(releases.flat().map(({ kind }) => kind))).toEqual(new Set(['committed']))
    expect(new Set(signals.flat())).toEqual(new Set(['accepted']))
    expect(idsOf(await claimIn(context.store, place, { limit: 1_000 }))).toEqual(
      idsOf(keys.map((key) => ({ key }))),
    )
  })

  test('a signal that came before the release is told by it', async () => {
    const { keys, node } = await claimed(2)
    const [first, second] = keys
    if (first === undefined || second === undefined) throw new Error('two keys')
    await context.store.sendMessages([signalTo(first, 'm')], INBOX_MAX)
    expect(await context.store.commit([first, second].map((key) => releaseOf(key, node)))).toMatchObject([
      { kind: 'committed', rung: true },
      { kind: 'committed', rung: false },
    ])
  })

  test('what rings while it is held is told to its holder once, with its inbox', async () => {
    const { place, keys, node } = await claimed(3)
    const [rung, , other] = keys
    if (rung === undefined || other === undefined) throw new Error('three keys')
    await context.store.sendMessages([signalTo(rung, 'm1'), signalTo(rung, 'm2')], INBOX_MAX)
    expect(await claimIn(context.store, place)).toEqual([])
    expect(await context.store.takeRung(place.node('b'), 10)).toEqual([])
    expect(await context.store.takeRung(node, 10)).toEqual([
      { key: rung, claimEpoch: 1, inbox: 2, at: expect.any(Date) },
    ])
    expect(await context.store.takeRung(node, 10)).toEqual([])
    await context.store.sendMessages([signalTo(other, 'm')], INBOX_MAX)
    expect(await context.store.takeRung(node, 10)).toMatchObject([{ key: other }])
  })

  test('no more are taken than asked for, the oldest first; the rest goes on ringing', async () => {
    const { keys, node } = await claimed(6)
    for (const key of keys.toReversed()) await context.store.sendMessages([signalTo(key, 'm')], INBOX_MAX)
    const first = await context.store.takeRung(node, 2)
    expect(idsOf(first)).toEqual(idsOf(keys.slice(4).map((key) => ({ key }))))
    expect(await context.store.takeRung(node, 10)).toHaveLength(4)
  })

  test('what its holder does not want now goes on ringing', async () => {
    const { keys, node } = await claimed(2)
    await context.store.sendMessages(
      keys.map((key) => signalTo(key, 'm')),
      INBOX_MAX,
    )
    const wanted = keys[0]?.executionId
    const taken = await context.store.takeRung(node, 10, ({ key }) => key.executionId === wanted)
    expect(taken).toMatchObject([{ key: { executionId: wanted } }])
    expect(await context.store.takeRung(node, 10)).toMatchObject([{ key: keys[1] }])
  })

  test('a timer that rings while the taking waits for a lock is due by the time that the taking tells', async () => {
    const { place, keys, node } = await claimed(2)
    const [first, second] = keys.toSorted((a, b) => (a.executionId < b.executionId ? -1 : 1))
    if (first === undefined || second === undefined) throw new Error('two keys')
    await context.store.sendMessages([signalTo(first, 'm'), signalTo(second, 'm')], INBOX_MAX)
    const sql = context.database.connect({ max: 1 })
    await sql`begin`
    await sql`select 1 from executions where execution_id = ${first.executionId} for update`
    const taking = context.store.takeRung(node, 10)
    // It has begun, and waits for the first row; the timer of the second is due later.
    if (context.store.dialect === 'postgres') {
      await eventually(async () => (await context.sql`select 1 from pg_locks where not granted`).length > 0)
    }
    const dueAt = new Date(Date.now() + 100)
    const sleep = { type: 'sleep_started', seq: 1, dueAt } as const
    await context.store.commit([commitOf(second, node, { events: [sleep] })])
    await eventually(async () => (await context.store.fireTimers(place.partitions(), 10)).taken === 1)
    await sql`commit`
    const rung = (await taking).find(({ key }) => key.executionId === second.executionId)
    // Taken with a time at which the timer is due, or left to ring: as it was before, or after it was taken too soon.
    const last = rung === undefined || rung.at < dueAt ? await context.store.takeRung(node, 10) : [rung]
    expect(last).toHaveLength(1)
    expect(last[0]?.at.getTime()).toBeGreaterThanOrEqual(dueAt.getTime())
  })

  test('signals that race the taking: each is in an inbox that was told, or rings still', async () => {
    const { keys, node } = await claimed(30)
    const told = new Map<string, number>()
    const take = async (): Promise<void> => {
      for (const { key, inbox } of await context.store.takeRung(node, 100)) {
        told.set(key.executionId, Math.max(inbox, told.get(key.executionId) ?? 0))
      }
    }
    const send = (n: number): Promise<unknown> =>
      context.store.sendMessages(
        keys.map((key) => signalTo(key, `m${n}`)),
        INBOX_MAX,
      )
    await Promise.all([send(1), take(), send(2), take(), send(3), take(), send(4), take()])
    await take()
    expect(keys.map((key) => told.get(key.executionId))).toEqual(keys.map(() => 4))
  })

  test('what a node holds by the word of the database can be asked for, and no more than that', async () => {
    const { place, keys, node } = await claimed(4)
    const [released] = keys
    if (released === undefined) throw new Error('four keys')
    await context.store.commit([releaseOf(released, node)])
    const held = await context.store.findHeld(node, 10)
    expect(idsOf(held)).toEqual(idsOf(keys.slice(1).map((key) => ({ key }))))
    expect(new Set(held.map(({ claimEpoch }) => claimEpoch))).toEqual(new Set([1]))
    expect(await context.store.findHeld(node, 2)).toHaveLength(2)
    expect(await context.store.findHeld(place.node('b'), 10)).toEqual([])
  })

  test('upkeep rings what is running, claimed by nobody and silent, and nothing else', async () => {
    const { place, keys, node } = await claimed(5)
    const [wiped, held, waiting, closed, paused] = keys
    if (!wiped || !held || !waiting || !closed || !paused) throw new Error('five keys')
    await context.store.commit([
      releaseOf(waiting, node),
      releaseOf(paused, node, { status: 'paused' }),
      commitOf(closed, node, {
        events: [{ type: 'completed' }],
        transition: { kind: 'close', status: 'completed' },
      }),
    ])
    await context.sql`update executions set claimed_by = null where execution_id = ${wiped.executionId}::text`
    await context.settled(place)
    expect(await context.store.sweepStranded(place.partitions(), 10)).toBe(1)
    expect(await context.store.sweepStranded(place.partitions(), 10)).toBe(0)
    expect(await claimIn(context.store, place)).toMatchObject([{ key: wiped }])
  })

  test('upkeep rings no more than asked, and only in its partitions', async () => {
    const place = new Place()
    const keys = [
      ...place.keys(4, 0),
      ...place.keys(4, 1).map((key) => ({ ...key, executionId: `${key.executionId}x` })),
    ]
    await context.store.insertExecutions(keys.map((key) => startRow(key)))
    await context.sql`update executions set ready_at = null where region = ${place.region}::text`
    await context.settled(place)
    expect(await context.store.sweepStranded(place.partitions(1), 3)).toBe(3)
    await context.settled(place)
    expect(await context.store.sweepStranded(place.partitions(1), 3)).toBe(1)
    await context.settled(place)
    expect(await context.store.sweepStranded(place.partitions(2), 10)).toBe(4)
  })

  test('executions named are rung if they are silent and nobody has them', async () => {
    const { place, keys } = await claimed(3)
    const [wiped, held] = keys
    if (!wiped || !held) throw new Error('three keys')
    await context.sql`update executions set claimed_by = null where execution_id = ${wiped.executionId}::text`
    expect(await context.store.ringStranded([wiped, held, place.key('none')])).toBe(1)
    expect(await context.store.ringStranded([wiped])).toBe(0)
    expect(await context.store.ringStranded([])).toBe(0)
    expect(await claimIn(context.store, place)).toMatchObject([{ key: wiped }])
  })
})
