// A zombie: a node that stands still past its lease with steps in flight (SIGSTOP), while others take over what it
// held, and that then goes on as if nothing had happened (SIGCONT). The moment it wakes, its steps end and it tries to
// record them; the versions they want are still free, so that only the fence of its claims is in its way.

import type postgres from 'postgres'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/engine/create-engine.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { findViolations } from '../support/invariants.js'
import { startNodeProcess, type NodeProcess } from '../support/node-process.js'
import { eventually } from '../support/wait.js'
import { heldWorkflows } from './fixtures/held.js'

const STEPS = Array.from({ length: 10 }, (_, index) => `step-${index}`)
const TRANSACTIONS = Array.from({ length: 4 }, (_, index) => `transaction-${index}`)
const HELD = [...STEPS, ...TRANSACTIONS]
const COUNTING = Array.from({ length: 4 }, (_, index) => `counting-${index}`)
const PATIENCE = { deadlineMs: 60_000 }

let database: TestDatabase
let sql: postgres.Sql
let heir: Engine
const taken = new Set<string>()
let release: () => void = () => undefined
const released = new Promise<void>((resolve) => (release = resolve))

beforeAll(async () => {
  database = await createTestDatabase()
  sql = database.connect()
  await sql`create table effects (execution_id text not null, name text not null)`
  const { url, schema } = database
  heir = await createEngine({
    database: { url, schema },
    workflows: heldWorkflows({
      name: 'heir',
      schema,
      begun: (executionId) => taken.add(executionId),
      released: () => released,
    }),
  })
})
afterAll(async () => {
  release()
  await heir?.stop()
  await database?.drop()
})

it(
  'a zombie appends nothing, corrupts nothing, and works again under a new id',
  { timeout: 240_000 },
  async () => {
    const zombie = startNodeProcess({
      file: new URL('fixtures/zombie-node.ts', import.meta.url),
      args: [database.schema],
      env: { CEREBELUM_TEST_DATABASE_URL: database.url },
    })
    const [, firstId = ''] = await zombie.waitForOutput(/joined as (\S+)/, PATIENCE)
    const { client } = heir
    await client.startMany([
      ...STEPS.map((id) => ({ workflow: 'held step', id })),
      ...TRANSACTIONS.map((id) => ({ workflow: 'held transaction', id })),
      ...COUNTING.map((id) => ({ workflow: 'counting', id })),
    ])
    for (const id of HELD) await zombie.waitForOutput(new RegExp(`begun ${id}\\b`), PATIENCE)
    await hear(COUNTING, 'one', 1)

    zombie.stall()
    await heir.start()
    await eventually(() => HELD.every((id) => taken.has(id)), { what: 'the heir to take over', ...PATIENCE })
    await hear(COUNTING, 'two', 2)
    const before = await written(HELD)

    zombie.writeLine('finish')
    zombie.resume()
    const secondId = await rejoined(zombie, firstId)
    // The heir has not ended its steps: whatever is new now was written by the zombie.
    expect(await written(HELD)).toEqual(before)
    expect(await effects()).toEqual([])

    release()
    for (const id of HELD) expect(await client.result(id, { timeout: '30s' })).toBe('heir')
    expect(await effects()).toEqual(TRANSACTIONS.map((id) => `${id} by heir`))
    expect(await nodeIds()).toContain(secondId)
    expect(await nodeIds()).not.toContain(firstId)

    // Alone again, it must not go on from what it remembers of executions that others have moved on.
    await heir.stop()
    const other = await createEngineForClient()
    await hearThrough(other, COUNTING, 'three')
    for (const id of COUNTING)
      expect(await other.client.result(id, { timeout: '30s' })).toEqual(['one', 'two', 'three'])
    const quick = await other.client.start('quick', undefined, { id: 'quick' })
    expect(await quick.result({ timeout: '30s' })).toBe('zombie')
    await zombie.kill()
    await other.stop()
    expect(await findViolations(sql, { quiet: true, starts: [...HELD, ...COUNTING, 'quick'] })).toEqual([])
  },
)

async function rejoined(zombie: NodeProcess, firstId: string): Promise<string> {
  return eventually(
    () => [...zombie.output().matchAll(/joined as (\S+)/g)].map(([, id]) => id).find((id) => id !== firstId),
    { what: 'the zombie to join as new', ...PATIENCE },
  )
}

/** An engine that is never started: a client of the same workflows. */
async function createEngineForClient(): Promise<Engine> {
  const { url, schema } = database
  const hands = { name: 'nobody', schema, begun: () => undefined, released: () => released }
  return createEngine({ database: { url, schema }, workflows: heldWorkflows(hands) })
}

/** Sends a signal to each and waits until it has been heard and the execution rests again. */
async function hear(ids: readonly string[], word: string, heard: number): Promise<void> {
  await hearThrough(heir, ids, word)
  await eventually(
    async () => {
      const rows = await sql<{ n: number }[]>`
        select count(*)::int4 as n from events as h
        join executions as e on e.execution_id = h.execution_id and e.status = 'waiting'
        where h.type = 'step_completed' and h.name = 'hear'`
      return rows[0]?.n === ids.length * heard
    },
    { what: `"${word}" to be heard`, ...PATIENCE },
  )
}

async function hearThrough(engine: Engine, ids: readonly string[], word: string): Promise<void> {
  for (const id of ids) await engine.client.signal(id, 'next', word, { signalId: word })
}

/** Every event of these executions. */
async function written(ids: readonly string[]): Promise<string[]> {
  const rows = await sql<{ line: string }[]>`
    select execution_id || ' ' || version::text || ' ' || type || coalesce(' ' || payload, '') as line
    from events order by execution_id, version`
  return rows.map((row) => row.line).filter((line) => ids.includes(line.split(' ')[0] ?? ''))
}

async function effects(): Promise<string[]> {
  const rows = await sql<{ line: string }[]>`
    select execution_id || ' by ' || name as line from effects order by execution_id, name`
  return rows.map((row) => row.line)
}

async function nodeIds(): Promise<string[]> {
  const rows = await sql<{ node_id: string }[]>`select node_id from leases`
  return rows.map((row) => row.node_id)
}
