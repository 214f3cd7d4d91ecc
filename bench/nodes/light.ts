// The workflows of the cluster benchmark: one that does next to nothing, and one that is always at work.

import { workflow } from '../../src/index.js'

export const ping = workflow({ name: 'ping' }, async (ctx) => ctx.step('answer', () => process.pid))

/** Small steps one after the other, each recording in which process it ran. */
export const ticking = workflow({ name: 'ticking' }, async (ctx, steps: number) => {
  for (let n = 0; n < steps; n++) {
    await ctx.step(`tick ${n}`, async () => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      return process.pid
    })
  }
})
