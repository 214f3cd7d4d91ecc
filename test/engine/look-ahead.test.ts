// The code may see an outcome before it is written, so that what it waits for next goes into the same append. Nothing
// that somebody else could notice happens before the append has committed.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createEngineOn, type Engine } from '../../src/engine/create-engine.js'
import type { Commit, CommitOutcome, Store } from '../../src/store/store.js'
import { workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { eventually } from '../support/wait.js'

let database: TestDatabase
let engine: Engine
let appends: Commit[] = []
let began: string[] = []
/** What stands between a commit and the database. */
let gate: (commit: Commit) => Promise<void> = () => Promise.resolve()

const twoSteps = workflow({ name: 'two-steps' }, async (ctx) => {
  let seen = 'nothing'
  ctx.onQuery('seen', () => seen)
  await ctx.step('one', () => began.push('one'))
  seen = 'one'
  await ctx.step('two', () => began.push('two'))
  return 'done'
})

const waiting = workflow({ name: 'waiting' }, async (ctx) => {
  await ctx.step('before', () => 1)
  await ctx.signal('go', z.string(), { timeout: '1 day' })
  await ctx.sleep(1)
  return ctx.now().getTime()
})

const parenting = workflow({ name: 'parenting' }, async (ctx) => {
  await ctx.step('before', () => 1)
  return ctx.child(twoSteps, undefined, { id: `${ctx.executionId}-child` })
})

beforeAll(async () => {
  database = await createTestDatabase()
  const store = await database.openStore()
  const watched: Store = {
    ...store,
    async commit(commits): Promise<CommitOutcome[]> {
      appends.push(...commits)
      await Promise.all(commits.map((commit) => gate(commit)))
      return store.commit(commits)
    },
  }
  engine = createEngineOn(watched, { workflows: [twoSteps, waiting, parenting] })
  await engine.start()
})

afterAll(async () => {
  await engine?.stop()
  await database?.drop()
})

beforeEach(() => {
  appends = []
  began = []
  gate = () => Promise.resolve()
})

/** The types of the events of each append of an execution, and how it left it. */
function written(executionId: string): string[] {
  return appends
    .filter(({ key }) => key.executionId === executionId)
    .map(({ events, transition }) =>
      [...events.map(({ type }) => type), transition?.kind ?? 'kept'].join(' '),
    )
}

describe('one append holds', () => {
  it('the last step and the end', async () => {
    const handle = await engine.client.start(twoSteps, undefined)
    const { executionId } = handle
    expect(await handle.result()).toBe('done')
    expect(written(executionId)).toEqual(['step_completed kept', 'step_completed completed close'])
  })

  it('a step and the wait after it, a signal and the sleep after it, the waking and the end', async () => {
    const handle = await engine.client.start(waiting, undefined)
    const { executionId } = handle
    await eventually(async () => (await engine.client.get(executionId)).status === 'waiting', {
      what: 'the wait for the signal',
    })
    await engine.client.signal(executionId, 'go', 'now')
    const now = await handle.result()
    expect(written(executionId)).toEqual([
      'step_completed signal_awaited release',
      'signal_received sleep_started release',
      'sleep_ended completed close',
    ])
    const { events } = await engine.client.history(executionId)
    const ended = events.find(({ type }) => type === 'sleep_ended')
    // What the code was told is the time is what a replay will tell it.
    expect(ended?.at.getTime()).toBe(now)
    const times = events.map(({ at }) => at.getTime())
    expect(times).toEqual(times.toSorted((a, b) => a - b))
  })
})

describe('before an append has committed', () => {
  it('no step begins, and no query sees what it says', async () => {
    const held = holdFirstStep()
    const handle = await engine.client.start(twoSteps, undefined)
    const { executionId } = handle
    await held.reached
    expect(began).toEqual(['one'])
    expect(await engine.client.query(executionId, 'seen')).toBe('nothing')
    expect(began).toEqual(['one'])
    held.open()
    expect(await handle.result()).toBe('done')
    expect(began).toEqual(['one', 'two'])
  })

  it('no child begins', async () => {
    const held = holdFirstStep()
    const handle = await engine.client.start(parenting, undefined)
    const { executionId } = handle
    await held.reached
    await expect(engine.client.get(`${executionId}-child`)).rejects.toMatchObject({
      code: 'EXECUTION_NOT_FOUND',
    })
    held.open()
    expect(await handle.result()).toBe('done')
  })
})

/** Holds the first append with a step's result until it is opened. */
function holdFirstStep(): { readonly reached: Promise<void>; open(): void } {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  const reached = new Promise<void>((resolve) => {
    gate = (commit) => {
      if (!commit.events.some(({ type }) => type === 'step_completed')) return Promise.resolve()
      gate = () => Promise.resolve()
      resolve()
      return opened
    }
  })
  return { reached, open: () => open() }
}
