// What becomes of firings, judged without a database: by every policy nothing is forgotten, nothing is started before it
// is due, and what is started comes in order.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  dueOf,
  type FiringState,
  type Firings,
  firingId,
  judgeFirings,
  JUDGED_MAX,
  OVERLAP_POLICIES,
  STARTS_MAX,
} from '../../src/core/schedule.js'
import { checkSpec, timesOf } from '../../src/core/schedule-spec.js'

const SECOND = 1_000
const next = timesOf(checkSpec({ every: SECOND }))
const at = (second: number): Date => new Date(second * SECOND)

function judge(state: Partial<FiringState>, nowSecond: number, isOpen = false): Firings {
  const full: FiringState = {
    scheduleId: 's',
    overlap: 'skip',
    jitterMs: 0,
    catchUpMs: 60 * SECOND,
    nextAt: at(100),
    bufferedAt: null,
    ...state,
  }
  return judgeFirings(full, { next, now: at(nowSecond), isOpen })
}

describe('a firing', () => {
  test('starts when it is due, not before, and the next is known', () => {
    expect(judge({}, 99.999)).toMatchObject({ starts: [], nextAt: at(100), dueAt: at(100), lastAt: null })
    expect(judge({}, 100)).toMatchObject({
      starts: [at(100)],
      nextAt: at(101),
      dueAt: at(101),
      lastAt: at(100),
    })
  })
  test('is missed when it is later than the window, to the millisecond', () => {
    const state = { catchUpMs: 10 * SECOND, overlap: 'allow' as const }
    expect(judge(state, 110)).toMatchObject({ missed: 0, starts: expect.objectContaining({ length: 11 }) })
    expect(judge(state, 110.001)).toMatchObject({
      missed: 1,
      starts: expect.objectContaining({ length: 10 }),
    })
  })
  test('that is put off by jitter is the same on every node, and within the jitter', () => {
    const due = dueOf({ scheduleId: 's', jitterMs: 500 }, at(100))
    expect(due).toEqual(dueOf({ scheduleId: 's', jitterMs: 500 }, at(100)))
    expect(due.getTime()).toBeGreaterThanOrEqual(at(100).getTime())
    expect(due.getTime()).toBeLessThan(at(100).getTime() + 500)
    const spread = Array.from({ length: 100 }, (_, n) =>
      dueOf({ scheduleId: `s${n}`, jitterMs: 500 }, at(100)),
    )
    expect(new Set(spread.map(Number)).size).toBeGreaterThan(60)
    expect(judge({ jitterMs: 500 }, due.getTime() / SECOND - 0.001).starts).toEqual([])
    expect(judge({ jitterMs: 500 }, due.getTime() / SECOND).starts).toEqual([at(100)])
  })
  test('gives its execution an id that says when it was meant', () => {
    expect(firingId('a/b', at(0))).toBe('a/b/1970-01-01T00:00:00.000Z')
  })
  test('is the last when its schedule ends', () => {
    const until = timesOf(checkSpec({ every: SECOND, until: at(101) }))
    const state: FiringState = {
      scheduleId: 's',
      overlap: 'allow',
      jitterMs: 0,
      catchUpMs: 60 * SECOND,
      nextAt: at(100),
      bufferedAt: null,
    }
    const judged = judgeFirings(state, { next: until, now: at(105), isOpen: false })
    expect(judged).toMatchObject({ starts: [at(100)], nextAt: null, dueAt: null })
  })
})

describe('several that are due together', () => {
  test('skip: the first starts, the others find it open', () => {
    expect(judge({}, 103)).toMatchObject({ starts: [at(100)], skipped: 3 })
  })
  test('buffer-one: the first starts, the second waits, the others are dropped', () => {
    expect(judge({ overlap: 'buffer-one' }, 103)).toMatchObject({
      starts: [at(100)],
      bufferedAt: at(101),
      skipped: 2,
    })
  })
  test('buffer-one: what waits goes first, and what is due waits in its place', () => {
    const state = { overlap: 'buffer-one' as const, bufferedAt: at(50) }
    expect(judge(state, 101)).toMatchObject({ starts: [at(50)], bufferedAt: at(100), skipped: 1 })
    expect(judge(state, 101, true)).toMatchObject({ starts: [], bufferedAt: at(50), skipped: 2 })
  })
  test('allow: all start', () => {
    expect(judge({ overlap: 'allow' }, 102, true).starts).toEqual([at(100), at(101), at(102)])
  })
  test('cancel-other: the other is asked to cancel, and the newest waits for it', () => {
    const judged = judge({ overlap: 'cancel-other' }, 102, true)
    expect(judged).toMatchObject({ starts: [], other: 'cancel', bufferedAt: at(102), skipped: 2 })
    expect(judge({ overlap: 'cancel-other' }, 102)).toMatchObject({ starts: [at(102)], skipped: 2 })
  })
  test('terminate-other: the newest starts in its place', () => {
    const judged = judge({ overlap: 'terminate-other' }, 102, true)
    expect(judged).toMatchObject({ starts: [at(102)], other: 'terminate', skipped: 2 })
    expect(judge({ overlap: 'terminate-other' }, 102)).not.toHaveProperty('other')
  })
})

const state = fc.record({
  scheduleId: fc.constantFrom('a', 'b'),
  overlap: fc.constantFrom(...OVERLAP_POLICIES),
  jitterMs: fc.constantFrom(0, 300, 5 * SECOND),
  catchUpMs: fc.constantFrom(10 * SECOND, 100 * SECOND, 10_000 * SECOND),
  nextAt: fc.constant(at(1_000)),
  bufferedAt: fc.option(fc.constant(at(900))),
})

test('every firing is started, kept, skipped or missed, once, and none before it is due', () => {
  fc.assert(
    fc.property(state, fc.integer({ min: 990, max: 1_400 }), fc.boolean(), (given, second, isOpen) => {
      const now = at(second)
      const judged = judgeFirings(given, { next, now, isOpen })
      const passed = (Number(judged.nextAt) - Number(given.nextAt)) / SECOND
      const kept = judged.bufferedAt === null ? 0 : 1
      const before = given.bufferedAt === null ? 0 : 1
      expect(judged.starts.length + judged.skipped + judged.missed + kept).toBe(passed + before)
      expect(passed).toBeLessThanOrEqual(JUDGED_MAX)
      expect(judged.starts.length).toBeLessThanOrEqual(STARTS_MAX)
      expect(judged.starts).toEqual(judged.starts.toSorted((a, b) => Number(a) - Number(b)))
      expect(new Set(judged.starts.map(Number)).size).toBe(judged.starts.length)
      for (const start of judged.starts) expect(Number(dueOf(given, start))).toBeLessThanOrEqual(Number(now))
      // What is not judged yet is due later, unless a bound was met: then it is looked at again at once.
      const isBounded = passed === JUDGED_MAX || judged.starts.length === STARTS_MAX
      if (!isBounded) expect(Number(judged.dueAt)).toBeGreaterThan(Number(now))
      if (given.overlap !== 'allow') expect(judged.starts.length).toBeLessThanOrEqual(1)
    }),
  )
})
