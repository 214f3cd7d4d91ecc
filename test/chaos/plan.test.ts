// A seed that found something must find it again: what a plan is must depend on nothing but its options.

import { describe, expect, it } from 'vitest'
import { FAULT_KINDS, NODES_MAX, planRound, planText, SERVER_FAULTS } from './plan.js'

const OPTIONS = { seconds: 25, nodes: NODES_MAX, kinds: FAULT_KINDS }
const SEEDS = Array.from({ length: 200 }, (_, seed) => seed)

describe('a plan', () => {
  it('is the same for the same seed, and another for another', () => {
    const texts = SEEDS.map((seed) => planText(planRound({ ...OPTIONS, seed })))
    expect(SEEDS.map((seed) => planText(planRound({ ...OPTIONS, seed })))).toEqual(texts)
    expect(new Set(texts).size).toBe(SEEDS.length)
  })

  it('has every kind that is asked for and no other, in the order of time', () => {
    for (const seed of SEEDS) {
      const { actions } = planRound({ ...OPTIONS, seed })
      expect(new Set(actions.map(({ kind }) => kind))).toEqual(new Set(FAULT_KINDS))
      expect(actions.map(({ atMs }) => atMs)).toEqual(
        actions.map(({ atMs }) => atMs).toSorted((a, b) => a - b),
      )
      const few = planRound({ ...OPTIONS, seed, kinds: ['kill', 'clock'] })
      expect(new Set(few.actions.map(({ kind }) => kind))).toEqual(new Set(['kill', 'clock']))
    }
    expect(planRound({ ...OPTIONS, seed: 1, kinds: [] }).actions).toEqual([])
  })

  it('grows to as many nodes as may be, and shrinks to one', () => {
    for (const seed of SEEDS) {
      const amounts = planRound({ ...OPTIONS, seed }).actions.flatMap(({ kind, amount }) =>
        kind === 'scale' ? [amount] : [],
      )
      expect(amounts).toEqual(expect.arrayContaining([1, NODES_MAX]))
    }
  })

  it('does one thing at a time to the server, and touches only places that there are', () => {
    for (const seed of SEEDS) {
      const nodes = 1 + (seed % NODES_MAX)
      const { actions } = planRound({ ...OPTIONS, nodes, seed })
      const server = actions.filter(({ kind }) => SERVER_FAULTS.has(kind))
      for (const [index, { atMs, forMs }] of server.entries())
        expect(server[index + 1]?.atMs ?? Infinity).toBeGreaterThan(atMs + forMs)
      for (const { places } of actions) expect(Math.max(0, ...places)).toBeLessThan(nodes)
      for (const { kind, amount } of actions.filter((action) => action.kind === 'scale'))
        expect({ kind, isInBounds: amount >= 1 && amount <= nodes }).toEqual({ kind, isInBounds: true })
    }
  })
})
