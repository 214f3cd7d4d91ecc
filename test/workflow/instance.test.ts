// The replaying instance alone: no engine, no database. What it must never do is let live and replay differ.

import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Event, NewEvent } from '../../src/core/event.js'
import { silentLogger } from '../../src/core/ports.js'
import { workflow, type Workflow } from '../../src/workflow/define.js'
import { Instance } from '../../src/workflow/instance.js'
import type { WorkflowContext } from '../../src/workflow/context.js'

const at = new Date('2026-01-01T00:00:00Z')

function instanceOf(run: (ctx: WorkflowContext) => Promise<unknown>): Instance {
  const definition: Workflow = workflow({ name: 'w' }, run)
  return new Instance({ definition, executionId: 'e', run: 1, log: silentLogger })
}

function history(...events: NewEvent[]): Event[] {
  return [{ type: 'started', name: 'w' } satisfies NewEvent, ...events].map((event, index) => ({
    ...event,
    version: index + 1,
    at,
  }))
}

async function hop(times: number): Promise<void> {
  for (let index = 0; index < times; index++) await Promise.resolve()
}

describe('a workflow instance', () => {
  const racing = async (ctx: WorkflowContext): Promise<unknown> =>
    Promise.race([
      (async () => {
        await ctx.step('a', () => 0)
        await hop(20)
        return 'a'
      })(),
      ctx.step('b', () => 0).then(() => 'b'),
    ])

  it('lets the first outcome win a race on replay as it did live, however many microtasks it takes', async () => {
    const events = history(
      { type: 'step_completed', seq: 1, name: 'a' },
      { type: 'step_completed', seq: 2, name: 'b' },
    )
    const live = instanceOf(racing)
    for (const event of events) await live.deliver(event)
    const replayed = instanceOf(racing)
    await replayed.replay(events)
    expect(live.outcome).toEqual({ kind: 'completed', value: 'a' })
    expect(replayed.outcome).toEqual(live.outcome)
  })

  it('names the event, the step and both sides when the code disagrees with the history', async () => {
    const instance = instanceOf((ctx) => ctx.step('refund', () => 0))
    await instance.replay(history({ type: 'step_completed', seq: 1, name: 'charge' }))
    expect(instance.disagreement).toMatchObject({ code: 'REPLAY_DISAGREES', details: { version: 2 } })
    expect(instance.disagreement?.message).toMatch(
      /event 2 the history has step "charge".*the code has step "refund"/,
    )
  })

  it('notices a recorded step that the code no longer takes', async () => {
    const instance = instanceOf(async () => 'done')
    await instance.replay(history({ type: 'step_completed', seq: 1, name: 'charge' }))
    expect(instance.disagreement?.code).toBe('REPLAY_DISAGREES')
  })

  it('takes the old way of a patch where the past went on without it, the new way otherwise', async () => {
    const code = async (ctx: WorkflowContext): Promise<unknown> => {
      await ctx.step('one', () => 0)
      const patched = ctx.patched('new-way')
      await ctx.step(patched ? 'new' : 'old', () => 0)
      return patched
    }
    const old = instanceOf(code)
    await old.replay(
      history(
        { type: 'step_completed', seq: 1, name: 'one' },
        { type: 'step_completed', seq: 2, name: 'old' },
      ),
    )
    expect(old.outcome).toEqual({ kind: 'completed', value: false })
    const fresh = instanceOf(code)
    await fresh.replay(history({ type: 'step_completed', seq: 1, name: 'one' }))
    expect(fresh.takeNotes().map((note) => note.event.type)).toEqual(['patched'])
    expect(fresh.takeCommands().map((command) => command.name)).toEqual(['new'])
  })

  it('gives the same time, chance and ids on replay', async () => {
    const code = async (ctx: WorkflowContext): Promise<unknown> => {
      await ctx.step('one', () => 0)
      return [ctx.now(), ctx.random(), ctx.uuid()]
    }
    const events = history({ type: 'step_completed', seq: 1, name: 'one' })
    const first = instanceOf(code)
    const second = instanceOf(code)
    await first.replay(events)
    await second.replay(events)
    expect(first.outcome).toEqual(second.outcome)
  })

  it('survives a step that fails and that nobody awaits', async () => {
    const instance = instanceOf(async (ctx) => {
      void ctx.step('forgotten', () => 0)
      await ctx.sleep(1)
      return 'done'
    })
    await instance.replay(
      history(
        { type: 'sleep_started', seq: 2 },
        { type: 'step_failed', seq: 1, name: 'forgotten', payload: '{"type":"Error","message":"no"}' },
        { type: 'sleep_ended', seq: 2 },
      ),
    )
    expect(instance.outcome).toEqual({ kind: 'completed', value: 'done' })
  })

  it('rejects what is awaited when canceled, and lets clean-up steps run', async () => {
    const instance = instanceOf(async (ctx) => {
      try {
        return await ctx.signal('never', z.unknown())
      } finally {
        await ctx.step('clean up', () => 0)
      }
    })
    await instance.replay(history({ type: 'cancel_requested', payload: '"enough"' }))
    expect(instance.takeCommands().map((command) => command.name)).toEqual(['clean up'])
    await instance.deliver({ type: 'step_completed', seq: 2, name: 'clean up', version: 3, at })
    expect(instance.outcome).toMatchObject({ kind: 'canceled', error: { message: 'canceled: enough' } })
  })
})
