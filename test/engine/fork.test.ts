// Forks: an execution that begins as a copy of another. What is copied replays to the same state and is not done again; what
// comes behind it is the fork's own; whatever held the other does not hold it.

import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { errorCode } from '../../src/core/errors.js'
import { replayHistory } from '../../src/testing/replay-history.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

const done: string[] = []
const does = (ctx: { executionId: string }, what: string): string => {
  done.push(`${ctx.executionId} ${what}`)
  return what
}
const doneBy = (id: string): string[] =>
  done.filter((entry) => entry.startsWith(`${id} `)).map((entry) => entry.slice(id.length + 1))

const drawn = workflow({ name: 'drawn', input: z.string() }, async (ctx, input) => {
  const before = [ctx.uuid(), ctx.now().getTime()]
  await ctx.step(`one ${ctx.uuid().slice(0, 4)}`, () => does(ctx, 'one'))
  ctx.setAttributes({ stage: 1 })
  await ctx.step('two', () => does(ctx, 'two'))
  const last = ctx.uuid()
  await ctx.step('three', () => does(ctx, 'three'))
  return { input, before, last }
})
const child = workflow({ name: 'child' }, async (ctx, input: unknown) => {
  does(ctx, 'child')
  if (input === 'waits') await ctx.signal('go', z.unknown())
  return ctx.executionId
})
const parent = workflow({ name: 'parent' }, async (ctx) => {
  const first = await ctx.child(child, 'at once')
  const second = await ctx.child(child, 'waits')
  return [first, second]
})
const sleeps = workflow({ name: 'sleeps' }, async (ctx, ms: unknown) => {
  await ctx.step('before', () => does(ctx, 'before'))
  await ctx.sleep(Number(ms))
  return ctx.signal('go', z.unknown(), { timeout: '1 day' })
})
const one = workflow({ name: 'one at a time', concurrency: { limit: 1 } }, async (ctx) => {
  await ctx.step('begin', () => does(ctx, 'begin'))
  await ctx.signal('go', z.unknown())
  return ctx.step('end', () => does(ctx, 'end'))
})

const engine = useEngine([drawn, child, parent, sleeps, one])
const typesUntil = async (id: string, version: number): Promise<string[]> =>
  (await engine.types(id)).slice(0, version)
const versionOf = async (id: string, type: string): Promise<number> =>
  (await engine.events(id)).find((event) => event.type === type)?.version ?? 0
const codeOf = (call: Promise<unknown>): Promise<unknown> => call.then(() => 'none', errorCode)

