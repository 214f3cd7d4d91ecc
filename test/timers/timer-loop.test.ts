// When the timer loop asks the database, and for which partitions. A hand-held clock; the store only writes down what it
// is asked, because what a timer does is judged elsewhere (test/engine).

import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger, type Clock } from '../../src/core/ports.js'
import type { Store } from '../../src/store/store.js'
import { TimerLoop, type TimerHome } from '../../src/timers/timer-loop.js'
import { eventually } from '../support/wait.js'

/** Time stands still until it is moved. */
class HandClock implements Clock {
  nowMs = 10_000
  private readonly waiting = new Map<() => void, number>()
  wallMs = (): number => this.nowMs
  monotonicMs = (): number => this.nowMs
  after = (ms: number, callback: () => void): (() => void) => {
    this.waiting.set(callback, this.nowMs + ms)
    return () => this.waiting.delete(callback)
  }
  get next(): number {
    return Math.min(...this.waiting.values())
  }
  async move(ms: number): Promise<void> {
    this.nowMs += ms
    for (const [callback, dueMs] of this.waiting) {
      if (dueMs > this.nowMs) continue
      this.waiting.delete(callback)
      callback()
    }
    await eventually(() => this.waiting.size > 0, { what: 'the loop to sleep again' })
  }
}

const own: TimerHome = { region: 'local', partition: 1 }
const others: TimerHome = { region: 'local', partition: 2 }

let loop: TimerLoop | undefined
afterEach(async () => {
  await loop?.stop()
})

async function startLoop(nextInMs: number | null = null, taken: number[] = []) {
  const clock = new HandClock()
  const asked: number[][] = []
  const fired: number[][] = []
  const numbers = (homes: readonly { partition: number }[]): number[] =>
    homes.map(({ partition }) => partition)
  const store: Pick<Store, 'nextTimer' | 'fireTimers'> = {
    nextTimer: (homes) => {
      asked.push(numbers(homes))
      return Promise.resolve(nextInMs)
    },
    fireTimers: (homes) => {
      fired.push(numbers(homes))
      return Promise.resolve({ taken: taken.shift() ?? 0, nextInMs: null })
    },
  }
  loop = new TimerLoop({ store, clock, log: silentLogger, partitions: () => [own], onRung: () => undefined })
  loop.start()
  await eventually(() => asked.length === 1 && clock.next < Infinity, { what: 'the first look' })
  return { clock, asked, fired, loop }
}

describe('a loop with more due than a statement takes', () => {
  it('takes all of it at once, without a poll in between', async () => {
    const { clock, fired } = await startLoop(0, [1_000, 1_000, 1_000, 12])
    for (let turn = 0; turn < 3; turn++) await clock.move(0)
    expect(fired).toHaveLength(4)
  })
})

describe('an idle loop', () => {
  it('takes nothing, and asks once a second', async () => {
    const { clock, asked, fired } = await startLoop()
    for (let second = 0; second < 3; second++) await clock.move(1_000)
    expect(asked).toEqual([[1], [1], [1], [1]])
    expect(fired).toEqual([])
  })

  it('sleeps until the next timer that the database knows of', async () => {
    const { clock, fired } = await startLoop(300)
    await clock.move(299)
    expect(fired).toEqual([])
    await clock.move(10)
    expect(fired).toEqual([[1]])
  })
})

describe('a timer of an own run', () => {
  it('is taken when it is due, not at the next poll', async () => {
    const { clock, fired, loop: timers } = await startLoop()
    timers.noteDue(new Date(clock.nowMs + 200), own)
    await eventually(() => clock.next <= clock.nowMs + 205, { what: 'the loop to wake for it' })
    await clock.move(205)
    expect(fired).toEqual([[1]])
  })

  it('is taken from a partition that another node owns, too', async () => {
    const { clock, fired, loop: timers } = await startLoop()
    timers.noteDue(new Date(clock.nowMs + 200), others)
    await eventually(() => clock.next <= clock.nowMs + 205, { what: 'the loop to wake for it' })
    await clock.move(205)
    expect(fired).toEqual([[1, 2]])
  })

  it('is looked for once: afterwards the partition is its owner’s alone', async () => {
    const { clock, asked, fired, loop: timers } = await startLoop()
    timers.noteDue(new Date(clock.nowMs + 200), others)
    await eventually(() => clock.next <= clock.nowMs + 205, { what: 'the loop to wake for it' })
    await clock.move(205)
    await clock.move(1_000)
    expect(fired).toHaveLength(1)
    expect(asked.at(-1)).toEqual([1])
  })
})
