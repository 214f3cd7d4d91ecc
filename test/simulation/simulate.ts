// One run: a cluster of simulated machines on a simulated database, with work and faults drawn from a seed; then calm,
// until all work is done. The same seed gives the same run.

import { createHash } from 'node:crypto'
import type { Bug } from './bugs.js'
import { Chance } from './chance.js'
import { Cluster } from './cluster.js'
import { drawFaults, type FaultKind } from './faults.js'
import { drawJob, resultOf, startOf, startOn } from './jobs.js'
import { Timeline } from './timeline.js'
import type { Watch } from './watch.js'

export interface SimulationOptions {
  readonly seed: number
  readonly nodes: number
  readonly bug?: Bug | undefined
  /** Only these kinds of faults; default: some, drawn for each run. */
  readonly faults?: readonly FaultKind[] | undefined
  /** Ends with the faults: what has to come to an end is not waited for. */
  readonly isCutShort?: boolean
  /** Told of everything that happens, for a replay. */
  readonly trace?: ((line: string) => void) | undefined
}

export interface Outcome {
  readonly seed: number
  readonly violations: readonly string[]
  /** Of all that was written, and of how many things happened: equal for equal runs. */
  readonly digest: string
  readonly happened: number
  readonly simulatedMs: number
  readonly stepsBegun: number
  readonly burials: number
  readonly longest: Watch['longest']
}

const START_MS = 1_000_000
const CHAOS_MS = 10_000
/** What was lost with an answer is looked for by upkeep, twice half a minute apart. */
const END_MAX_MS = 120_000
const LOOK_MS = 100
/** Long enough for shares to settle, and for what was late to arrive. */
const SETTLE_MS = 5_000
const JOBS_MAX = 40
/** The partitions of an installation; and few, so that each is seen often. */
const PARTITIONS = 64
const PARTITIONS_FEW = 16

export async function simulate(options: SimulationOptions): Promise<Outcome> {
  const { seed, nodes, bug, trace = () => undefined } = options
  const chance = new Chance(seed)
  const timeline = new Timeline(START_MS)
  const cluster = new Cluster({
    timeline,
    chance: chance.branch(),
    partitions: nodes > 16 ? PARTITIONS : PARTITIONS_FEW,
    hosts: chance.pick([1, 2, 1_000]) ?? 1,
    hasHints: chance.chance(0.5),
    lossProbability: chance.pick([0, 0, 0.002, 0.02]) ?? 0,
    bug,
    trace,
  })
  const { watch, tables } = cluster
  const release = timeline.hold(chance.branch())
  const isBroken = (): boolean => watch.violations.length > 0
  const outcome = (): Outcome => {
    const written = JSON.stringify([[...tables.executions.rows.values()], tables.leases.partitions])
    return {
      seed,
      violations: watch.violations,
      digest: `${timeline.happened}:${createHash('sha256').update(written).digest('hex').slice(0, 16)}`,
      happened: timeline.happened,
      simulatedMs: timeline.nowMs - START_MS,
      stepsBegun: watch.stepsBegun,
      burials: watch.burials,
      longest: watch.longest,
    }
  }
  try {
    for (let n = 0; n < nodes; n++) timeline.after(chance.between(0, 100), () => cluster.join() !== undefined)
    const jobs = giveWork(cluster, timeline, chance)
    for (const fault of drawFaults(chance, CHAOS_MS, options.faults))
      timeline.after(fault.atMs, () => cluster.befall(fault))
    lookOn(watch, timeline)
    await timeline.run(START_MS + CHAOS_MS, isBroken)
    if (options.isCutShort === true) return outcome()
    if (!isBroken()) cluster.heal()
    await timeline.run(timeline.nowMs + SETTLE_MS, isBroken)
    const isDone = (): boolean => [...tables.executions.rows.values()].every((row) => row.closedAtMs !== null)
    // A start whose answer was lost may come late.
    for (let ms = 0; ms < END_MAX_MS && !isBroken() && !isDone(); ms += SETTLE_MS)
      await timeline.run(timeline.nowMs + SETTLE_MS, isBroken)
    if (!isBroken()) watch.lookBack(jobs.acknowledged, jobs.results)
  } catch (error) {
    watch.violation(String(error))
  } finally {
    for (const machine of cluster.machines) machine.kill()
    release()
  }
  return outcome()
}

interface Given {
  /** Starts that somebody was told of. */
  readonly acknowledged: Set<string>
  readonly results: Map<string, number>
}

/** Jobs come all the time, each through some node. */
function giveWork(cluster: Cluster, timeline: Timeline, chance: Chance): Given {
  const given: Given = { acknowledged: new Set(), results: new Map() }
  const count = 5 + chance.below(JOBS_MAX)
  for (let n = 0; n < count; n++) {
    const id = `job-${n}`
    const job = drawJob(chance)
    given.results.set(id, resultOf(job))
    timeline.after(chance.between(200, CHAOS_MS), () => {
      const machine = chance.pick(cluster.staying)
      if (machine === undefined || !machine.isAwake) return false
      void startOn(machine, startOf(id, job, machine.store)).then((isStarted) => {
        if (isStarted) given.acknowledged.add(id)
      })
      return true
    })
  }
  return given
}

function lookOn(watch: Watch, timeline: Timeline): void {
  timeline.after(LOOK_MS, () => {
    watch.look()
    lookOn(watch, timeline)
  })
}
