// What the charts are drawn from: executions counted by when they were started, with how they ended.

import { expect, test } from 'vitest'
import { z } from 'zod'
import { workflow } from '../../src/workflow/define.js'
import { useHttp } from '../support/http.js'

const ends = workflow({ name: 'ends', input: z.boolean() }, async (_ctx, isGood) => {
  if (!isGood) throw new Error('bad luck')
})
const waits = workflow({ name: 'waits' }, async (ctx) => ctx.signal('never', z.null()))

const http = useHttp([ends, waits])

const Answer = z.object({
  bucketMs: z.number(),
  cutShort: z.array(z.string()),
  buckets: z.array(
    z.object({
      workflow: z.string(),
      at: z.iso.datetime(),
      started: z.number(),
      completed: z.number(),
      failed: z.number(),
      p50Ms: z.number().nullable(),
    }),
  ),
})

async function read(query: string): Promise<z.output<typeof Answer>> {
  const { status, body } = await http.request('GET', `/stats/throughput${query}`)
  expect(status).toBe(200)
  return Answer.parse(body)
}

test('counts by workflow and span, with durations of those that have closed', async () => {
  expect((await read('')).buckets).toEqual([])
  const inputs = [true, true, true, false]
  for (const input of inputs) await (await http.client.start(ends, input)).result().catch(() => undefined)
  await http.client.start(waits, undefined)
  const { bucketMs, buckets, cutShort } = await read('?lastMs=3600000&bucketMs=60000')
  expect([bucketMs, cutShort]).toEqual([60_000, []])
  const sum = (name: string, of: 'started' | 'completed' | 'failed'): number =>
    buckets.filter((one) => one.workflow === name).reduce((total, one) => total + one[of], 0)
  expect([sum('ends', 'started'), sum('ends', 'completed'), sum('ends', 'failed')]).toEqual([4, 3, 1])
  expect([sum('waits', 'started'), sum('waits', 'completed')]).toEqual([1, 0])
  for (const { workflow: name, at, p50Ms } of buckets) {
    expect(Date.parse(at) % 60_000).toBe(0)
    if (name === 'waits') expect(p50Ms).toBeNull()
    else expect(p50Ms).toBeGreaterThan(0)
  }
  const one = await read('?workflow=waits')
  expect(new Set(one.buckets.map((bucket) => bucket.workflow))).toEqual(new Set(['waits']))
})

test('refuses more spans than anybody can look at', async () => {
  const { status } = await http.request('GET', '/stats/throughput?lastMs=604800000&bucketMs=1000')
  expect(status).toBe(400)
})
