// The load of the throughput benchmark: three-step workflows through the public client, a fixed number of them in
// flight. A step is a no-op that returns a small JSON value; each result is checked.

import { performance } from 'node:perf_hooks'
import { createEngine, workflow, type Engine, type EngineOptions } from '../../src/index.js'
import type { Contestant, Slice } from '../harness/pairs.js'

export const threeSteps = workflow({ name: 'three-steps' }, async (ctx, input: { readonly n: number }) => {
  const one = await ctx.step('one', () => ({ value: input.n + 1 }))
  const two = await ctx.step('two', () => ({ value: one.value + 1 }))
  return ctx.step('three', () => ({ value: two.value + 1 }))
})

export interface ThreeSteps extends Contestant {
  /** Milliseconds from call to result, of the slices since the last call. */
  takeLatencies(): number[]
  readonly done: number
  stop(): Promise<void>
}

export async function startThreeSteps(options: {
  readonly database: EngineOptions['database']
  readonly inFlight: number
  readonly lanes: number
}): Promise<ThreeSteps> {
  const { database, inFlight, lanes } = options
  const engine = await createEngine({ database, workflows: [threeSteps], capacity: inFlight * 2, lanes })
  await engine.start()
  let latencies: number[] = []
  let done = 0
  let next = 0
  return {
    name: 'three-step workflows',
    get done() {
      return done
    },
    async run(seconds) {
      const slice = await runFor(engine, { seconds, inFlight, latencies, from: next })
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
  load: { seconds: number; inFlight: number; latencies: number[]; from: number },
): Promise<Slice> {
  const begun = performance.now()
  const until = begun + load.seconds * 1_000
  let n = load.from
  let units = 0
  const worker = async (): Promise<void> => {
    while (performance.now() < until) {
      const input = n++
      const startedAt = performance.now()
      const handle = await engine.client.start(threeSteps, { n: input })
      const result = await handle.result()
      if (result.value !== input + 3) throw new Error(`a result is wrong: ${JSON.stringify(result)}`)
      load.latencies.push(performance.now() - startedAt)
      units++
    }
  }
  await Promise.all(Array.from({ length: load.inFlight }, worker))
  return { units, seconds: (performance.now() - begun) / 1_000 }
}
