// What an idle node is told by its look: what rings, what others are late with, and what is due next.

import { expect, test } from 'vitest'
import { conformance } from '../../support/conformance.js'
import { claimIn, Place, releaseOf, startClaimed, startRow, WORKFLOW } from '../../support/store-rows.js'
import type { Glance } from '../../../src/store/store.js'

conformance('glance', (context) => {
  function look(place: Place, lateMs = 0): Promise<Glance> {
    const partitions = place.partitions(3)
    return context.store.glance({ own: partitions, others: partitions, lateMs, workflows: [WORKFLOW] })
  }

  test('a doorbell that rings is seen until somebody answers, and late only after a while', async () => {
    const place = new Place()
    expect(await look(place)).toMatchObject({ isReady: false, isLate: false, timerInMs: null })
    await context.store.insertExecutions([startRow(place.key('one', 2))])
    expect(await look(place)).toMatchObject({ isReady: true, isLate: true })
    expect(await look(place, 3_600_000)).toMatchObject({ isReady: true, isLate: false })
    expect(await claimIn(context.store, place, { partitions: 3 })).toHaveLength(1)
    expect(await look(place)).toMatchObject({ isReady: false, isLate: false })
  })

  test('what this node cannot run, and what is to ring later, is not seen', async () => {
    const place = new Place()
    const [foreign, later] = [place.key('foreign'), place.key('later')]
    await context.store.insertExecutions([startRow(foreign, { workflow: 'not mine' })])
    await startClaimed(context.store, place.node('a'), [later])
    await context.store.commit([
      releaseOf(later, place.node('a'), { status: 'running', readyInMs: 3_600_000 }),
    ])
    expect(await look(place)).toMatchObject({ isReady: false, isLate: false })
  })

  test('the next timer of the own partitions is told in ms, one that is overdue as due', async () => {
    const place = new Place()
    const keys = [place.key('a', 0), place.key('b', 1), place.key('c', 2)]
    await startClaimed(context.store, place.node('a'), keys)
    const delays = [60_000, 3_600_000, 7_200_000]
    await context.store.commit(
      keys.map((key, n) => ({
        ...releaseOf(key, place.node('a')),
        events: [{ type: 'sleep_started' as const, seq: 1, delayMs: delays[n] ?? 0 }],
      })),
    )
    const { timerInMs } = await look(place)
    expect(timerInMs).toBeGreaterThan(0)
    expect(timerInMs).toBeLessThanOrEqual(60_000)
    await context.sql`
      update timers set due_at = now() - interval '1 minute' where region = ${place.region}::text and partition = 1`
    expect(await look(place)).toMatchObject({ timerInMs: 0 })
  })
})
