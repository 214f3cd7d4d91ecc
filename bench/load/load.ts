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
  let latencies: number[][] = []
  let done = 0
  let next = 0
  return {
    name: shape.name,
    get done() {
      return done
    },
    async run(seconds) {
      const { slice, latencies: some } = await runLoad(engine, shape, { seconds, inFlight, from: next })
      latencies.push(some)
      next += slice.units
      done += slice.units
      return slice
    },
    takeLatencies() {
      const taken = latencies.flat()
      latencies = []
      return taken
    },
    stop: () => engine.stop(),
  }
}

/** So many in flight for so long; what is under way then is brought to its end. */
export async function runLoad(
  { client }: Engine,
  shape: Shape,
  load: { readonly seconds: number; readonly inFlight: number; readonly from: number },
): Promise<{ slice: Slice; latencies: number[] }> {
  const begun = performance.now()
  const until = begun + load.seconds * 1_000
  const latencies: number[] = []
  let n = load.from
  const worker = async (): Promise<void> => {
    while (performance.now() < until) {
      const startedAt = performance.now()
      await shape.run(client, n++)
      latencies.push(performance.now() - startedAt)
    }
  }
  await Promise.all(Array.from({ length: load.inFlight }, worker))
  return { slice: { units: latencies.length, seconds: (performance.now() - begun) / 1_000 }, latencies }
}
