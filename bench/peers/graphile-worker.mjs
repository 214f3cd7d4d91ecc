// graphile-worker: a queue. A job does the three steps in memory and leaves nothing behind, so a call ends with its
// `job:complete` event, sent when the database knows.

import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import { Ends, inBatches, serve } from './contestant.mjs'

await serve(async (url, { connections, concurrency, localQueue, batch }) => {
  const ends = new Ends()
  const runner = await run({
    preset: {
      worker: {
        connectionString: url,
        concurrentJobs: Number(concurrency),
        maxPoolSize: Number(connections),
        logger: new Logger(() => () => undefined),
        ...(localQueue !== undefined && {
          localQueue: { size: Number(localQueue) },
          completeJobBatchDelay: 0,
          failJobBatchDelay: 0,
        }),
      },
    },
    noHandleSignals: true,
    taskList: {
      'three-steps': async ({ n }) => {
        const one = await Promise.resolve({ value: n + 1 })
        const two = await Promise.resolve({ value: one.value + 1 })
        await Promise.resolve({ value: two.value + 1 })
      },
    },
  })
  runner.events.on('job:complete', ({ job, error }) => {
    const { n } = job.payload
    ends.tell(n, error ? error : n + 3)
  })
  const client = await makeWorkerUtils({ connectionString: url, maxPoolSize: 4 })
  const add =
    batch === undefined
      ? (n) => client.addJob('three-steps', { n })
      : inBatches(
          (all) => client.addJobs(all.map((n) => ({ identifier: 'three-steps', payload: { n } }))),
          Number(batch),
        )
  const call = async (n) => {
    const end = ends.of(n)
    await add(n)
    return end
  }
  return {
    work: call,
    call,
    async stop() {
      await runner.stop()
      await client.release()
    },
  }
})
