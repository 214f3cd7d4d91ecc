// Races that were found by reading, each forced: what may happen between a decision of a run and its append, and what
// must not leak when something goes wrong half-way. Stores in between hold answers back or fail once.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { CerebelumError } from '../../src/core/errors.js'
import { createEngineOn, type Engine, type EngineOptions } from '../../src/engine/create-engine.js'
import type { Commit, Store } from '../../src/store/store.js'
import { workflow, type Workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { faultyStore } from '../support/faulty-store.js'
import { findViolations } from '../support/invariants.js'
import { eventually } from '../support/wait.js'

let database: TestDatabase
const engines = new Set<Engine>()

beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(async () => {
  await Promise.all([...engines].map((engine) => engine.stop()))
  expect(await findViolations(database.connect(), { quiet: true })).toEqual([])
  await database.drop()
})

type Settings = Omit<EngineOptions, 'database' | 'workflows'>

async function run(store: Store, workflows: readonly Workflow[], settings: Settings = {}): Promise<Engine> {
  const engine = createEngineOn(store, { workflows, drainMs: 1_000, ...settings })
  engines.add(engine)
  await engine.start()
  return engine
}

interface Gate {
  readonly opened: Promise<void>
  open(): void
}

function newGate(): Gate {
  let open: () => void = () => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open: () => open() }
}

function away(): CerebelumError {
  return new CerebelumError('DATABASE_UNAVAILABLE', 'The test says so. Try again.')
}

const LIMIT = { timeout: '20s' }

it('a signal is recorded and consumed by one append, however many are checked at a time', async () => {
  // A schema that takes its time, a different one each time.
  const slow = (turns: number): z.ZodType<number> =>
    z.number().refine(async () => {
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      return true
    })
  const listens = workflow({ name: 'listens' }, async (ctx) =>
    Promise.all(Array.from({ length: 12 }, (_, index) => ctx.signal(`s${index}`, slow(index)))),
  )
  const inner = await database.openStore()
  const commits: Commit[] = []
  const engine = await run({ ...inner, commit: (batch) => (commits.push(...batch), inner.commit(batch)) }, [
    listens,
  ])
  const { client } = engine
  const handle = await client.start(listens, undefined)
  await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      client.signal(handle.executionId, `s${index}`, index, { signalId: `m${index}` }),
    ),
  )
  expect(await handle.result(LIMIT)).toEqual(Array.from({ length: 12 }, (_, index) => index))
  const split = commits.filter(({ events, consumed = [] }) => {
    const recorded = events.flatMap(({ type, messageId }) => (type === 'signal_received' ? [messageId] : []))
    return recorded.length !== consumed.length
  })
  expect(split).toEqual([])
  await engine.stop()
})

it('a timer that rings before the answer to its own append is not forgotten', async () => {
  const step = newGate()
  const naps = workflow({ name: 'naps' }, async (ctx) => {
    const held = ctx.step('held', () => step.opened)
    await ctx.sleep(1)
    step.open()
    await held
    return 'awake'
  })
  const inner = await database.openStore()
  const answer = newGate()
  let heard = 0
  const engine = await run(
    {
      ...inner,
      async commit(batch) {
        const outcomes = await inner.commit(batch)
        if (batch.some(({ events }) => events.some(({ type }) => type === 'sleep_started')))
          await answer.opened
        return outcomes
      },
      async takeRung(...parameters) {
        const rung = await inner.takeRung(...parameters)
        heard += rung.length
        return rung
      },
    },
    [naps],
  )
  const handle = await engine.client.start(naps, undefined)
  await eventually(() => heard > 0, { what: 'the timer to ring' })
  answer.open()
  // The step is still held: only the timer can move it on.
  expect(await handle.result(LIMIT)).toBe('awake')
  await engine.stop()
})

it('a request to pause outlives the node that has read it, but not yet recorded it', async () => {
  const begun = newGate()
  const step = newGate()
  const works = workflow({ name: 'works' }, async (ctx) => {
    await ctx.step('long', async () => {
      begun.open()
      await step.opened
    })
    return ctx.step('next', () => 'done')
  })
  let reads = 0
  const inner = await database.openStore()
  const first = faultyStore(
    {
      ...inner,
      async readInboxes(...parameters) {
        const inboxes = await inner.readInboxes(...parameters)
        reads += inboxes.flat().length
        return inboxes
      },
    },
    () => undefined,
  )
  const engine = await run(first, [works])
  const { executionId } = await engine.client.start(works, undefined)
  await begun.opened
  await engine.client.pause(executionId)
  await eventually(() => reads > 0, { what: 'the request to be read' })
  // Whatever it would append about it, it has had its time to.
  const seen = first.appends
  await engine.client.signal(executionId, 'anything', 1)
  await eventually(() => reads > 1)
  expect(first.appends).toBe(seen)
  const { nodeId } = engine
  first.die()
  await engine.stop()

  const healthy = await database.openStore()
  await healthy.removeLease(nodeId)
  step.open()
  const next = await run(healthy, [works])
  await eventually(async () => (await next.client.get(executionId)).status === 'paused', {
    deadlineMs: 20_000,
  })
  await next.client.resume(executionId)
  expect(await next.client.result(executionId, LIMIT)).toBe('done')
  await next.stop()
})

