// What the dashboard's tests show on its pages: an order that does everything a history can hold, a step that comes
// through at its third attempt, one that does not, and many small ones.

import { z } from 'zod'
import { NonRetryableError } from '../../src/core/failure.js'
import { workflow } from '../../src/workflow/define.js'

export const ship = workflow(
  { name: 'ship', input: z.object({ item: z.string() }) },
  async (ctx, { item }) => {
    await ctx.step('book a van', () => `van for ${item}`)
    await ctx.sleep('30ms')
    return ctx.step('hand over', () => ({ tracking: `T-${item}` }))
  },
)

const Order = z.object({ item: z.string(), cents: z.number(), note: z.string().optional() })

export const fulfil = workflow(
  {
    name: 'fulfil',
    version: '3',
    input: Order,
    signals: { approved: z.object({ approved: z.boolean(), by: z.string().optional() }) },
  },
  async (ctx, order) => {
    let address = 'unknown'
    ctx.onQuery('address', () => ({ address, item: order.item }))
    ctx.onUpdate('address', z.string().min(3), (value) => {
      address = value
      return { accepted: value }
    })
    ctx.setAttributes({ item: order.item, cents: order.cents })
    const payment = await ctx.step('charge the card', async () => {
      await new Promise((resolve) => setTimeout(resolve, 40))
      return { payment: `p-${order.item}`, cents: order.cents }
    })
    await Promise.all([
      ctx.step('print label', async () => {
        await new Promise((resolve) => setTimeout(resolve, 60))
        return `label for ${order.item}`
      }),
      ctx.step('send mail', async () => {
        await new Promise((resolve) => setTimeout(resolve, 25))
      }),
      ctx.child(ship, { item: order.item }),
    ])
    const decision = await ctx.signal(
      'approved',
      z.object({ approved: z.boolean(), by: z.string().optional() }),
      {
        timeout: '7 days',
      },
    )
    if (decision?.approved !== true) throw new NonRetryableError(`${order.item}: not approved`)
    return { payment, approvedBy: decision.by ?? 'nobody' }
  },
)

/** Waits long enough between its attempts that each is recorded. */
export const flaky = workflow({ name: 'flaky' }, async (ctx) =>
  ctx.step(
    'ask the bank',
    ({ attempt }) => {
      if (attempt < 3) {
        const error = new RangeError(`the bank is closed, says clerk ${attempt}`)
        throw Object.assign(error, { bank: 'B-1', waited: attempt * 10 })
      }
      return { reference: 'r-1' }
    },
    { retry: { attempts: 4, initial: '1100ms', backoff: 'constant', jitter: 0 } },
  ),
)

export const refused = workflow({ name: 'refused' }, async (ctx) => {
  await ctx.step('check', () => 'checked')
  return ctx.step('pay <b>now</b>', () => {
    throw new NonRetryableError('the account is <img src=x onerror=alert(1)> closed')
  })
})

export const quick = workflow({ name: 'quick', input: z.object({ n: z.number() }) }, async (ctx, { n }) => {
  ctx.setAttributes({ parity: n % 2 === 0 ? 'even' : 'odd' })
  return ctx.step('double', () => n * 2)
})

export const WORKFLOWS = [fulfil, ship, flaky, refused, quick]
