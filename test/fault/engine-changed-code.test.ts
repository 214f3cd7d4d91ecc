// Code that was changed under running executions. A replay that disagrees with the history says which event, and what
// both sides have; nothing is failed, nothing is written into the history, and once the code agrees again the
// execution goes on by itself.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Client, HistoryEvent } from '../../src/client/client.js'
import { createClient } from '../../src/client/open-client.js'
import { createEngine, type Engine } from '../../src/engine/create-engine.js'
import type { WorkflowContext } from '../../src/workflow/context.js'
import { workflow, type Workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { findViolations } from '../support/invariants.js'
import { eventually } from '../support/wait.js'

type Code = (ctx: WorkflowContext) => Promise<unknown>

const step = (ctx: WorkflowContext, name: string): Promise<string> => ctx.step(name, () => name)
const go = (ctx: WorkflowContext): Promise<string> => ctx.signal('go', z.string())

/** What every execution here has begun with: its history is started, charge, ship, and it waits for a signal. */
const original: Code = async (ctx) => [await step(ctx, 'charge'), await step(ctx, 'ship'), await go(ctx)]

interface Change {
  readonly name: string
  readonly changed: Code
  readonly event: number
  readonly recorded: string
  readonly code: string
}

const CHANGES: readonly Change[] = [
  {
    name: 'a step was removed',
    changed: async (ctx) => [await step(ctx, 'charge'), await go(ctx)],
    event: 3,
    recorded: 'step "ship" as command 2',
    code: 'signal "go" as command 2',
  },
  {
    name: 'a step was renamed',
    changed: async (ctx) => [await step(ctx, 'charge'), await step(ctx, 'send'), await go(ctx)],
    event: 3,
    recorded: 'step "ship" as command 2',
    code: 'step "send" as command 2',
  },
  {
    name: 'two steps were reordered',
    changed: async (ctx) => [await step(ctx, 'ship'), await step(ctx, 'charge'), await go(ctx)],
    event: 2,
    recorded: 'step "charge" as command 1',
    code: 'step "ship" as command 1',
  },
  {
    name: 'a step was added in the past',
    changed: async (ctx) => [
      await step(ctx, 'charge'),
      await step(ctx, 'pack'),
      await step(ctx, 'ship'),
      await go(ctx),
    ],
    event: 3,
    recorded: 'step "ship" as command 2',
    code: 'step "pack" as command 2',
  },
  {
    name: 'a step became a sleep',
    changed: async (ctx) => [await step(ctx, 'charge'), await ctx.sleep(1), await go(ctx)],
    event: 3,
    recorded: 'step "ship" as command 2',
    code: 'sleep as command 2',
  },
  {
    name: 'the code ends before its history',
    changed: async (ctx) => step(ctx, 'charge'),
    event: 3,
    recorded: 'step "ship" as command 2',
    code: 'nothing that waits for it',
  },
  {
    name: 'steps are no longer taken side by side',
    changed: async (ctx) => [await Promise.all([step(ctx, 'ship'), step(ctx, 'charge')]), await go(ctx)],
    event: 2,
    recorded: 'step "charge" as command 1',
    code: 'step "ship" as command 1',
  },
]

/** Changes with which running executions still agree. */
const AGREEING: Readonly<Record<string, { readonly changed: Code; readonly result: unknown }>> = {
  'a step was added in the future': {
    changed: async (ctx) => [await original(ctx), await step(ctx, 'mail')],
    result: [['charge', 'ship', 'now'], 'mail'],
  },
  'the past is told from the future by ctx.patched': {
    changed: async (ctx) => {
      const charged = ctx.patched('charge-twice')
        ? await step(ctx, 'charge in parts')
        : await step(ctx, 'charge')
      const shipped = await step(ctx, 'ship')
      const word = await go(ctx)
      // Beyond what is recorded everybody takes the new way.
      return [charged, shipped, word, ctx.patched('mail') ? await step(ctx, 'mail') : 'no mail']
    },
    result: ['charge', 'ship', 'now', 'mail'],
  },
}

let database: TestDatabase
let client: Client
const engines: Engine[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  client = await createClient({ database: { url: database.url, schema: database.schema } })
})
afterAll(async () => {
  await Promise.all(engines.map((engine) => engine.stop()))
  await client?.close()
  await database?.drop()
})

/** A node with this code for each of the workflows, which are named after what happens to them. */
async function deploy(code: (name: string) => Code, names: readonly string[]): Promise<Engine> {
  const workflows = names.map((name): Workflow => workflow({ name }, code(name)))
  return deployAll(workflows)
}

async function deployAll(workflows: readonly Workflow[]): Promise<Engine> {
  const { url, schema } = database
  const engine = await createEngine({ database: { url, schema }, workflows })
  engines.push(engine)
  await engine.start()
  return engine
}

async function eachHas(ids: readonly string[], status: string): Promise<void> {
  await eventually(
    async () => {
      for (const id of ids)
        expect(await client.get(id)).toMatchObject({ executionId: id, status, node: null })
      return true
    },
    { what: `all to be ${status}`, deadlineMs: 30_000, everyMs: 100 },
  )
}

