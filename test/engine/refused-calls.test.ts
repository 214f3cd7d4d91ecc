// Calls of `ctx` that make no sense, as JavaScript can make them: refused where they are made, with advice, and nothing
// is written that somebody else would stumble over.

import { expect, it } from 'vitest'
import { z } from 'zod'
import type { WorkflowContext } from '../../src/workflow/context.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'

/** What no type would let through. */
function odd<T>(value: unknown): T {
  return value as T
}

const calls: Record<string, readonly [code: string, call: (ctx: WorkflowContext) => unknown]> = {
  'a child with a close policy of its own': [
    'INVALID_ARGUMENT',
    (ctx) => ctx.child('refused', 1, { closePolicy: odd('kill') }),
  ],
  'a child that is its own parent': ['INVALID_ID', (ctx) => ctx.child('refused', 1, { id: ctx.executionId })],
  'a signal with a schema that is none': [
    'INVALID_ARGUMENT',
    (ctx) => ctx.signal('go', odd<z.ZodString>({ type: 'string' })),
  ],
  'an update with a schema that is none': [
    'INVALID_ARGUMENT',
    (ctx) => ctx.onUpdate('set', odd<z.ZodString>(String), () => undefined),
  ],
  'an update without a handler': [
    'INVALID_ARGUMENT',
    (ctx) => ctx.onUpdate('set', z.unknown(), odd(undefined)),
  ],
  'a query without a handler': ['INVALID_ARGUMENT', (ctx) => ctx.onQuery('get', odd(null))],
  'a step without work': ['INVALID_ARGUMENT', (ctx) => ctx.step('step', odd('work'))],
  'a compensation without work': ['INVALID_ARGUMENT', (ctx) => ctx.compensate('undo', odd(1))],
  'a step without a name': ['INVALID_NAME', (ctx) => ctx.step('', () => 1)],
  'a sleep of no time at all': ['INVALID_DURATION', (ctx) => ctx.sleep(odd(undefined))],
}

const refused = workflow({ name: 'refused' }, async (ctx, what: string) => calls[what]?.[1](ctx))

const using = useEngine([refused])

it.each(Object.entries(calls))('%s is refused', async (what, [code]) => {
  const { executionId: id } = await using.client.start(refused, what)
  await expect(using.client.result(id)).rejects.toMatchObject({ code: 'EXECUTION_FAILED', cause: { code } })
  expect(await using.types(id)).toEqual(['started', 'failed'])
})
