// The workflows of the failover benchmark. A held execution does nothing as long as the process lives that started it, and
// records its next event at once in any other: what is measured is the taking over, not the work.

import { workflow } from '../../src/index.js'

export const held = workflow({ name: 'held' }, async (ctx, input: { readonly pid: number }) =>
  ctx.step('hold', ({ signal }) => (input.pid === process.pid ? untilAborted(signal) : 'taken over')),
)

/** Ballast: what waits, costs nobody anything. */
export const waiting = workflow({ name: 'waiting' }, async (ctx) => {
  await ctx.sleep('30 days')
  return 'long ago'
})

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('this node gives it up')), { once: true })
  })
}
