// OpenWorkflow: client and worker in one process. `result()` asks once a second, so throughput is not measured by it:
// there the last line of the workflow tells of its end.

import { Ends, serve } from './contestant.mjs'

await serve(async (url, { connections, concurrency }) => {
  // Its driver takes a Unix socket from the environment only.
  const { hostname, port, username, password, pathname, searchParams } = new URL(url)
  Object.assign(process.env, {
    PGHOST: searchParams.get('host') ?? hostname,
    PGPORT: port || '5432',
    PGUSER: decodeURIComponent(username),
    PGUSERNAME: decodeURIComponent(username),
    PGPASSWORD: decodeURIComponent(password),
  })
  const { OpenWorkflow } = await import('openworkflow')
  const { BackendPostgres } = await import('openworkflow/postgres')
  const backend = await BackendPostgres.connect(`postgres://${pathname}?max=${Number(connections)}`)
  const openWorkflow = new OpenWorkflow({ backend })
  const ends = new Ends()
  const threeSteps = openWorkflow.defineWorkflow({ name: 'three-steps' }, async ({ input, step }) => {
    const one = await step.run({ name: 'one' }, async () => ({ value: input.n + 1 }))
    const two = await step.run({ name: 'two' }, async () => ({ value: one.value + 1 }))
    const three = await step.run({ name: 'three' }, async () => ({ value: two.value + 1 }))
    ends.tell(input.n, three.value)
    return three
  })
  const worker = openWorkflow.newWorker({ concurrency: Number(concurrency) })
  await worker.start()
  return {
    async work(n) {
      const end = ends.of(n)
      await threeSteps.run({ n })
      return end
    },
    async call(n) {
      const handle = await threeSteps.run({ n })
      return (await handle.result()).value
    },
    async stop() {
      await worker.stop()
      await backend.stop()
    },
  }
})
