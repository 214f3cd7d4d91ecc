// The coordination of nodes under faults, in simulated time. The long form is `npm run simulate`, which also replays the
// seed that a failure here names.

import { describe, expect, it } from 'vitest'
import type { Bug } from './bugs.js'
import type { FaultKind } from './faults.js'
import { simulate, type Outcome, type SimulationOptions } from './simulate.js'

/** Of the first seeds, the first that breaks something. */
async function firstBroken(
  options: Omit<SimulationOptions, 'seed'> & { readonly seeds: number },
): Promise<Outcome | undefined> {
  const { seeds, ...rest } = options
  for (let seed = 1; seed <= seeds; seed++) {
    const outcome = await simulate({ ...rest, seed })
    if (outcome.violations.length > 0) return outcome
  }
  return undefined
}

describe('simulated nodes', () => {
  it.each([
    { nodes: 4, seeds: 30 },
    { nodes: 12, seeds: 4 },
  ])('keep all promises: $nodes nodes, $seeds seeds', async ({ nodes, seeds }) => {
    expect(await firstBroken({ nodes, seeds })).toBe(undefined)
  })

  it('do the same again for the same seed', async () => {
    const [first, second] = [await simulate({ seed: 7, nodes: 4 }), await simulate({ seed: 7, nodes: 4 })]
    expect(second).toEqual(first)
    expect(first.stepsBegun).toBeGreaterThan(10)
  })

  // Each was found within a quarter of the seeds that it is given here, from any first seed.
  it.each<{ bug: Bug; faults: FaultKind[]; seeds: number; finding: RegExp }>([
    { bug: 'late-trust', faults: ['slow', 'pause'], seeds: 100, finding: /ran out/ },
    { bug: 'blind-fence', faults: ['pause', 'kill'], seeds: 100, finding: /under claim/ },
    { bug: 'hasty-burial', faults: ['stall', 'crash'], seeds: 100, finding: /was buried/ },
    { bug: 'short-outage', faults: ['crash'], seeds: 200, finding: /was buried/ },
    { bug: 'eager-newcomer', faults: ['crash', 'join'], seeds: 100, finding: /was buried/ },
    { bug: 'stale-burial', faults: ['stall', 'slow'], seeds: 300, finding: /was buried/ },
  ])(
    'are caught with the bug $bug',
    async ({ bug, faults, seeds, finding }) => {
      const broken = await firstBroken({ nodes: 4, seeds, bug, faults, isCutShort: true })
      expect(broken?.violations[0]).toMatch(finding)
    },
    120_000,
  )
})
