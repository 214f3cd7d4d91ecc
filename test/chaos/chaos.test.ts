// The chaos run in its short form; `npm run chaos` is the long one.
//
// CEREBELUM_CHAOS_SEED: the faults and the load of an earlier run.

import { expect, inject, it } from 'vitest'
import { FAULT_KINDS, type FaultKind } from './plan.js'
import { runChaos } from './run.js'

const SEED = Number(process.env['CEREBELUM_CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

// On a machine that other tests use too: a few nodes, and little load.
it.each<[string, readonly FaultKind[]]>([
  ['whatever fails', FAULT_KINDS],
  ['however often nodes are killed', ['kill']],
])(
  `%s, nothing is lost, twice, early or left over (seed ${SEED})`,
  { timeout: 400_000 },
  async (_name, faults) => {
    const lines: string[] = []
    const isWhole = await runChaos({
      seed: SEED,
      rounds: 1,
      seconds: 8,
      nodes: 3,
      faults,
      rate: 8,
      ...(inject('databaseIsGiven') ? { databaseUrl: inject('databaseUrl') } : {}),
      say: (line) => void lines.push(line),
    })
    expect(isWhole, lines.join('\n')).toBe(true)
  },
)
