// Claims: each ready execution to exactly one node, the oldest first, never more than asked.

import { expect, test } from 'vitest'
import type { ExecutionKey } from '../../../src/core/execution.js'
import type { Claimed } from '../../../src/store/store.js'
import { conformance } from '../../support/conformance.js'
import {
  claimIn,
  commitOf,
  idsOf,
  Place,
  releaseOf,
  startClaimed,
  startRow,
  WORKFLOW,
} from '../../support/store-rows.js'

conformance('claims', (context) => {
  async function rung(place: Place, count: number, partition = 0): Promise<ExecutionKey[]> {
    const keys = Array.from({ length: count }, (_, n) => place.key(`rung ${partition} ${n}`, partition))
    await context.store.insertExecutions(keys.map((key) => startRow(key)))
    return keys
  }

  async function ringAt(key: { executionId: string }, at: string): Promise<void> {
    await context.sql`
      update executions set ready_at = ${at}::text::timestamptz where execution_id = ${key.executionId}::text`
  }

  test('a claim takes what is ready: claimed by the node, one epoch later, quiet', async () => {
    const place = new Place()
    const [key] = await rung(place, 1)
    const [claimed] = await claimIn(context.store, place, { nodeId: 'a' })
    expect(claimed).toEqual({
      key,
      workflow: WORKFLOW,
      workflowVersion: '1',
      run: 1,
      runVersion: 1,
      version: 1,
      claimEpoch: 1,
      inbox: 0,
      attempts: 0,
      parent: null,
      at: expect.any(Date),
      rungAt: expect.any(Date),
    })
    const [row] = await context.store.readExecutions(key === undefined ? [] : [key])
    expect(row).toMatchObject({ status: 'running', claimedBy: 'a', claimEpoch: 1, readyAt: null })
    expect(await claimIn(context.store, place)).toEqual([])
  })

  test('eight claims at once, of two pools, share 200 executions without one in common', async () => {
    const place = new Place()
    const keys = await rung(place, 200)
    const other = await context.database.openStore()
    const taken = await Promise.all(
      Array.from({ length: 8 }, async (_, n) => {
        const mine: Claimed[] = []
        const store = n % 2 === 0 ? context.store : other
        // A claim may come back short while others hold rows; what is left is taken in the end.
        for (let turn = 0; turn < 100 && mine.length < 25; turn++) {
          mine.push(...(await claimIn(store, place, { nodeId: `node ${n}`, limit: 5 })))
        }
        return mine
      }),
    )
    expect(idsOf(taken.flat())).toEqual(idsOf(keys.map((key) => ({ key }))))
  })

  test('a claim takes no more than asked, over all partitions, the oldest first', async () => {
    const place = new Place()
    const old = [place.key('old 0', 0), place.key('old 1', 1), place.key('old 2', 2)]
    await context.store.insertExecutions(old.map((key) => startRow(key)))
    for (const [n, key] of old.entries()) await ringAt(key, `2020-01-0${n + 1}`)
    for (const partition of [0, 1, 2]) await rung(place, 5, partition)
    const first = await claimIn(context.store, place, { partitions: 3, limit: 2 })
    expect(idsOf(first)).toEqual(idsOf(old.slice(0, 2).map((key) => ({ key }))))
    const second = await claimIn(context.store, place, { partitions: 3, limit: 4 })
    expect(second).toHaveLength(4)
    expect(idsOf(second)).toContain(old[2]?.executionId)
  })

  test('only the partitions asked for are looked at', async () => {
    const place = new Place()
    await rung(place, 3, 1)
    expect(await claimIn(context.store, place, { partitions: 1 })).toEqual([])
    expect(await claimIn(context.store, place, { partitions: 2 })).toHaveLength(3)
  })

  test('only the workflows asked for are taken, wherever they stand in the queue', async () => {
    const place = new Place()
    const foreign = place.keys(20)
    const known = place.key('known')
    await context.store.insertExecutions(foreign.map((key) => startRow(key, { workflow: 'foreign' })))
    await context.store.insertExecutions([startRow(known)])
    expect(await claimIn(context.store, place, { limit: 5 })).toMatchObject([{ key: known }])
    const request = { nodeId: 'a', partitions: place.partitions(), since: null, limit: 5 }
    expect(await context.store.claim({ ...request, workflows: [] })).toEqual([])
    expect(await context.store.claim({ ...request, workflows: ['foreign', 'x'] })).toHaveLength(5)
  })

  test('with a lower bound, older doorbells are left alone', async () => {
    const place = new Place()
    const [key] = await rung(place, 1)
    if (key === undefined) throw new Error('one key')
    await ringAt(key, '2020-01-01')
    expect(await claimIn(context.store, place, { since: new Date('2021-01-01') })).toEqual([])
    expect(await claimIn(context.store, place, { since: new Date('2019-01-01') })).toHaveLength(1)
  })

  test('a doorbell of the future rings when its time has come', async () => {
    const place = new Place()
    const [key] = await rung(place, 1)
    if (key === undefined) throw new Error('one key')
    await ringAt(key, '2999-01-01')
    expect(await claimIn(context.store, place)).toEqual([])
    await ringAt(key, '2020-01-01')
    expect(await claimIn(context.store, place)).toHaveLength(1)
  })

  test('a claim ends the last one: its holder appends nothing more', async () => {
    const place = new Place()
    const key = place.key('one')
    await startClaimed(context.store, 'a', [key])
    await context.store.commit([releaseOf(key, 'a', { status: 'running', readyInMs: 0 })])
    expect(await claimIn(context.store, place, { nodeId: 'a' })).toMatchObject([{ claimEpoch: 2 }])
    expect(await context.store.commit([commitOf(key, 'a')])).toEqual([{ kind: 'lost' }])
    expect(await context.store.commit([commitOf(key, 'a', { claimEpoch: 2 })])).toMatchObject([
      { kind: 'committed' },
    ])
  })
})