const history = async (id: string): Promise<readonly HistoryEvent[]> => (await client.history(id)).events

describe('executions whose code was changed', () => {
  const blocked = CHANGES.map(({ name }) => name)
  const agreeing = Object.keys(AGREEING)
  const all = [...blocked, ...agreeing]
  const changedCode = (name: string): Code =>
    AGREEING[name]?.changed ?? CHANGES.find((change) => change.name === name)?.changed ?? original
  let before: Map<string, readonly HistoryEvent[]>

  beforeAll(async () => {
    const first = await deploy(() => original, all)
    await client.startMany(all.map((name) => ({ workflow: name, id: name })))
    await eachHas(all, 'waiting')
    await first.stop()
    before = new Map(await Promise.all(all.map(async (id) => [id, await history(id)] as const)))
    for (const id of all) await client.signal(id, 'go', 'now')
    await deploy(changedCode, all)
  })

  it.each(CHANGES)(
    '$name: it is blocked, with the event and both sides',
    async ({ name, event, recorded, code }) => {
      await eachHas([name], 'blocked')
      const { note, closedAt } = await client.get(name)
      expect(note).toContain(`at event ${event} the history has ${recorded}, the code has ${code}`)
      expect(note).toContain(`workflow "${name}"`)
      expect(closedAt).toBeNull()
      expect(await history(name)).toEqual(before.get(name))
    },
  )

  it.each(agreeing)('%s: it goes on', async (name) => {
    expect(await client.result(name, { timeout: '20s' })).toEqual(AGREEING[name]?.result)
  })

  it('new executions take the new way of a patch', async () => {
    const name = 'the past is told from the future by ctx.patched'
    const fresh = await client.start(name, undefined, { id: 'fresh' })
    await client.signal('fresh', 'go', 'now')
    expect(await fresh.result({ timeout: '20s' })).toEqual(['charge in parts', 'ship', 'now', 'mail'])
  })

  it('is looked at at once when asked to, and blocked again as long as the code disagrees', async () => {
    const id = CHANGES[0]?.name ?? ''
    const startedAt = performance.now()
    await client.retry(id)
    await eventually(async () => (await history(id)).at(-1)?.type === 'resumed')
    await eachHas([id], 'blocked')
    // By itself it is looked at every 10 s.
    expect(performance.now() - startedAt).toBeLessThan(6_000)
  })

  it('they go on by themselves once the code agrees again', { timeout: 60_000 }, async () => {
    await engines.at(-1)?.stop()
    const last = await deploy(() => original, blocked)
    const results = await Promise.all(blocked.map((id) => client.result(id, { timeout: '40s' })))
    expect(results).toEqual(blocked.map(() => ['charge', 'ship', 'now']))
    await last.stop()
    expect(await findViolations(database.connect(), { quiet: true })).toEqual([])
  })
})

it('code that goes by chance of its own is found out by its next replay', async () => {
  const gambling = workflow({ name: 'gambling' }, async (ctx) => {
    await step(ctx, `bet on ${Math.random()}`)
    return go(ctx)
  })
  const first = await deployAll([gambling])
  await client.start('gambling', undefined, { id: 'gambler' })
  await eachHas(['gambler'], 'waiting')
  await first.stop()
  const second = await deployAll([gambling])
  await client.signal('gambler', 'go', 'now')
  await eachHas(['gambler'], 'blocked')
  expect((await client.get('gambler')).note).toMatch(
    /at event 2 the history has step "bet on .* the code has step "bet on/,
  )
  await client.terminate('gambler')
  await second.stop()
})

describe('executions of a workflow that this node does not have', () => {
  it('wait for a node that has it, and hold nobody up', async () => {
    const foreign = workflow({ name: 'foreign' }, async (ctx) => step(ctx, 'elsewhere'))
    const known = workflow({ name: 'known' }, async (ctx) => step(ctx, 'here'))
    const here = await deployAll([known])
    await expect(here.client.start('foreign')).rejects.toMatchObject({ code: 'UNKNOWN_WORKFLOW' })
    const elsewhere = await deployAll([foreign])
    await elsewhere.stop()

    // Registered by now, though nobody runs it.
    const waiting = await here.client.start('foreign', undefined, { id: 'foreign-1' })
    for (let n = 0; n < 20; n++) {
      const handle = await here.client.start(known, undefined)
      expect(await handle.result({ timeout: '20s' })).toBe('here')
    }
    expect(await client.get('foreign-1')).toMatchObject({ status: 'running', node: null, version: 1 })
    await deployAll([foreign])
    expect(await waiting.result({ timeout: '20s' })).toBe('elsewhere')
  })

  it('as children of it, too', async () => {
    const child = workflow({ name: 'far child' }, async (ctx, n: number) => ctx.step('double', () => 2 * n))
    const parent = workflow({ name: 'near parent' }, async (ctx, n: number) => ctx.child(child, n))
    const far = await deployAll([child])
    await far.stop()
    const near = await deployAll([parent])
    const handle = await near.client.start(parent, 21)
    await eachHas([handle.executionId], 'waiting')
    await deployAll([child])
    expect(await handle.result({ timeout: '20s' })).toBe(42)
  })
})
