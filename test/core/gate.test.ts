// Gates, judged: how many may pass, and when it is worth another look.

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { gateIdOf, nextLookMs, roomOf, tokensOf, type SeenGate } from '../../src/core/gate.js'

const limited = (runningMax: number, held: number): SeenGate => ({ runningMax, held, bucket: null })
const rated = (tokens: number, sinceMs = 0): SeenGate => ({
  runningMax: null,
  held: 0,
  bucket: { tokensMax: 4, refillMs: 100, tokens, sinceMs },
})

describe('room', () => {
  it('is what the limit leaves, and none when it was lowered below those inside', () => {
    expect(roomOf(limited(5, 3), 100)).toBe(2)
    expect(roomOf(limited(5, 3), 1)).toBe(1)
    expect(roomOf(limited(5, 9), 100)).toBe(0)
  })

  it('is whole tokens, of which there are never more than the bucket holds', () => {
    expect(roomOf(rated(0.5), 100)).toBe(0)
    expect(roomOf(rated(0.5, 50), 100)).toBe(1)
    expect(roomOf(rated(1, 1_000_000), 100)).toBe(4)
    expect(tokensOf(rated(2, -50))).toBe(2)
  })

  it('lets through at most the burst and what the span refills, in any window of any run of looks', () => {
    const looks = fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 500 }), want: fc.nat(10) }), {
      maxLength: 50,
    })
    fc.assert(
      fc.property(looks, (steps) => {
        let tokens = 4
        let nowMs = 0
        const passed: number[] = []
        for (const { afterMs, want } of steps) {
          nowMs += afterMs
          const gate = rated(tokens, afterMs)
          const through = Math.min(want, roomOf(gate, 100))
          tokens = tokensOf(gate) - through
          for (let n = 0; n < through; n++) passed.push(nowMs)
        }
        for (const [first, fromMs] of passed.entries()) {
          for (const [last, toMs] of passed.entries()) {
            if (last >= first) expect(last - first + 1).toBeLessThanOrEqual(4 + (toMs - fromMs) / 100 + 1e-9)
          }
        }
      }),
    )
  })
})

describe('the next look', () => {
  const waits = { passed: 0, waits: true, isEmpty: false }

  it('is when the next token is there, while somebody waits for it', () => {
    expect(nextLookMs(rated(0.25), waits)).toBe(75)
    expect(nextLookMs(rated(2), { ...waits, passed: 2 })).toBe(100)
  })

  it('is within a second where a place is waited for: who ended may have died before telling', () => {
    expect(nextLookMs(limited(1, 1), waits)).toBe(1_000)
  })

  it('is far off where nobody waits, and never for a gate that has served its time', () => {
    expect(nextLookMs(limited(5, 3), { passed: 0, waits: false, isEmpty: false })).toBe(600_000)
    expect(nextLookMs(limited(5, 0), { passed: 0, waits: false, isEmpty: true })).toBeNull()
    expect(nextLookMs(rated(4), { passed: 0, waits: false, isEmpty: true })).toBeNull()
    expect(nextLookMs(rated(1), { passed: 0, waits: false, isEmpty: true })).toBe(300)
  })
})

it('a gate is of one workflow, rule and key, however their names run into each other', () => {
  const ids = [
    gateIdOf('a', 'b', 'c'),
    gateIdOf('a', 'bc', null),
    gateIdOf('ab', '', 'c'),
    gateIdOf('a', 'b', null),
  ]
  expect(new Set(ids).size).toBe(4)
})
