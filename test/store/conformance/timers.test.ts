// Timers: due ones ring their executions once, the oldest first; nothing rings early.

import { expect, test } from 'vitest'
import type { ExecutionKey } from '../../../src/core/execution.js'
import { conformance } from '../../support/conformance.js'
import { claimIn, commitOf, idsOf, Place, releaseOf, startClaimed } from '../../support/store-rows.js'

conformance('timers', (context) => {
  async function asleep(
    due: readonly (Date | number)[],
    partition = 0,
  ): Promise<{ place: Place; keys: ExecutionKey[] }> {
    const place = new Place()
    const keys = due.map((_, n) => place.key(`sleeper ${n}`, partition))
    await startClaimed(context.store, place.node('a'), keys)
    await context.store.commit(
      keys.map((key, n) => {
        const at = due[n] ?? 0
        const when = typeof at === 'number' ? { delayMs: at } : { dueAt: at }
        return { ...releaseOf(key, place.node('a')), events: [{ type: 'sleep_started', seq: 1, ...when }] }
      }),
    )
    return { place, keys }
  }

  test('a due timer rings its execution, once', async () => {
    const { place, keys } = await asleep([0])
    expect(await claimIn(context.store, place)).toEqual([])
    expect(await context.store.fireTimers(place.partitions(), 10)).toEqual({ taken: 1, nextInMs: null })
    expect(await context.store.fireTimers(place.partitions(), 10)).toEqual({ taken: 0, nextInMs: null })
    expect(idsOf(await claimIn(context.store, place))).toEqual(idsOf(keys.map((key) => ({ key }))))
  })

  test('one of the future does not ring, and tells when it will', async () => {
    const { place } = await asleep([3_600_000, new Date('2999-01-01')])
    const { taken, nextInMs } = await context.store.fireTimers(place.partitions(), 10)
    expect(taken).toBe(0)
    expect(nextInMs).toBeGreaterThan(3_500_000)
    expect(nextInMs).toBeLessThanOrEqual(3_600_000)
    expect(await context.store.nextTimer(place.partitions())).toBeGreaterThan(3_500_000)
    expect(await context.store.nextTimer(new Place().partitions())).toBeNull()
    expect(await claimIn(context.store, place)).toEqual([])
  })

  test('no more are taken than asked for, the oldest first', async () => {
    const days = ['2020-01-03', '2020-01-01', '2020-01-04', '2020-01-02']
    const { place, keys } = await asleep(days.map((day) => new Date(day)))
    const { taken, nextInMs } = await context.store.fireTimers(place.partitions(), 2)
    expect({ taken, nextInMs }).toEqual({ taken: 2, nextInMs: 0 })
    const oldest = [keys[1], keys[3]].flatMap((key) => (key === undefined ? [] : [{ key }]))
    expect(idsOf(await claimIn(context.store, place))).toEqual(idsOf(oldest))
    expect(await context.store.fireTimers(place.partitions(), 10)).toEqual({ taken: 2, nextInMs: null })
  })

  test('only the partitions asked for are looked at', async () => {
    const { place } = await asleep([0], 1)
    expect(await context.store.fireTimers(place.partitions(1), 10)).toEqual({ taken: 0, nextInMs: null })
    expect(await context.store.fireTimers([], 10)).toEqual({ taken: 0, nextInMs: null })
    expect(await context.store.fireTimers(place.partitions(2), 10)).toMatchObject({ taken: 1 })
  })

  test('many timers of one execution ring it once; two loops at once take each timer once', async () => {
    const place = new Place()
    const key = place.key('one')
    await startClaimed(context.store, place.node('a'), [key])
    const events = Array.from({ length: 40 }, (_, n) => ({
      type: 'sleep_started' as const,
      seq: n,
      dueAt: new Date(n * 1000),
    }))
    await context.store.commit([{ ...releaseOf(key, place.node('a')), events }])
    const taken = await Promise.all(
      [1, 2, 3, 4].map(async () => {
        const fired = await context.store.fireTimers(place.partitions(), 10)
        return fired.taken
      }),
    )
    const rest = await context.store.fireTimers(place.partitions(), 100)
    expect(taken.reduce((sum, count) => sum + count, rest.taken)).toBe(40)
    expect(await claimIn(context.store, place)).toHaveLength(1)
  })

  test('the timer of what is held rings for its holder', async () => {
    const place = new Place()
    const key = place.key('one')
    await startClaimed(context.store, place.node('a'), [key])
    await context.store.commit([
      commitOf(key, place.node('a'), { events: [{ type: 'sleep_started', seq: 1, delayMs: 0 }] }),
    ])
    await context.store.fireTimers(place.partitions(), 10)
    expect(await context.store.takeRung(place.node('a'), 10)).toMatchObject([{ key }])
  })

  test.each(['paused', 'dead'] as const)(
    'the timer of what is %s is taken and rings nobody',
    async (status) => {
      const place = new Place()
      const key = place.key('one')
      await startClaimed(context.store, place.node('a'), [key])
      await context.store.commit([
        {
          ...releaseOf(key, place.node('a'), { status }),
          events: [{ type: 'sleep_started', seq: 1, delayMs: 0 }],
        },
      ])
      expect(await context.store.fireTimers(place.partitions(), 10)).toEqual({ taken: 1, nextInMs: null })
      expect(await context.store.readExecutions([key])).toMatchObject([{ status, readyAt: null }])
    },
  )

  test('the timer of what is closed is taken and changes nothing', async () => {
    const { place, keys } = await asleep([0])
    for (const key of keys) await context.store.terminate(key, { type: 'terminated' })
    expect(await context.store.fireTimers(place.partitions(), 10)).toMatchObject({ taken: 1 })
    expect(await claimIn(context.store, place)).toEqual([])
  })
})
