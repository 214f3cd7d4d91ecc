// The capacity planner: more work never needs less, what was not measured is not told, and what is told follows from
// what was measured.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { maxCapacity, planCapacity, type Demand, type Measured } from '../../src/core/capacity.js'

const MEASURED: Measured = {
  workflowsPerSecond: 10_000,
  steps: 3,
  payloadBytes: 11,
  cpuMsNode: 0.1,
  cpuMsDatabase: 0.05,
  storedBytes: 1_500,
  walBytes: 3_000,
}

const measurements = fc.record({
  workflowsPerSecond: fc.double({ min: 1, max: 1e5, noNaN: true }),
  steps: fc.integer({ min: 0, max: 100 }),
  payloadBytes: fc.integer({ min: 0, max: 10_000 }),
  cpuMsNode: fc.double({ min: 0.001, max: 100, noNaN: true }),
  cpuMsDatabase: fc.option(fc.double({ min: 0.001, max: 100, noNaN: true })),
  storedBytes: fc.option(fc.double({ min: 1, max: 1e6, noNaN: true })),
  walBytes: fc.option(fc.double({ min: 1, max: 1e6, noNaN: true })),
})

const demands = fc.record({
  workflowsPerSecond: fc.double({ min: 0, max: 1e6, noNaN: true }),
  waiting: fc.integer({ min: 0, max: 1e9 }),
  steps: fc.integer({ min: 0, max: 1_000 }),
  payloadBytes: fc.integer({ min: 0, max: 1e6 }),
  regions: fc.integer({ min: 1, max: 20 }),
  keptDays: fc.double({ min: 0, max: 3_650, noNaN: true }),
  copies: fc.integer({ min: 1, max: 9 }),
  prices: fc.record({
    node: fc.double({ min: 0, max: 1e4, noNaN: true }),
    databaseCore: fc.double({ min: 0, max: 1e4, noNaN: true }),
    gigabyte: fc.double({ min: 0, max: 100, noNaN: true }),
  }),
})

const INPUTS = [
  'workflowsPerSecond',
  'waiting',
  'steps',
  'payloadBytes',
  'regions',
  'keptDays',
  'copies',
] as const

describe('more work', () => {
  test.each(INPUTS)('in %s never needs less of anything', (input) => {
    fc.assert(
      fc.property(measurements, demands, fc.integer({ min: 1, max: 1_000 }), (measured, demand, more) => {
        const less = planCapacity(measured, demand)
        const greater = planCapacity(measured, { ...demand, [input]: demand[input] + more })
        for (const [what, value] of Object.entries(greater)) {
          const before: unknown = Reflect.get(less, what)
          if (typeof before === 'number') expect({ what, is: value >= before }).toEqual({ what, is: true })
          else expect(value).toBe(before)
        }
      }),
    )
  })

  test.each(['node', 'databaseCore', 'gigabyte'] as const)(
    'for a higher price of a %s never costs less',
    (price) => {
      fc.assert(
        fc.property(measurements, demands, (measured, demand) => {
          const prices = { ...demand.prices, [price]: demand.prices[price] + 1 }
          const less = planCapacity(measured, demand).costPerMonth
          const greater = planCapacity(measured, { ...demand, prices }).costPerMonth
          expect(greater === null ? less : greater >= (less ?? Infinity)).toBe(greater === null ? null : true)
        }),
      )
    },
  )
})

test('so many nodes can do what so many nodes are planned for', () => {
  fc.assert(
    fc.property(measurements, fc.integer({ min: 1, max: 1_000 }), demands, (measured, nodes, demand) => {
      const { steps, payloadBytes } = demand
      const { workflowsPerSecond } = maxCapacity(nodes, measured, { steps, payloadBytes })
      const plan = (rate: number): number =>
        planCapacity(measured, { steps, payloadBytes, workflowsPerSecond: rate }).nodes
      expect(plan(workflowsPerSecond * 0.999_999)).toBe(nodes)
      expect(plan(workflowsPerSecond * 1.000_001)).toBe(nodes + 1)
    }),
  )
})

test('a fifth of what was measured stays free', () => {
  expect(maxCapacity(1, MEASURED).workflowsPerSecond).toBeCloseTo(8_000)
  // 8,000 workflows of 0.05 ms are 0.4 cores at work.
  expect(maxCapacity(1, MEASURED).databaseCores).toBeCloseTo(0.5)
  const plan = planCapacity(MEASURED, { workflowsPerSecond: 8_000, keptDays: 1 })
  expect(plan).toMatchObject({ nodes: 1, partitions: 64, databaseCores: 1, bytesPerWorkflow: 1_500 })
  expect(plan.databaseBytes).toBeCloseTo((8_000 * 86_400 * 1_500) / 0.8, -3)
  expect(planCapacity(MEASURED, { workflowsPerSecond: 8_001 }).nodes).toBe(2)
})

test('more steps and larger payloads are as many times the measured workflow as they store', () => {
  const demand: Demand = { workflowsPerSecond: 1, steps: 8, payloadBytes: 111 }
  // Ten events instead of five, each 100 bytes larger.
  expect(planCapacity(MEASURED, demand).bytesPerWorkflow).toBeCloseTo(2 * 1_500 + 10 * 100)
})

test('what was not measured is not guessed, nor is a cost that would hang on it', () => {
  const blind = { ...MEASURED, cpuMsDatabase: null, storedBytes: null, walBytes: null }
  const demand = { workflowsPerSecond: 100, waiting: 1_000, prices: { node: 10, databaseCore: 20 } }
  expect(planCapacity(blind, demand)).toMatchObject({
    nodes: 1,
    databaseCores: null,
    bytesPerDay: null,
    databaseBytes: null,
    costPerMonth: null,
  })
  expect(planCapacity(blind, { ...demand, prices: { node: 10 } }).costPerMonth).toBe(10)
  expect(planCapacity(MEASURED, { workflowsPerSecond: 100 }).costPerMonth).toBeNull()
})
