// Units of a shape through the public client, a fixed number of them in flight, or at a given rate.

import { performance } from 'node:perf_hooks'
import { createEngine, type Engine, type EngineOptions } from '../../src/index.js'
import type { Contestant, Slice } from '../harness/pairs.js'
import type { Shape } from './shapes.js'

export interface Load extends Contestant {
  /** Milliseconds from call to result, of the slices since the last call. */
  takeLatencies(): number[]
  readonly done: number
  stop(): Promise<void>
}

export async function startLoad(
  shape: Shape,
  options: {
    readonly database: EngineOptions['database']
    readonly inFlight: number
    readonly lanes: number
  },
): Promise<Load> {
  const { database, inFlight, lanes } = options
  const engine = await createEngine({
    database,
    workflows: shape.workflows,
    capacity: inFlight * shape.executions * 2,
    lanes,
    cache: { executionsMax: Math.max(10_000, inFlight * shape.executions * 2) },
  })
  await engine.start()
  let latencies: number[] = []
  let done = 0
  let next = 0
  return {
    name: shape.name,
    get done() {
      return done
    },
    async run(seconds) {
      const slice = await runFor(engine, shape, { seconds, inFlight, latencies, from: next })
      next += slice.units
      done += slice.units
      return slice
    },
    takeLatencies() {
      const taken = latencies
      latencies = []
      return taken
    },
    stop: () => engine.stop(),
  }
}

async function runFor(
  engine: Engine,
  shape: Shape,
  load: { seconds: number; inFlight: number; latencies: number[]; from: number },
): Promise<Slice> {
  const begun = performance.now()
  const until = begun + load.seconds * 1_000
  let n = load.from
  let units = 0
  const worker = async (): Promise<void> => {
    while (performance.now() < until) {
      const startedAt = performance.now()
      await shape.run(engine.client, n++)
      load.latencies.push(performance.now() - startedAt)
      units++
    }
  }
  await Promise.all(Array.from({ length: load.inFlight }, worker))
  return { units, seconds: (performance.now() - begun) / 1_000 }
}
