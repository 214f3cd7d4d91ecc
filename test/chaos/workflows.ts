// What the nodes of the chaos run execute: any random program, and workflows of its own.

import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { errorCode } from '../../src/core/errors.js'
import { workflow, type Workflow } from '../../src/workflow/define.js'
import { interpreter } from '../property/interpreter.js'

export interface Surroundings {
  readonly schema: string
  /** A step does what it does: durable before the step ends. */
  readonly note: (executionId: string, name: string) => void
  readonly signal: (
    executionId: string,
    name: string,
    value: unknown,
    options: { readonly signalId: string },
  ) => Promise<void>
}

export function chaosWorkflows({ schema, note, signal }: Surroundings): Workflow[] {
  const program = interpreter({
    attempted: note,
    async send(executionId, name, value) {
      // A step has five attempts; an outage lasts for longer.
      for (;;) {
        try {
          return await signal(executionId, name, value, { signalId: name })
        } catch (error) {
          // This node goes; another one will do the step again.
          if (errorCode(error) === 'ENGINE_STOPPED') await new Promise(() => undefined)
          if (!UNAVAILABLE.has(errorCode(error) ?? '')) throw error
          await sleep(50)
        }
      }
    },
    effect: (sql, executionId, name) => sql`
      insert into ${sql(`${schema}.effects`)} (execution_id, name)
      values (${executionId}::text, ${name}::text)`,
  })

  /** Waits for what never comes: it must survive being claimed by the dead, and keep its timer. */
  const patient = workflow({ name: 'patient' }, async (ctx) => {
    await ctx.step('open', () => note(ctx.executionId, 'open'))
    return ctx.signal('never', z.string(), { timeout: '1 day' })
  })

  /** Keeps connections for transactional steps from all others. */
  const hog = workflow({ name: 'hog' }, async (ctx) => {
    await ctx.transaction('hold', async (sql) => {
      await sql`insert into ${sql(`${schema}.effects`)} (execution_id, name)
        values (${ctx.executionId}::text, 'hold')`
      await sleep(400)
    })
  })

  /** So many of a lane run at a time, whoever dies. */
  const narrow = workflow<string>(
    { name: 'narrow', concurrency: { limit: NARROW_MAX, key: (lane) => lane } },
    async (ctx) => {
      await ctx.step('pass', () => note(ctx.executionId, 'pass'))
      await ctx.sleep(100)
      await ctx.step('leave', () => note(ctx.executionId, 'leave'))
    },
  )

  /** Started by the clock. */
  const beat = workflow({ name: 'beat' }, async (ctx) =>
    ctx.step('beat', () => note(ctx.executionId, 'beat')),
  )

  return [program, patient, hog, narrow, beat]
}

export const NARROW_MAX = 2
export const LANES = ['left', 'right'] as const

export const UNAVAILABLE: ReadonlySet<string> = new Set([
  'DATABASE_UNAVAILABLE',
  'OUTCOME_UNKNOWN',
  'OVERLOADED',
  'TOO_MANY',
])
