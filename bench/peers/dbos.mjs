// DBOS Transact: a registered workflow of three `runStep`s, started directly; `getResult` of a workflow of the same
// process is told in the process.

import { DBOS } from '@dbos-inc/dbos-sdk'
import { serve } from './contestant.mjs'

await serve(async (url, { connections }) => {
  DBOS.setConfig({
    name: 'bench',
    systemDatabaseUrl: url,
    systemDatabasePoolSize: Number(connections),
    logLevel: 'error',
    // A version of its own for each hash of the code would be looked up otherwise.
    applicationVersion: '1',
  })
  const threeSteps = DBOS.registerWorkflow(
    async (n) => {
      const one = await DBOS.runStep(async () => ({ value: n + 1 }), { name: 'one' })
      const two = await DBOS.runStep(async () => ({ value: one.value + 1 }), { name: 'two' })
      return DBOS.runStep(async () => ({ value: two.value + 1 }), { name: 'three' })
    },
    { name: 'three-steps' },
  )
  await DBOS.launch()
  const call = async (n) => {
    const handle = await DBOS.startWorkflow(threeSteps)(n)
    return (await handle.getResult()).value
  }
  return { work: call, call, stop: () => DBOS.shutdown() }
})
