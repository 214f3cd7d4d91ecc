// The workflows of the benchmark of a million that wait: one for an instant, one for a signal.

import { z } from 'zod'
import { workflow, type Workflow } from '../../src/index.js'

export const waitsForTimer = workflow({ name: 'waits-for-timer' }, async (ctx, atMs: number) => {
  await ctx.sleep(new Date(atMs))
  return ctx.step('woken', () => true)
})

export const waitsForSignal = workflow({ name: 'waits-for-signal' }, async (ctx) => {
  await ctx.signal('go', z.null())
  return ctx.step('woken', () => true)
})

export const WAITING: readonly Workflow[] = [waitsForTimer, waitsForSignal]
