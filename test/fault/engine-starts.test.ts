// Many starts of one id at the same moment, through several nodes and clients, each with a store of its own: there is
// one execution (or one new run), and all callers get it, or are told, as their policy says.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Client, Handle } from '../../src/client/client.js'
import { createClient } from '../../src/client/open-client.js'
import type { IdPolicy } from '../../src/core/execution.js'
import { createEngine, type Engine } from '../../src/engine/create-engine.js'
import { workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { findViolations } from '../support/invariants.js'
import { eventually } from '../support/wait.js'

const IDS = Array.from({ length: 4 }, (_, index) => index)
const CALLS_PER_CLIENT = 5

/** Says which start it is of, and stays open until it is told to go. */
const waits = workflow({ name: 'waits', input: z.int() }, async (ctx, caller) => {
  await ctx.step('begin', () => caller)
  await ctx.signal('go', z.string())
  return caller
})

let database: TestDatabase
let engines: Engine[]
let clients: Client[]

beforeAll(async () => {
  database = await createTestDatabase()
  const { url, schema } = database
  const open = async (): Promise<Engine> => {
    const engine = await createEngine({ database: { url, schema, connections: 4 }, workflows: [waits] })
    await engine.start()
    return engine
  }
  engines = await Promise.all([open(), open(), open()])
  const own = await Promise.all([1, 2].map(() => createClient({ database: { url, schema, connections: 2 } })))
  clients = [...engines.map((engine) => engine.client), ...own]
})
afterAll(async () => {
  await Promise.all(clients?.slice(3).map((client) => client.close()) ?? [])
  await Promise.all(engines?.map((engine) => engine.stop()) ?? [])
  await database?.drop()
})

interface Outcome {
  readonly caller: number
  readonly handle?: Handle
  readonly code?: unknown
}

/** The same id through every client at once; the inputs tell the callers apart. */
function startEverywhere(id: string, options: { idPolicy: IdPolicy; startId?: string }): Promise<Outcome[]> {
  const callers = clients.flatMap((client) => Array.from({ length: CALLS_PER_CLIENT }, () => client))
  return Promise.all(
    callers.map(async (client, caller): Promise<Outcome> => {
      try {
        return { caller, handle: await client.start('waits', caller, { id, ...options }) }
      } catch (error) {
        return { caller, code: Object(error).code }
      }
    }),
  )
}

const created = (outcomes: readonly Outcome[]): Outcome[] => outcomes.filter(({ handle }) => handle?.created)
const client = (): Client => clients[0] ?? expect.unreachable()

async function runsOf(id: string): Promise<{ started: unknown[]; closed: string[] }> {
  const { events } = await client().history(id)
  return {
    started: events.filter((event) => event.type === 'started').map((event) => event.payload),
    closed: events
      .filter((event) => /completed$|terminated/.test(event.type) && event.seq === undefined)
      .map(({ type }) => type),
  }
}

async function finish(id: string): Promise<unknown> {
  await client().signal(id, 'go', 'now')
  return client().result(id, { timeout: '20s' })
}

describe.each(IDS)('starts of one id, round %i:', (round) => {
  it('return-existing: one execution, which all get', async () => {
    const id = `existing-${round}`
    const outcomes = await startEverywhere(id, { idPolicy: 'return-existing' })
    const [first, ...more] = created(outcomes)
    expect(more).toEqual([])
    expect(outcomes.map(({ handle }) => handle?.executionId)).toEqual(outcomes.map(() => id))
    expect(await finish(id)).toBe(first?.caller)
    expect((await runsOf(id)).started).toEqual([first?.caller])
    const handles = outcomes.flatMap(({ handle }) => handle ?? [])
    const results = await Promise.all(handles.map((handle) => handle.result({ timeout: '20s' })))
    expect(new Set(results)).toEqual(new Set([first?.caller]))
  })

  it('reject: one execution, and all others are told', async () => {
    const id = `reject-${round}`
    const outcomes = await startEverywhere(id, { idPolicy: 'reject' })
    const [first, ...more] = created(outcomes)
    expect(more).toEqual([])
    const codes = outcomes.filter(({ handle }) => handle === undefined).map(({ code }) => code)
    expect(codes).toEqual(Array.from({ length: outcomes.length - 1 }, () => 'EXECUTION_EXISTS'))
    expect(await finish(id)).toBe(first?.caller)
    expect((await runsOf(id)).started).toEqual([first?.caller])
  })

  it('allow-after-close: one new run of a closed one, which all get', async () => {
    const id = `again-${round}`
    await client().start('waits', -1, { id })
    expect(await finish(id)).toBe(-1)
    const outcomes = await startEverywhere(id, { idPolicy: 'allow-after-close' })
    const [first, ...more] = created(outcomes)
    expect(more).toEqual([])
    expect(outcomes.map(({ handle }) => handle?.executionId)).toEqual(outcomes.map(() => id))
    expect(await finish(id)).toBe(first?.caller)
    expect((await runsOf(id)).started).toEqual([-1, first?.caller])
  })

  it('replace: each new run follows the end of the one before; the last one lives', async () => {
    const id = `replace-${round}`
    await client().start('waits', -1, { id })
    const outcomes = await startEverywhere(id, { idPolicy: 'replace' })
    const makers = created(outcomes).map(({ caller }) => caller)
    expect(makers.length).toBeGreaterThanOrEqual(1)
    expect(outcomes.filter(({ code }) => code !== undefined && code !== 'CONFLICT')).toEqual([])
    const { started, closed } = await runsOf(id)
    expect(started).toHaveLength(makers.length + 1)
    expect(new Set(started)).toEqual(new Set([-1, ...makers]))
    expect(closed).toEqual(makers.map(() => 'terminated'))
    expect(await finish(id)).toBe(started.at(-1))
  })

  it('with one start id are tries of one start: each is told that it made the execution', async () => {
    const id = `retried-${round}`
    const outcomes = await startEverywhere(id, { idPolicy: 'reject', startId: 'mine' })
    expect(created(outcomes)).toHaveLength(outcomes.length)
    const { started } = await runsOf(id)
    expect(started).toHaveLength(1)
    expect(await finish(id)).toBe(started[0])
  })
})

it('and the database is as it should be', async () => {
  await eventually(
    async () => (await client().list({ status: ['running', 'waiting'] })).executions.length === 0,
  )
  await Promise.all(engines.map((engine) => engine.stop()))
  expect(await findViolations(database.connect(), { quiet: true })).toEqual([])
})