describe('a fork', () => {
  test('has seen what was copied, with its times and its chance, and does only what comes behind', async () => {
    const { client } = engine
    const original = await client.start(drawn, 'in', { id: 'drawn', attributes: { shop: 7 } })
    const first = Object(await original.result())
    const version = (await versionOf('drawn', 'attributes_set')) || 2
    const fork = await client.fork('drawn', { version, id: 'fork' })
    expect(fork).toMatchObject({ executionId: 'fork', created: true })
    const second = Object(await fork.result())
    expect(second.before).toEqual(first.before)
    expect(second.input).toBe('in')
    expect(second.last).not.toBe(first.last)
    expect(doneBy('fork')).toEqual(['two', 'three'])
    const events = await engine.events('fork')
    const copied = (await engine.events('drawn')).slice(1, version)
    expect(events.slice(1, version)).toEqual(copied)
    expect(events[0]).toMatchObject({
      type: 'started',
      payload: 'in',
      detail: { forkedFrom: { executionId: 'drawn', version } },
    })
    expect(await client.get('fork')).toMatchObject({
      attributes: { shop: 7, stage: 1 },
      parentId: null,
      run: 1,
    })
    // It replays as it ran, and so does a fork of it, on both sides of where it began.
    await replayHistory(drawn, events, { executionId: 'fork' })
    for (const until of [2, version + 1]) {
      const id = `fork of a fork at ${until}`
      const again = Object(await (await client.fork('fork', { version: until, id })).result())
      expect(again.before).toEqual(first.before)
      await replayHistory(drawn, await engine.events(id), { executionId: id })
    }
  })

  test('is the same when it is asked for again, and refused under an id that is taken', async () => {
    const { client } = engine
    await (await client.start(drawn, 'x', { id: 'again' })).result()
    const forks = await Promise.all(
      Array.from({ length: 5 }, () => client.fork('again', { version: 1, startId: 'f-1' })),
    )
    expect(new Set(forks.map(({ executionId }) => executionId)).size).toBe(1)
    await forks[0]?.result()
    await client.fork('again', { version: 1, id: 'again/1' })
    await client.fork('again', { version: 1, id: 'again/1' })
    expect((await engine.types('again/1'))[0]).toBe('started')
    expect(await codeOf(client.fork('again', { version: 2, id: 'again/1' }))).toBe('EXECUTION_EXISTS')
    expect(await codeOf(client.fork('again', { version: 1, id: 'again' }))).toBe('EXECUTION_EXISTS')
  })

  test('is refused behind the end, past it, and of what is not there', async () => {
    const { client } = engine
    await (await client.start(drawn, 'x', { id: 'ended' })).result()
    const last = (await engine.events('ended')).length
    for (const version of [last, last + 1, 0, 1.5])
      expect(await codeOf(client.fork('ended', { version })), String(version)).toMatch(/INVALID_ARGUMENT/)
    expect(await codeOf(client.fork('nobody', { version: 1 }))).toBe('EXECUTION_NOT_FOUND')
    expect(doneBy('ended')).toEqual(['one', 'two', 'three'])
  })

  test('has its own children where the other had none that ended', async () => {
    const { client } = engine
    await client.start(parent, null, { id: 'parent' })
    await eventually(
      async () => (await engine.types('parent')).filter((type) => type === 'child_started').length === 2,
    )
    await eventually(
      async () => (await client.list({ parentId: 'parent', status: 'waiting' })).executions.length === 1,
    )
    const version = (await engine.events('parent')).length
    const fork = await client.fork('parent', { version, id: 'other parent' })
    const children = await eventually(async () => {
      const { executions } = await client.list({ parentId: 'other parent', status: 'waiting' })
      return executions.length === 1 && executions
    })
    const [own] = children
    await client.signal(own?.executionId ?? '', 'go')
    const result = await fork.result()
    const finished = (await engine.events('parent')).find(({ type }) => type === 'child_completed')
    expect(result).toEqual([finished?.payload, own?.executionId])
    const begun = (await engine.events('other parent')).filter(({ type }) => type === 'child_started')
    expect(begun.at(-1)?.detail).toMatchObject({ childId: own?.executionId })
    expect((await client.get('parent')).status).toBe('waiting')
    await client.terminate('parent')
  })

  test('keeps the instants of timers: those past are over, those to come are waited for', async () => {
    const { client } = engine
    await client.start(sleeps, 1, { id: 'short' })
    await eventually(async () => (await engine.types('short')).includes('signal_awaited'))
    await client.fork('short', { version: await versionOf('short', 'sleep_started'), id: 'short again' })
    await eventually(async () => (await engine.types('short again')).includes('signal_awaited'))
    await client.fork('short', { version: (await engine.events('short')).length, id: 'waits on' })
    await eventually(async () => (await client.get('waits on')).status === 'waiting')
    await client.start(sleeps, 2_500, { id: 'long' })
    await eventually(async () => (await client.get('long')).status === 'waiting')
    await client.fork('long', { version: (await engine.events('long')).length, id: 'long again' })
    await eventually(async () => (await engine.types('long again')).includes('sleep_ended'))
    const dueAt = (id: string) =>
      engine.events(id).then((events) => events.find(({ type }) => type === 'sleep_started')?.dueAt)
    expect(await dueAt('long again')).toEqual(await dueAt('long'))
    for (const id of ['short', 'short again', 'waits on', 'long', 'long again'])
      await client.signal(id, 'go', id)
    expect(await client.result('waits on')).toBe('waits on')
    expect(doneBy('waits on')).toEqual([])
  })

  test('waits its turn at the limits of its workflow', async () => {
    const { client } = engine
    await client.start(one, null, { id: 'inside' })
    await eventually(async () => (await client.get('inside')).status === 'waiting')
    const version = await versionOf('inside', 'step_completed')
    const fork = await client.fork('inside', { version, id: 'outside' })
    await eventually(async () => (await client.get('outside')).status === 'queued')
    await client.signal('outside', 'go')
    expect(doneBy('outside')).toEqual([])
    await client.signal('inside', 'go')
    await fork.result()
    expect(doneBy('outside')).toEqual(['end'])
    expect(await engine.types('outside')).toContain('admitted')
    await replayHistory(one, await engine.events('outside'), { executionId: 'outside' })
    expect(await typesUntil('outside', 2)).toEqual(['started', 'step_completed'])
  })
})
