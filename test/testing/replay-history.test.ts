// `replayHistory`: what users run in their own tests before they deploy changed code. Histories come from a real
// engine, through `client.history`, as they are and as JSON files.

import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { HistoryEvent } from '../../src/client/client.js'
import { replayHistory } from '../../src/testing.js'
import type { WorkflowContext } from '../../src/workflow/context.js'
import { workflow, type Workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

const Order = z.object({ id: z.string(), items: z.array(z.string()) })
type Order = z.infer<typeof Order>

function fulfilBy(code: (ctx: WorkflowContext, order: Order) => Promise<unknown>): Workflow<Order> {
  return workflow({ name: 'fulfil', input: Order, version: '3' }, code)
}

const fulfil = fulfilBy(async (ctx, order) => {
  const charge = await ctx.step('charge', () => new Map([[order.id, 5n]]))
  const parts = await Promise.all(order.items.map((item) => ctx.step('pack', () => item)))
  const approved = await ctx.signal('approved', z.boolean(), { timeout: '1 hour' })
  return { charge, parts, approved }
})
const looping = workflow({ name: 'looping' }, async (ctx, n: number): Promise<unknown> => {
  await ctx.step(`lap ${ctx.uuid()}`, () => n)
  return n > 1 ? ctx.continueAsNew(n - 1) : 'done'
})
const refusing = workflow({ name: 'refusing' }, async (ctx) => {
  await ctx.step('look', () => 'bad')
  throw new RangeError('refused')
})
const oversized = workflow({ name: 'oversized' }, async (ctx) => {
  await ctx.step('look', () => 'good')
  return 'x'.repeat(2_000_000)
})
const endless = workflow({ name: 'endless' }, async (ctx) => ctx.sleep('1 year'))

const using = useEngine([fulfil, looping, refusing, oversized, endless])
const order: Order = { id: 'o-7', items: ['a', 'b'] }
let waiting: readonly HistoryEvent[]
let completed: readonly HistoryEvent[]

beforeAll(async () => {
  const { client } = using
  await client.start(fulfil, order, { id: 'order-7' })
  await eventually(async () => (await client.get('order-7')).status === 'waiting')
  waiting = await using.events('order-7')
  await client.signal('order-7', 'approved', true)
  await client.result('order-7')
  completed = await using.events('order-7')
})

const throughJson = (events: readonly HistoryEvent[]): HistoryEvent[] => JSON.parse(JSON.stringify(events))

describe('a history agrees', () => {
  it('with the code that made it, while it waits and when it has ended', async () => {
    await replayHistory(fulfil, waiting)
    await replayHistory(fulfil, completed)
  })

  it('when it has been through a JSON file', async () => {
    await replayHistory(fulfil, throughJson(completed))
  })

  it('over all runs, and with what was drawn, when its id is told', async () => {
    const handle = await using.client.start(looping, 3)
    await handle.result()
    const events = await using.events(handle.executionId)
    await replayHistory(looping, events, { executionId: handle.executionId })
    await expect(replayHistory(looping, events, { executionId: 'another' })).rejects.toMatchObject({
      code: 'REPLAY_DISAGREES',
    })
  })

  it('when it failed as its code fails, by its engine, or by a person', async () => {
    const failed = await using.client.start(refusing, undefined)
    const tooLarge = await using.client.start(oversized, undefined)
    const stopped = await using.client.start(endless, undefined)
    await using.client.terminate(stopped.executionId)
    for (const [code, handle] of [
      [refusing, failed],
      [oversized, tooLarge],
      [endless, stopped],
    ] as const) {
      await expect(handle.result()).rejects.toBeDefined()
      await replayHistory(code, await using.events(handle.executionId))
    }
  })

  it('with code that only adds to the future of what waits', async () => {
    const longer = fulfilBy(async (ctx, input) => [
      await fulfil.run(ctx, input),
      await ctx.step('mail', () => 0),
    ])
    await replayHistory(longer, waiting)
  })

  it('and no step is run', async () => {
    let runs = 0
    const counted = fulfilBy(async (ctx, input) => {
      await ctx.step('charge', () => runs++)
      await Promise.all(input.items.map(() => ctx.step('pack', () => runs++)))
      return ctx.signal('approved', z.boolean(), { timeout: '1 hour' })
    })
    await replayHistory(counted, waiting)
    expect(runs).toBe(0)
  })
})

describe('a history disagrees', () => {
  it('with a renamed step, naming the event and both sides', async () => {
    const renamed = fulfilBy(async (ctx) => ctx.step('bill', () => 0))
    await expect(replayHistory(renamed, waiting)).rejects.toMatchObject({
      code: 'REPLAY_DISAGREES',
      details: {
        version: 2,
        workflow: 'fulfil',
        recorded: 'step "charge" as command 1',
        code: 'step "bill" as command 1',
      },
    })
  })

  it('with code that ends elsewhere than a run that has ended', async () => {
    const longer = fulfilBy(async (ctx, input) => [
      await fulfil.run(ctx, input),
      await ctx.step('mail', () => 0),
    ])
    await expect(replayHistory(longer, completed)).rejects.toMatchObject({
      code: 'REPLAY_DISAGREES',
      message: expect.stringContaining(
        'the history has completed, the code has not ended; it waits for step "mail"',
      ),
    })
  })

  it('with code that fails where it completed', async () => {
    const failing = fulfilBy(async (ctx, input) => {
      await fulfil.run(ctx, input)
      throw new Error('no')
    })
    await expect(replayHistory(failing, completed)).rejects.toThrow(
      /the history has completed, the code has failed/,
    )
  })
})

describe('what is no whole history is refused', () => {
  it.each([
    ['nothing at all', () => []],
    ['a history without its beginning', () => completed.slice(1)],
    ['a history with a gap', () => completed.filter(({ version }) => version !== 3)],
    ['an instant that is none', () => completed.map((event) => ({ ...event, at: 'yesterday' }))],
  ])('%s', async (_name, events) => {
    await expect(replayHistory(fulfil, events())).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
