// Cerebelum among its rivals, through its public client. The third argument is the module to load the engine from:
// compiled in a benchmark, TypeScript in a test.

import { serve } from './contestant.mjs'

await serve(async (url, settings) => {
  const { module, schema, inFlight, lanes } = settings
  if (String(module).endsWith('.ts')) (await import('tsx/esm/api')).register()
  const { createEngine, workflow } = await import(String(module))
  const threeSteps = workflow({ name: 'three-steps' }, async (ctx, input) => {
    const one = await ctx.step('one', () => ({ value: input.n + 1 }))
    const two = await ctx.step('two', () => ({ value: one.value + 1 }))
    return ctx.step('three', () => ({ value: two.value + 1 }))
  })
  const engine = await createEngine({
    database: { url, schema },
    workflows: [threeSteps],
    capacity: Number(inFlight) * 2,
    lanes,
  })
  await engine.start()
  const call = async (n) => {
    const handle = await engine.client.start(threeSteps, { n })
    return (await handle.result()).value
  }
  return { work: call, call, stop: () => engine.stop() }
})