it('steps of runs that were lost give back their slots', async () => {
  const never = new Promise<void>(() => undefined)
  const stuck = workflow({ name: 'stuck' }, async (ctx) =>
    Promise.all([ctx.step('quick', () => 1), ctx.step('stuck', () => never)]),
  )
  const quick = workflow({ name: 'quick' }, async (ctx) => ctx.step('quick', () => 'done'))
  const ids = Array.from({ length: 6 }, (_, index) => `stuck-${index}`)
  const store = faultyStore(await database.openStore(), ({ executionId, version }) =>
    executionId.startsWith('stuck') && version > 1 ? 'before' : undefined,
  )
  const engine = await run(store, [stuck, quick], { limits: { stepsPerNodeMax: 6 } })
  await engine.client.startMany(ids.map((id) => ({ workflow: stuck, id })))
  await eventually(() => store.dead.size === ids.length, { what: 'all to be lost', deadlineMs: 20_000 })
  const handle = await engine.client.start(quick, undefined)
  expect(await handle.result(LIMIT)).toBe('done')
  await Promise.all(ids.map((id) => engine.client.terminate(id)))
  await engine.stop()
})

it('children that could not be started give back their place in the node', async () => {
  const child = workflow({ name: 'child' }, async (ctx) => ctx.step('work', () => 'child'))
  const parent = workflow({ name: 'parent' }, async (ctx) => ctx.child(child, undefined))
  // Two that are done only side by side.
  const gate = newGate()
  const waits = workflow({ name: 'waits' }, async (ctx) => ctx.step('wait', () => gate.opened))
  const opens = workflow({ name: 'opens' }, async (ctx) => ctx.step('open', () => gate.open()))
  const inner = await database.openStore()
  let failures = 2
  const store: Store = {
    ...inner,
    insertExecutions: (starts) =>
      starts.some((start) => start.parent !== undefined) && failures-- > 0
        ? Promise.reject(away())
        : inner.insertExecutions(starts),
  }
  const engine = await run(store, [child, parent, waits, opens], { capacity: 3 })
  const handle = await engine.client.start(parent, undefined)
  expect(await handle.result(LIMIT)).toBe('child')
  const waiting = await engine.client.start(waits, undefined)
  const opening = await engine.client.start(opens, undefined)
  await Promise.all([waiting.result(LIMIT), opening.result(LIMIT)])
  await engine.stop()
})

it('two parents that start a child of one id at once: one gets it, the other is told, and no third one waits', async () => {
  const child = workflow({ name: 'child' }, async (ctx) => ctx.step('work', () => ctx.executionId))
  const parent = workflow({ name: 'parent' }, async (ctx, id: string) => ctx.child(child, undefined, { id }))
  const inner = await database.openStore()
  // The first start of a child is held back until the others wait behind it, so that they go in one batch.
  const gate = newGate()
  let waiting = 0
  const engine = await run(
    {
      ...inner,
      async insertExecutions(starts) {
        if (starts.some((start) => start.parent !== undefined) && waiting++ === 0) await gate.opened
        return inner.insertExecutions(starts)
      },
    },
    [child, parent],
  )
  const { client } = engine
  const first = await client.start(parent, 'unique')
  await eventually(() => waiting === 1)
  const rivals = await Promise.all(['same', 'same', 'other'].map((id) => client.start(parent, id)))
  await eventually(async () => {
    const histories = await Promise.all(rivals.map(({ executionId }) => client.history(executionId)))
    return histories.every(({ events }) => events.some(({ type }) => type === 'child_started'))
  })
  gate.open()
  const results = await Promise.allSettled([first, ...rivals].map((handle) => handle.result(LIMIT)))
  const told = results.map((result) => (result.status === 'fulfilled' ? result.value : 'told'))
  expect(told.toSorted()).toEqual(['other', 'same', 'told', 'unique'])
  expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
    reason: { code: 'EXECUTION_FAILED', cause: { code: 'EXECUTION_EXISTS' } },
  })
  await engine.stop()
})

it('executions that were claimed but could not be loaded are claimed again', async () => {
  const quick = workflow({ name: 'quick' }, async (ctx) => ctx.step('quick', () => 'done'))
  const inner = await database.openStore()
  let failures = 1
  const store: Store = {
    ...inner,
    readHistories: (...parameters) =>
      failures-- > 0 ? Promise.reject(away()) : inner.readHistories(...parameters),
  }
  await inner.registerDefinitions([{ workflow: 'quick', version: '1' }])
  const idle = createEngineOn(await database.openStore(), { workflows: [quick] })
  const handles = await idle.client.startMany(Array.from({ length: 5 }, () => ({ workflow: quick })))
  const engine = await run(store, [quick])
  for (const { executionId } of handles) expect(await engine.client.result(executionId, LIMIT)).toBe('done')
  expect(failures).toBeLessThanOrEqual(0)
  await engine.stop()
  await idle.stop()
})
