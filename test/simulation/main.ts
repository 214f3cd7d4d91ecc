// `npm run simulate -- --seeds 1000 --nodes 5 --seed 1 [--bug late-trust] [--trace]`: many runs one after the other, each
// from its own seed; what breaks is printed with the seed, and the run with --trace shows everything that happened.

import { parseArgs } from 'node:util'
import { BUGS, isBug } from './bugs.js'
import { FAULT_KINDS } from './faults.js'
import { simulate } from './simulate.js'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    nodes: { type: 'string', default: '4' },
    bug: { type: 'string' },
    /** Of which kinds, with commas; default: some, drawn for each run. */
    faults: { type: 'string' },
    trace: { type: 'boolean', default: false },
    /** Goes on behind the first that breaks. */
    all: { type: 'boolean', default: false },
  },
})

const bug = values.bug
if (bug !== undefined && !isBug(bug)) throw new Error(`--bug is one of: ${Object.keys(BUGS).join(', ')}`)
const faults = values.faults?.split(',').map((name) => {
  const kind = FAULT_KINDS.find((known) => known === name)
  if (kind === undefined) throw new Error(`--faults are some of: ${FAULT_KINDS.join(', ')}`)
  return kind
})
const first = Number(values.seed)
const count = values.trace ? 1 : Number(values.seeds)
const nodes = Number(values.nodes)
const trace = values.trace ? (line: string): void => console.log(line) : undefined
const begunMs = performance.now()
const sum = { runs: 0, broken: 0, simulatedMs: 0, steps: 0, burials: 0 }
const longest: Record<string, { readonly ms: number; readonly seed: number }> = {}

for (let seed = first; seed < first + count; seed++) {
  const outcome = await simulate({ seed, nodes, bug, faults, trace })
  sum.runs++
  sum.simulatedMs += outcome.simulatedMs
  sum.steps += outcome.stepsBegun
  sum.burials += outcome.burials
  for (const [what, ms] of Object.entries(outcome.longest))
    if (ms >= (longest[what]?.ms ?? 0)) longest[what] = { ms: Math.round(ms), seed }
  if (values.trace) console.log(outcome)
  if (outcome.violations.length === 0) continue
  sum.broken++
  console.log(`seed ${seed}, ${nodes} nodes: ${outcome.violations[0]}`)
  if (!values.all) break
}

const minutes = (performance.now() - begunMs) / 60_000
console.log({
  ...sum,
  seedsPerMinute: Math.round(sum.runs / minutes),
  timesFaster: Math.round(sum.simulatedMs / 60_000 / minutes),
  longest,
})
process.exitCode = sum.broken === 0 ? 0 : 1
