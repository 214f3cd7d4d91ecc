// What rivals answer is looked at before it is believed, and what it comes to is right; and where their packages are
// installed, one of them runs, so that the benchmark does not rot.

import { describe, expect, inject, it } from 'vitest'
import { openPlace } from '../harness/place.js'
import { peers } from '../load/peers.js'
import { areInstalled } from './install.js'
import { RIVALS } from './rivals.js'
import { bestOf, latenciesOf, parseAnswer, ratesOf, ratiosOf, type Answer } from './summary.js'

const slice = (units: number, seconds: number, latencies: number[] = []): Answer => ({
  units,
  seconds,
  cpu_ms: 1,
  latencies,
})

describe('an answer', () => {
  it('is taken as it is when it is one', () => {
    expect(parseAnswer({ units: 3, seconds: 2, cpu_ms: 1, latencies: [1.5], more: true })).toEqual({
      units: 3,
      seconds: 2,
      cpu_ms: 1,
      latencies: [1.5],
    })
  })

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a text', '3 units'],
    ['another message', { ready: true }],
    ['no time', { units: 3, seconds: 0, cpu_ms: 1, latencies: [] }],
    ['a negative amount', { units: -1, seconds: 1, cpu_ms: 1, latencies: [] }],
    ['no number', { units: Number.NaN, seconds: 1, cpu_ms: 1, latencies: [] }],
    ['a latency that is none', { units: 1, seconds: 1, cpu_ms: 1, latencies: ['2 ms'] }],
  ])('is refused: %s', (_name, message) => {
    expect(() => parseAnswer(message)).toThrow('no result of a slice')
  })
})

describe('slices come to', () => {
  it('a median rate and its range', () => {
    expect(ratesOf([slice(10, 1), slice(60, 2), slice(20, 1)])).toEqual({ per_second: 20, spread: [10, 30] })
  })

  it('ratios of neighbors, not a ratio of medians', () => {
    const ours = [slice(100, 1), slice(1_000, 1), slice(400, 1)]
    const theirs = [slice(10, 1), slice(50, 1), slice(40, 1)]
    expect(ratiosOf(ours, theirs)).toEqual({ ratio: 10, spread: [10, 20] })
  })

  it('percentiles over all calls', () => {
    expect(latenciesOf([slice(2, 1, [5, 1]), slice(1, 1, [3])])).toEqual({ p50_ms: 3, p99_ms: 5, calls: 3 })
  })

  it('the rival that comes nearest, of those that record steps if there are any', () => {
    const [slow, near, queue] = [
      { kind: 'durable', ratio: 60 },
      { kind: 'durable', ratio: 50 },
      { kind: 'queue', ratio: 3 },
    ]
    expect(bestOf([slow, near, queue])).toBe(near)
    expect(bestOf([queue])).toBe(queue)
    expect(() => bestOf([])).toThrow('at least one rival')
  })
})

const [dbos] = RIVALS
const isInstalled = dbos !== undefined && (await areInstalled([dbos]))

// `npm ci` in bench/peers brings the packages: they are no dependencies of Cerebelum, so a plain checkout lacks them.
it.skipIf(!isInstalled)(
  'a rival runs beside ours and its rows are counted (needs the packages of bench/peers)',
  async () => {
    const rivals = [dbos].flatMap((rival) =>
      rival === undefined ? [] : [{ ...rival, settings: rival.settings.slice(0, 1) }],
    )
    const place = await openPlace(inject('databaseUrl'))
    const options = { rivals, seconds: 1, rounds: 1, warmUpSeconds: 0.2, onProgress: () => undefined }
    try {
      if (!place.isPostgres) {
        await expect(peers(place, options)).rejects.toThrow('need PostgreSQL')
        return
      }
      const report = await peers(place, options)
      expect(report).toMatchObject({ name: 'peers', unit: 'workflows/s', runs: 1 })
      expect(report.ratio).toBeGreaterThan(0)
      const [peer] = report.peers
      expect(peer?.checked).toMatch(/^(\d+) ended, \d+ steps$/)
      expect(peer?.transactions).toBeGreaterThan(3)
      expect(peer?.cpu_ms_node).toBeGreaterThan(0)
      expect(peer?.p99_ms).toBeGreaterThanOrEqual(peer?.p50_ms ?? Number.NaN)
    } finally {
      await place.close()
    }
  },
  120_000,
)
