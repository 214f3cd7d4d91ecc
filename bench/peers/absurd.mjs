// Absurd: client and worker in one process, its schema from the tool that its documents give for it (`absurdctl`).
// `awaitTaskResult` asks after 50, 100, 200 … ms, so throughput is not measured by it: there the last line of the task
// tells of its end.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { Absurd } from 'absurd-sdk'
import pg from 'pg'
import { Ends, serve } from './contestant.mjs'

const TOOL = fileURLToPath(new URL('node_modules/.python', import.meta.url))

await serve(async (url, { connections, concurrency, pollInterval }) => {
  const pool = new pg.Pool({ connectionString: url, max: Number(connections) })
  const { rows } = await pool.query(`select to_regclass('absurd.queues') is not null as ready`)
  const absurd = new Absurd({ db: pool, queueName: 'default' })
  if (!rows[0].ready) {
    // What `absurdctl init` hands to psql, which need not be here.
    const print = 'import absurdctl, sys; sys.stdout.write(absurdctl.BUNDLED_SCHEMA_SQL)'
    const { stdout } = await promisify(execFile)('python3', ['-c', print], {
      env: { ...process.env, PYTHONPATH: TOOL },
      maxBuffer: 16 * 1_048_576,
    })
    await pool.query(stdout)
    await absurd.createQueue('default')
  }
  const ends = new Ends()
  absurd.registerTask({ name: 'three-steps' }, async ({ n }, ctx) => {
    const one = await ctx.step('one', async () => ({ value: n + 1 }))
    const two = await ctx.step('two', async () => ({ value: one.value + 1 }))
    const three = await ctx.step('three', async () => ({ value: two.value + 1 }))
    ends.tell(n, three.value)
    return three
  })
  await absurd.startWorker({ concurrency: Number(concurrency), pollInterval: Number(pollInterval) })
  return {
    async work(n) {
      const end = ends.of(n)
      await absurd.spawn('three-steps', { n })
      return end
    },
    async call(n) {
      const { taskID } = await absurd.spawn('three-steps', { n })
      const { result } = await absurd.awaitTaskResult(taskID)
      return result.value
    },
    async stop() {
      await absurd.close()
      await pool.end()
    },
  }
})
