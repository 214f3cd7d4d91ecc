// Timers: not before they are due, soon after, wherever they lie and however many there are.

import { describe, expect, it } from 'vitest'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

const sleeper = workflow({ name: 'sleeper' }, async (ctx, until: number | string | Date) => {
  const begunMs = ctx.now().getTime()
  await ctx.sleep(until)
  return ctx.now().getTime() - begunMs
})

const dormitory = workflow({ name: 'dormitory' }, async (ctx, n: number) => {
  const ends: number[] = []
  const sleeps = Array.from({ length: n }, async (_, index) => {
    await ctx.sleep(50 + (index % 10) * 20)
    ends.push(50 + (index % 10) * 20)
  })
  await Promise.all(sleeps)
  return ends
})

/** A timer beside a step that runs: nothing else wakes the run. */
const impatient = workflow({ name: 'impatient' }, async (ctx) => {
  const step = ctx.step(
    'long',
    async ({ signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      return 'aborted'
    },
    { timeout: '20s' },
  )
  const begunMs = ctx.now().getTime()
  await Promise.race([step, ctx.sleep(100)])
  const waitedMs = ctx.now().getTime() - begunMs
  const again = ctx.now().getTime()
  await Promise.race([step, ctx.sleep(100)])
  return [waitedMs, ctx.now().getTime() - again]
})

const using = useEngine([sleeper, dormitory, impatient])

async function slept(until: number | string | Date): Promise<number> {
  const handle = await using.client.start(sleeper, until)
  return handle.result({ timeout: '20s' })
}

describe('a sleep', () => {
  it('of a number or a text lasts as long as it says', async () => {
    expect(await slept(120)).toBeGreaterThanOrEqual(120)
    expect(await slept('0.2s')).toBeGreaterThanOrEqual(200)
  })

  it('of no time, or until an instant in the past, ends at once', async () => {
    expect(await slept(0)).toBeLessThan(5_000)
    expect(await slept(new Date(0))).toBeLessThan(5_000)
    expect(await slept(new Date('0001-01-01T00:00:00Z'))).toBeLessThan(5_000)
  })

  it('of years waits for its year', async () => {
    const { executionId: id } = await using.client.start(sleeper, '1000 years')
    await eventually(async () => (await using.client.get(id)).status === 'waiting')
    const [, sleep] = await using.events(id)
    const years = ((sleep?.dueAt?.getTime() ?? 0) - (sleep?.at.getTime() ?? 0)) / 365.25 / 86_400_000
    expect(Math.round(years)).toBe(1_000)
    // Loaded again, it still does.
    const sql = using.database.connect({ max: 1 })
    await sql`
      update executions set claim_epoch = claim_epoch + 1, ready_at = now() where execution_id = ${id}`
    await eventually(async () => {
      const [row] = await sql`select 1 from executions where execution_id = ${id} and ready_at is null`
      return row !== undefined && (await using.client.get(id)).status === 'waiting'
    })
    expect(await using.types(id)).toEqual(['started', 'sleep_started'])
  })

  it('beside a thousand others ends in the order of its instant', async () => {
    const handle = await using.client.start(dormitory, 1_000)
    const ends = await handle.result({ timeout: '20s' })
    expect(ends).toHaveLength(1_000)
    expect(ends).toEqual(ends.toSorted((a, b) => a - b))
  })

  it('ends soon after it is due, on the node that wrote it and on any other', async () => {
    const other = await using.join()
    await eventually(async () => {
      const sql = using.database.connect({ max: 1 })
      return (await sql`select distinct owner from partitions`).length === 2
    })
    const lags: number[] = []
    for (const ms of [20, 150, 600]) {
      const handles = await Promise.all(Array.from({ length: 30 }, () => using.client.start(sleeper, ms)))
      for (const handle of handles) lags.push((await handle.result()) - ms)
    }
    lags.sort((a, b) => a - b)
    expect(lags[0]).toBeGreaterThanOrEqual(0)
    // Found by polls only, every other one would come half a second late.
    expect(lags[Math.floor(lags.length * 0.75)]).toBeLessThan(250)
    await other.stop()
  })

  it('wakes an execution that is busy with a step', async () => {
    const other = await using.join()
    const handles = await Promise.all(Array.from({ length: 10 }, () => using.client.start(impatient, null)))
    for (const handle of handles) {
      await eventually(
        async () =>
          (await using.types(handle.executionId)).filter((type) => type === 'sleep_ended').length === 2,
      )
      await using.client.cancel(handle.executionId).catch(() => undefined)
    }
    await other.stop()
  })
})
