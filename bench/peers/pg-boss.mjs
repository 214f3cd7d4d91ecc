// pg-boss: a queue. A job does the three steps in memory; results of a batch are not kept, so a call ends with its
// handler (before the database knows: that is to its favor).

import { PgBoss } from 'pg-boss'
import { Ends, inBatches, serve } from './contestant.mjs'

await serve(async (url, { connections, concurrency, batchSize, batch }) => {
  const boss = new PgBoss({ connectionString: url, max: Number(connections), useListenNotify: true })
  boss.on('error', (error) => console.error(error))
  await boss.start()
  await boss.createQueue('three-steps', { notify: true })
  const ends = new Ends()
  const options = {
    batchSize: Number(batchSize),
    localConcurrency: Number(concurrency),
    pollingIntervalSeconds: 0.5,
    // Else a job whose notice comes while its worker is busy waits for half a minute.
    notifyPollingIntervalSeconds: 0.5,
    burstWhenBatchFull: true,
  }
  await boss.work('three-steps', options, async (jobs) => {
    for (const { data } of jobs) {
      const one = await Promise.resolve({ value: data.n + 1 })
      const two = await Promise.resolve({ value: one.value + 1 })
      const three = await Promise.resolve({ value: two.value + 1 })
      ends.tell(data.n, three.value)
    }
  })
  const add =
    batch === undefined
      ? (n) => boss.send('three-steps', { n })
      : inBatches(
          (all) =>
            boss.insert(
              'three-steps',
              all.map((n) => ({ data: { n } })),
            ),
          Number(batch),
        )
  const call = async (n) => {
    const end = ends.of(n)
    await add(n)
    return end
  }
  return { work: call, call, stop: () => boss.stop() }
})
