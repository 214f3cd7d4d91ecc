// Promises over steps and timers: races fall out on replay as they did live, and what is many costs no more apiece.

import { describe, expect, it } from 'vitest'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

const gates = new Map<string, () => void>()

function gate(name: string): Promise<void> {
  return new Promise((resolve) => gates.set(name, resolve))
}

async function open(name: string): Promise<void> {
  const opened = await eventually(() => gates.get(name))
  opened()
}

let running = 0
let most = 0

const wide = workflow({ name: 'wide' }, async (ctx, n: number) => {
  const steps = Array.from({ length: n }, (_, index) =>
    ctx.step('part', async () => {
      running++
      most = Math.max(most, running)
      await Promise.resolve()
      running--
      return index
    }),
  )
  return (await Promise.all(steps)).length
})

const deep = workflow({ name: 'deep' }, async (ctx, n: number) => {
  let halfMs = 0
  const begunMs = await ctx.step('begin', () => performance.now())
  for (let index = 0; index < n; index++) {
    await ctx.step('part', () => index)
    if (index + 1 === n / 2) halfMs = await ctx.step('half', () => performance.now())
  }
  const endedMs = await ctx.step('end', () => performance.now())
  return { first: halfMs - begunMs, second: endedMs - halfMs }
})

/** The loser of a race comes in later; what the code makes of both must not depend on when it is replayed. */
const races = workflow({ name: 'races' }, async (ctx) => {
  const seen: string[] = []
  const see = (what: string) => () => void seen.push(what)
  const id = ctx.executionId
  const slow = ctx.step('slow', () => gate(`${id} slow`))
  const fast = ctx.step('fast', () => gate(`${id} fast`))
  void slow.then(see('slow'))
  void fast.then(see('fast'))
  const winner = await Promise.race([slow.then(() => 'slow'), fast.then(() => 'fast')])
  seen.push(`winner: ${winner}`)
  await ctx.sleep(20)
  await ctx.step('between', () => gate(`${id} between`))
  await slow
  await ctx.sleep(20)
  return [...seen, ctx.random(), ctx.uuid(), ctx.now().getTime()]
})

const timers = workflow({ name: 'timers' }, async (ctx) => {
  const id = ctx.executionId
  const step = ctx.step('work', () => gate(`${id} work`)).then(() => 'step')
  const first = await Promise.race([step, ctx.sleep(30).then(() => 'timer')])
  const second = await Promise.race([step, ctx.sleep('1 day').then(() => 'timer')])
  return [first, second]
})

const using = useEngine([wide, deep, races, timers], { limits: { stepsPerExecutionMax: 200 } })

async function timeOf(n: number): Promise<number> {
  const begunMs = performance.now()
  const handle = await using.client.start(wide, n)
  expect(await handle.result({ timeout: '60s' })).toBe(n)
  return performance.now() - begunMs
}

describe('many steps', () => {
  it('of one execution run a bounded number at a time, and cost no more apiece the more they are', async () => {
    await timeOf(1_000)
    const one = await timeOf(1_000)
    const ten = await timeOf(10_000)
    expect(most).toBe(200)
    // Ten times as many: with a quadratic part it would be a hundred times as long. Wide, for loaded machines.
    expect(ten).toBeLessThan(Math.max(one, 50) * 40)
  }, 120_000)

  it('one after the other take as long at the end as at the beginning', async () => {
    const handle = await using.client.start(deep, 3_000)
    const { first, second } = await handle.result({ timeout: '60s' })
    expect(second).toBeLessThan(first * 4)
  }, 90_000)
})

describe('a race', () => {
  it('has the same winner, and its loser the same place, on replay', async () => {
    const { executionId: id } = await using.client.start(races, null)
    await open(`${id} fast`)
    await open(`${id} between`)
    await open(`${id} slow`)
    const live = await using.client.result(id)
    expect(live).toEqual([
      'fast',
      'winner: fast',
      'slow',
      expect.any(Number),
      expect.any(String),
      expect.any(Number),
    ])
    // Replayed from its history, up to the end: the code is asked what it sees.
    const replayed = await replay(id)
    expect(replayed).toEqual(live)
  })

  it('between a step and a timer goes to the timer, and later to the step', async () => {
    const { executionId: id } = await using.client.start(timers, null)
    await eventually(async () => (await using.types(id)).includes('sleep_ended'))
    await open(`${id} work`)
    expect(await using.client.result(id)).toEqual(['timer', 'step'])
  })
})

/** Cuts the end off a history, so that another node comes to it by replaying the rest. */
async function replay(id: string): Promise<unknown> {
  const sql = using.database.connect({ max: 1 })
  await sql`delete from events where execution_id = ${id} and type = 'completed'`
  await sql`
    update executions set status = 'running', closed_at = null, claimed_by = null, ready_at = now(),
      claim_epoch = claim_epoch + 2
    where execution_id = ${id}`
  return using.client.result(id)
}
