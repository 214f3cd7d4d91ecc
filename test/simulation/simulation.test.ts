// The coordination of nodes under faults, in simulated time. The long form is `npm run simulate`, which also replays the
// seed that a failure here names.

import { describe, expect, it } from 'vitest'
import { BUGS, isBug } from './bugs.js'
import { simulate, type Outcome } from './simulate.js'

/** A bug that is put back has to show itself within so many seeds; each was found within a quarter of them. */
const SEEDS_TO_FIND = 200

async function firstBroken(options: {
  readonly seeds: number
  readonly nodes: number
  readonly bug?: string
}): Promise<Outcome | undefined> {
  const { seeds, nodes, bug = '' } = options
  for (let seed = 1; seed <= seeds; seed++) {
    const outcome = await simulate({ seed, nodes, bug: isBug(bug) ? bug : undefined })
    if (outcome.violations.length > 0) return outcome
  }
  return undefined
}

describe('simulated nodes', () => {
  it.each([
    { nodes: 4, seeds: 40 },
    { nodes: 12, seeds: 4 },
  ])('keep all promises: $nodes nodes, $seeds seeds', async ({ nodes, seeds }) => {
    expect(await firstBroken({ nodes, seeds })).toBe(undefined)
  })

  it('do the same again for the same seed', async () => {
    const [first, second] = [await simulate({ seed: 7, nodes: 4 }), await simulate({ seed: 7, nodes: 4 })]
    expect(second).toEqual(first)
    expect(first.stepsBegun).toBeGreaterThan(10)
  })

  it.each(Object.keys(BUGS))('are caught with the bug "%s"', async (bug) => {
    expect(await firstBroken({ nodes: 4, seeds: SEEDS_TO_FIND, bug })).toBeDefined()
  })
})
