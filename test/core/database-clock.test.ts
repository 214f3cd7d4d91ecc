// The estimate of the database's time: near to the truth, and never past it.

import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { DatabaseClock } from '../../src/core/database-clock.js'
import type { Clock } from '../../src/core/ports.js'

class HandClock implements Clock {
  nowMs = 1_000
  wallMs = (): number => 0
  monotonicMs = (): number => this.nowMs
  after = (): (() => void) => () => undefined
}

it('knows nothing before the first sample', () => {
  expect(new DatabaseClock(new HandClock()).now()).toBeUndefined()
})

it('is never past the true time, however late the answers come', () => {
  const sample = fc.record({
    waitMs: fc.integer({ min: 0, max: 100_000 }),
    travelMs: fc.integer({ min: 0, max: 5_000 }),
  })
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 50 }), (samples) => {
      const clock = new HandClock()
      const database = new DatabaseClock(clock)
      const trueMs = (): number => clock.nowMs + 1_700_000_000_000
      for (const { waitMs, travelMs } of samples) {
        const told = new Date(trueMs())
        clock.nowMs += travelMs
        database.note(told)
        clock.nowMs += waitMs
        expect(database.now()?.getTime()).toBeLessThanOrEqual(trueMs())
      }
    }),
  )
})

it('follows the sample that traveled fastest', () => {
  const clock = new HandClock()
  const database = new DatabaseClock(clock)
  database.note(new Date(5_000))
  // Told at 5,900 of the database, 1,000 ms after the first: it took 100 ms longer to arrive.
  clock.nowMs += 1_000
  database.note(new Date(5_900))
  expect(database.now()?.getTime()).toBeGreaterThanOrEqual(5_999)
})
