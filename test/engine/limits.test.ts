// Every bound of a running installation, set small where the real one would take long: who goes over it gets a typed
// error that names the limit and says what to do, and everybody else goes on.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Limits } from '../../src/core/limits.js'
import { silentLogger, type Logger } from '../../src/core/ports.js'
import { createEngine, createEngineOn, type Engine } from '../../src/engine/create-engine.js'
import { workflow, type Workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { eventually } from '../support/wait.js'

let database: TestDatabase
const engines: Engine[] = []

beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

// Nodes share the work of a database: one whose settings differ must be gone before the next comes.
afterAll(stopAll)
async function stopAll(): Promise<void> {
  await Promise.all(engines.splice(0).map((engine) => engine.stop()))
}

async function engineOf(
  workflows: readonly Workflow[],
  limits: Partial<Limits>,
  log?: Logger,
): Promise<Engine> {
  const { url, schema } = database
  const settings = { workflows, limits, ...(log === undefined ? {} : { log }) }
  const engine = await createEngine({ database: { url, schema }, ...settings })
  engines.push(engine)
  await engine.start()
  return engine
}

const limited = (code: string, limit: string) => ({ code, details: expect.objectContaining({ limit }) })
const tooLarge = limited('PAYLOAD_TOO_LARGE', 'payloadBytesMax')

describe('a payload over the limit', () => {
  const large = 'x'.repeat(1_000)
  const takes = workflow({ name: 'takes' }, async (_ctx, input: unknown) => input)
  const gives = workflow({ name: 'gives' }, async () => large)
  const steps = workflow({ name: 'steps' }, async (ctx) => {
    const failed: unknown = await ctx
      .step('large', () => large, { retry: false })
      .catch((error: unknown) => error)
    return failed instanceof Error && 'code' in failed ? failed.code : 'stored'
  })
  const transacts = workflow({ name: 'transacts' }, async (ctx) => {
    const failed: unknown = await ctx.transaction('large', async () => large).catch((error: unknown) => error)
    return failed instanceof Error && 'code' in failed ? failed.code : 'stored'
  })
  const beats = workflow({ name: 'beats' }, async (ctx) =>
    ctx.step('beat', (step) => step.heartbeat(large), { retry: false }),
  )
  const parent = workflow({ name: 'parent' }, async (ctx) => ctx.child(takes, large))
  const again = workflow({ name: 'again' }, async (ctx) => ctx.continueAsNew(large))
  const talks = workflow({ name: 'talks' }, async (ctx) => {
    ctx.onQuery('echo', (args) => args)
    ctx.onQuery('large', () => large)
    ctx.onUpdate('echo', z.unknown(), (value) => value)
    ctx.onUpdate('large', z.unknown(), () => large)
    return ctx.signal('end', z.unknown())
  })
  let engine: Engine
  let talking: string

  afterAll(stopAll)
  beforeAll(async () => {
    const workflows = [takes, gives, steps, transacts, beats, parent, again, talks]
    engine = await engineOf(workflows, { payloadBytesMax: 500, attributesBytesMax: 500 })
    talking = (await engine.client.start(talks, null)).executionId
  })

  const fails = async (definition: Workflow, cause: object): Promise<void> => {
    const handle = await engine.client.start(definition, null)
    await expect(handle.result()).rejects.toMatchObject({ code: 'EXECUTION_FAILED', cause })
  }

  it('is refused as input', async () => {
    await expect(engine.client.start(takes, large, { id: 'large' })).rejects.toMatchObject(tooLarge)
    await expect(engine.client.get('large')).rejects.toMatchObject({ code: 'EXECUTION_NOT_FOUND' })
  })
  it('is refused as input of one of many, and none starts', async () => {
    const requests = ['a', large].map((input, n) => ({ workflow: takes, input, id: `many-${n}` }))
    await expect(engine.client.startMany(requests)).rejects.toMatchObject(tooLarge)
    await expect(engine.client.get('many-0')).rejects.toMatchObject({ code: 'EXECUTION_NOT_FOUND' })
  })
  it('fails the execution as its result', () => fails(gives, tooLarge))
  it('fails the step as its result, and the workflow can go on', async () => {
    expect(await (await engine.client.start(steps, null)).result()).toBe('PAYLOAD_TOO_LARGE')
  })
  it('fails and rolls back a transaction as its result', async () => {
    expect(await (await engine.client.start(transacts, null)).result()).toBe('PAYLOAD_TOO_LARGE')
  })
  it('fails the step that gives it as heartbeat', () => fails(beats, tooLarge))
  it('fails the child as its input', () => fails(parent, tooLarge))
  it('fails the execution as next input', () => fails(again, tooLarge))
  it('is refused as signal', () =>
    expect(engine.client.signal(talking, 'end', large)).rejects.toMatchObject(tooLarge))
  it('is refused as update and as its answer', async () => {
    expect(await engine.client.update(talking, 'echo', 'small')).toBe('small')
    await expect(engine.client.update(talking, 'echo', large)).rejects.toMatchObject(tooLarge)
    await expect(engine.client.update(talking, 'large')).rejects.toMatchObject({
      code: 'UPDATE_REJECTED',
      cause: tooLarge,
    })
  })
  it('is refused as arguments and as answer of a query', async () => {
    expect(await engine.client.query(talking, 'echo', 'small')).toBe('small')
    await expect(engine.client.query(talking, 'echo', large)).rejects.toMatchObject(tooLarge)
    await expect(engine.client.query(talking, 'large')).rejects.toMatchObject({
      ...limited('QUERY_FAILED', 'payloadBytesMax'),
      cause: tooLarge,
    })
  })
  it('is refused as reason', async () => {
    await expect(engine.client.cancel(talking, large)).rejects.toMatchObject(tooLarge)
    await expect(engine.client.terminate(talking, large)).rejects.toMatchObject(tooLarge)
  })
})

describe('attributes over their limits', () => {
  const grows = workflow({ name: 'grows' }, async (ctx, names: readonly string[]) => {
    for (const name of names) ctx.setAttributes({ [name]: 'x'.repeat(20) })
    return ctx.step('end', () => 'end')
  })
  const spawns = workflow({ name: 'spawns' }, async (ctx) =>
    ctx.child(grows, [], { attributes: { a: 1, b: 2, c: 3, d: 4 } }),
  )
  const goesOn = workflow({ name: 'goes-on' }, async (ctx, name: string) => {
    ctx.setAttributes({ [name]: ctx.run })
    return name === 'dddd' ? 'end' : ctx.continueAsNew(name === 'a' ? 'b' : name === 'b' ? 'c' : 'dddd')
  })
  let engine: Engine
  const tooMany = limited('PAYLOAD_TOO_LARGE', 'attributesMax')

  afterAll(stopAll)
  beforeAll(async () => {
    engine = await engineOf([grows, spawns, goesOn], { attributesMax: 3, attributesBytesMax: 80 })
  })

  it('are refused at the start', async () => {
    const start = (attributes: Record<string, string | number>) =>
      engine.client.start(grows, [], { attributes })
    await expect(start({ a: 1, b: 2, c: 3, d: 4 })).rejects.toMatchObject(tooMany)
    await expect(start({ a: 'x'.repeat(80) })).rejects.toMatchObject(
      limited('PAYLOAD_TOO_LARGE', 'attributesBytesMax'),
    )
  })
  it('fail the workflow that sets them one by one', async () => {
    const fine = await engine.client.start(grows, ['a', 'b', 'a', 'b', 'a'])
    expect(await fine.result()).toBe('end')
    const handle = await engine.client.start(grows, ['a', 'b', 'c', 'd'])
    await expect(handle.result()).rejects.toMatchObject({
      cause: limited('PAYLOAD_TOO_LARGE', 'attributesBytesMax'),
    })
  })
  it('fail the workflow that gives them to a child', async () => {
    const handle = await engine.client.start(spawns, null)
    await expect(handle.result()).rejects.toMatchObject({ cause: tooMany })
  })
  it('are counted over the runs of one execution', async () => {
    const handle = await engine.client.start(goesOn, 'a')
    await expect(handle.result()).rejects.toMatchObject({ cause: tooMany })
    expect(await engine.client.get(handle.executionId)).toMatchObject({
      run: 4,
      attributes: { a: 1, b: 2, c: 3 },
    })
  })
  it('harm no other start of the same batch', async () => {
    const results = await Promise.allSettled(
      ['fine', 'not \u0000 fine', 'fine too'].map((text) =>
        engine.client.start(grows, [], { attributes: { text } }),
      ),
    )
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })
})

describe('a history', () => {
  const loops = workflow({ name: 'loops' }, async (ctx, n: number) => {
    for (let i = 0; i < n; i++) await ctx.step('again', () => i)
    return n
  })
  const wide = workflow({ name: 'wide' }, async (ctx, n: number) => {
    const results = await Promise.all(Array.from({ length: n }, (_, i) => ctx.step('part', () => i)))
    return results.length
  })
  const heavy = workflow({ name: 'heavy' }, async (ctx, n: number) => {
    for (let i = 0; i < n; i++) await ctx.step('again', () => 'x'.repeat(100))
    return n
  })
  const renews = workflow({ name: 'renews' }, async (ctx, left: number): Promise<string> => {
    for (let i = 0; i < 15; i++) await ctx.step('again', () => i)
    return left === 0 ? 'end' : ctx.continueAsNew(left - 1)
  })
  const warnings: string[] = []
  const log: Logger = { ...silentLogger, warn: (_fields, message) => void warnings.push(message) }
  let engine: Engine

  afterAll(stopAll)
  beforeAll(async () => {
    const limits = { historyEventsWarn: 10, historyEventsMax: 20, historyBytesMax: 1_500 }
    engine = await engineOf([loops, wide, heavy, renews], limits, log)
  })

  it('is warned about once, and refused with the hint to continue as new', async () => {
    const handle = await engine.client.start(loops, 100)
    await expect(handle.result()).rejects.toMatchObject({
      code: 'EXECUTION_FAILED',
      cause: {
        ...limited('HISTORY_TOO_LONG', 'historyEventsMax'),
        message: expect.stringContaining('ctx.continueAsNew'),
      },
    })
    const warned = warnings.filter((message) => message.includes('over 10 events'))
    expect(warned).toHaveLength(1)
    const { events } = await engine.client.history(handle.executionId)
    expect(events.length).toBeLessThanOrEqual(22)
  })
  it('of steps in parallel is refused too', async () => {
    const handle = await engine.client.start(wide, 100)
    await expect(handle.result()).rejects.toMatchObject({ cause: { code: 'HISTORY_TOO_LONG' } })
  })
  it('is refused by the size of its payloads', async () => {
    const handle = await engine.client.start(heavy, 16)
    await expect(handle.result()).rejects.toMatchObject({ code: 'EXECUTION_FAILED' })
    await expect(handle.result()).rejects.toMatchObject({
      cause: limited('HISTORY_TOO_LONG', 'historyBytesMax'),
    })
  })
  it('begins anew with continueAsNew', async () => {
    const handle = await engine.client.start(renews, 5)
    expect(await handle.result()).toBe('end')
  })
  it('of 50,000 events is refused by the default limit, and not before', async () => {
    await stopAll()
    const large = await engineOf([wide], {})
    const fine = await large.client.start(wide, 49_000)
    expect(await fine.result()).toBe(49_000)
    const handle = await large.client.start(wide, 51_000)
    await expect(handle.result()).rejects.toMatchObject({
      cause: limited('HISTORY_TOO_LONG', 'historyEventsMax'),
    })
  }, 180_000)
})

describe('names and ids', () => {
  afterEach(stopAll)
  const names = workflow({ name: 'names' }, async (ctx, name: string) => ctx.step(name, () => 'done'))
  const long = workflow({ name: 'l'.repeat(120) }, async () => 'done')

  it('are as long as the settings say', async () => {
    const { client } = await engineOf([names, long], { nameCharactersMax: 120, idCharactersMax: 300 })
    expect(await (await client.start(long, null, { id: 'x'.repeat(300) })).result()).toBe('done')
    expect(await (await client.start(names, 'n'.repeat(120))).result()).toBe('done')
    await expect((await client.start(names, 'n'.repeat(121))).result()).rejects.toMatchObject({
      cause: limited('INVALID_NAME', 'nameCharactersMax'),
    })
    await expect(client.start(long, null, { id: 'x'.repeat(301) })).rejects.toMatchObject(
      limited('INVALID_ID', 'idCharactersMax'),
    )
  })
  it('of workflows are checked by the engine that registers them', async () => {
    await expect(engineOf([long], {})).rejects.toMatchObject(limited('INVALID_NAME', 'nameCharactersMax'))
  })
  it('of any script survive', async () => {
    const { client } = await engineOf([names], {})
    const id = 'заказ/٧ 注文 🚀 "quoted" \\ {}'
    expect(await (await client.start(names, '工程 🚀', { id })).result()).toBe('done')
    expect((await client.get(id)).executionId).toBe(id)
    expect((await client.history(id)).events[1]?.name).toBe('工程 🚀')
  })
})

describe('calls', () => {
  const waits = workflow({ name: 'waits' }, async (ctx, n: number) => {
    for (let i = 0; i < n; i++) await ctx.signal('go', z.unknown())
    return n
  })
  let engine: Engine

  afterAll(stopAll)
  beforeAll(async () => {
    engine = await engineOf([waits], { startManyMax: 3, inboxMax: 5, waitersMax: 2 })
  })

  it('startMany takes as many as the limit says', async () => {
    const many = (n: number) => Array.from({ length: n }, () => ({ workflow: waits, input: 0 }))
    expect(await engine.client.startMany(many(3))).toHaveLength(3)
    await expect(engine.client.startMany(many(4))).rejects.toMatchObject(limited('TOO_MANY', 'startManyMax'))
  })

  it('an inbox that is full refuses more, but not the request to cancel, and takes more when it was read', async () => {
    const later = await engine.client.start(waits, 6, { startAfter: 1_500 })
    const id = later.executionId
    for (let n = 0; n < 5; n++) await engine.client.signal(id, 'go')
    await expect(engine.client.signal(id, 'go')).rejects.toMatchObject({
      code: 'TOO_MANY',
      details: { executionId: id, limit: 'inboxMax', retryAfterMs: 1_000 },
    })
    await eventually(() => engine.client.signal(id, 'go').then(() => true))
    expect(await later.result()).toBe(6)
    const other = await engine.client.start(waits, 99, { startAfter: 500 })
    for (let n = 0; n < 5; n++) await engine.client.signal(other.executionId, 'unheard')
    await expect(engine.client.signal(other.executionId, 'go')).rejects.toMatchObject({ code: 'TOO_MANY' })
    await engine.client.cancel(other.executionId)
    await expect(other.result()).rejects.toMatchObject({ code: 'EXECUTION_CANCELED' })
  })

  it('no more wait for results than the limit says', async () => {
    const { executionId } = await engine.client.start(waits, 1)
    const abort = new AbortController()
    const waiting = [1, 2].map(() => engine.client.result(executionId, { signal: abort.signal }))
    await expect(engine.client.result(executionId)).rejects.toMatchObject(limited('TOO_MANY', 'waitersMax'))
    abort.abort(new Error('enough'))
    for (const one of waiting) await expect(one).rejects.toThrow('enough')
    await engine.client.signal(executionId, 'go')
    expect(await engine.client.result(executionId)).toBe(1)
  })

  it.each([0, 1_001, 1.5, Number.NaN, -1])('a list of %d is refused', async (limit) => {
    await expect(engine.client.list({ limit })).rejects.toMatchObject(
      limited('INVALID_ARGUMENT', 'listLimitMax'),
    )
    await expect(engine.client.history('x', { limit })).rejects.toMatchObject(
      limited('INVALID_ARGUMENT', 'historyPageMax'),
    )
  })

  it('writes that pile up are refused, and those that were taken are done', async () => {
    const { url, schema } = database
    const small = await createEngine({
      database: { url, schema },
      workflows: [waits],
      limits: { laneQueueMax: 50 },
    })
    engines.push(small)
    const starts = await Promise.allSettled(
      Array.from({ length: 200 }, (_, n) => small.client.start(waits, 0, { id: `piled-${n}` })),
    )
    const refused = starts.flatMap((start) => (start.status === 'rejected' ? [start.reason] : []))
    expect(refused.length).toBeGreaterThan(0)
    for (const reason of refused) expect(reason).toMatchObject(limited('OVERLOADED', 'laneQueueMax'))
    for (const [n, { status }] of starts.entries()) {
      const found = await small.client.get(`piled-${n}`).then(
        () => 'fulfilled',
        () => 'rejected',
      )
      expect(found).toBe(status)
    }
  })
})

describe('steps at the same time', () => {
  afterEach(stopAll)
  let running = 0
  let most = 0
  const counts = workflow({ name: 'counts' }, async (ctx, n: number) => {
    const one = async (): Promise<void> => {
      running++
      most = Math.max(most, running)
      await new Promise<void>((resolve) => {
        setImmediate(() => setImmediate(resolve))
      })
      running--
    }
    await Promise.all(Array.from({ length: n }, () => ctx.step('one', one)))
    return n
  })

  it('are never more than an execution may have, nor than a node may have', async () => {
    const { client } = await engineOf([counts], { stepsPerExecutionMax: 7, stepsPerNodeMax: 20 })
    expect(await (await client.start(counts, 100)).result()).toBe(100)
    expect(most).toBe(7)
    most = 0
    const handles = await Promise.all(Array.from({ length: 10 }, () => client.start(counts, 50)))
    for (const handle of handles) expect(await handle.result()).toBe(50)
    expect(most).toBeGreaterThan(7)
    expect(most).toBeLessThanOrEqual(20)
    expect(running).toBe(0)
  })

  it('10,000 of one execution are done in seconds', async () => {
    const { client } = await engineOf([counts], {})
    most = 0
    const begun = performance.now()
    expect(await (await client.start(counts, 10_000)).result()).toBe(10_000)
    expect(most).toBe(1_000)
    expect(performance.now() - begun).toBeLessThan(20_000)
  })

  it('with large results are appended in parts that a statement can hold', async () => {
    const results = 12
    const large = workflow({ name: 'large' }, async (ctx) => {
      const parts = await Promise.all(
        Array.from({ length: results }, (_, n) => ctx.step('large', () => String(n % 10).repeat(900_000))),
      )
      return parts.map((part) => part.length)
    })
    const store = await database.openStore()
    const sizes: number[] = []
    const measured: typeof store = {
      ...store,
      commit(batch) {
        for (const { events } of batch)
          sizes.push(events.reduce((sum, { payload }) => sum + (payload?.length ?? 0), 0))
        return store.commit(batch)
      },
    }
    const engine = createEngineOn(measured, { workflows: [large] })
    engines.push(engine)
    await engine.start()
    const handle = await engine.client.start(large, null)
    const expected = Array.from({ length: results }, () => 900_000)
    expect(await handle.result()).toEqual(expected)
    expect(Math.max(...sizes)).toBeLessThan(3_000_000)
  })
})
