// One workflow floods a node: what others start is not kept waiting behind it.

import type postgres from 'postgres'
import { expect, it } from 'vitest'
import { createClient } from '../../src/client/open-client.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const flood = workflow<undefined>({ name: 'flood' }, async (ctx) => {
  await ctx.step('work', () => pause(2))
})
const other = workflow({ name: 'other' }, async (ctx) => ctx.step('work', () => 'done'))
const urgent = workflow({ name: 'urgent', priority: 1 }, async (ctx) => ctx.step('work', () => 'done'))

const using = useEngine([flood, other, urgent], { capacity: 50 })

async function openFloods(sql: postgres.Sql): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select count(*)::int4 as n from executions where workflow = 'flood' and closed_at is null`
  return row?.n ?? 0
}

it('what is ready behind a flood of another workflow begins with the batch after next', async () => {
  const { url, schema } = using.database
  const client = await createClient({ database: { url, schema } })
  const sql = using.database.connect({ max: 1 })
  // Older than all else, and more than the node gets done while the others are looked at.
  await client.startMany(Array.from({ length: 10_000 }, () => ({ workflow: 'flood' })))
  const before = await openFloods(sql)
  const starts = Array.from({ length: 20 }, (_, n) => ({ workflow: n % 2 === 0 ? 'other' : 'urgent' }))
  const handles = await client.startMany(starts)
  await Promise.all(handles.map((handle) => handle.result({ timeout: '60s' })))
  expect(before - (await openFloods(sql))).toBeLessThan(before / 2)
  await client.close()
}, 120_000)

it('what comes in does not take the places that what waits has been waiting for', async () => {
  const { url, schema } = using.database
  const client = await createClient({ database: { url, schema } })
  let isOver = false
  let floods = 0
  const flooding = Array.from({ length: 200 }, async () => {
    while (!isOver) {
      await using.client.start(flood, undefined)
      floods++
    }
  })
  await eventually(() => floods > 1_000, { deadlineMs: 30_000 })
  const before = floods
  const handle = await client.start('other')
  expect(await handle.result({ timeout: '60s' })).toBe('done')
  const during = floods - before
  isOver = true
  await Promise.all(flooding)
  expect(during).toBeLessThan(5_000)
  await client.close()
}, 120_000)
