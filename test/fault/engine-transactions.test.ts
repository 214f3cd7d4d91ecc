// Transactional steps under want: of connections, of the right to append, of the claim itself.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { createEngine, createEngineOn } from '../../src/engine/create-engine.js'
import { workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { faultyStore } from '../support/faulty-store.js'
import { findViolations } from '../support/invariants.js'
import { eventually } from '../support/wait.js'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
  const sql = database.connect()
  await sql`create table effects (execution_id text not null, name text not null)`
})
afterAll(() => database?.drop())

const transfer = workflow({ name: 'transfer' }, async (ctx) => {
  const write = (name: string): Promise<string> =>
    ctx.transaction(name, async (sql) => {
      await sql`
        insert into ${sql(`${database.schema}.effects`)} (execution_id, name)
        values (${ctx.executionId}::text, ${name}::text)`
      return name
    })
  const [first, second] = await Promise.all([write('debit'), write('credit'), ctx.step('mail', () => 'sent')])
  return [first, second, await write('close')]
})

/** Effects of each execution, by how often there are as many. */
async function effectsOf(ids: readonly string[]): Promise<string[]> {
  const rows = await database.connect()<{ execution_id: string; name: string }[]>`
    select execution_id, name from effects order by execution_id, name`
  const wanted = new Set(ids)
  return rows.filter((row) => wanted.has(row.execution_id)).map((row) => `${row.execution_id} ${row.name}`)
}

const once = (ids: readonly string[]): string[] =>
  [...ids].sort().flatMap((id) => ['close', 'credit', 'debit'].map((name) => `${id} ${name}`))

it('more transactions at a time than connections all come to their end', async () => {
  const engine = await createEngine({
    database: { url: database.url, schema: database.schema, connections: 2 },
    workflows: [transfer],
  })
  await engine.start()
  const ids = Array.from({ length: 30 }, (_, index) => `crowd-${index + 10}`)
  const handles = await engine.client.startMany(ids.map((id) => ({ workflow: transfer, id })))
  const results = await Promise.all(handles.map((handle) => handle.result({ timeout: '25s' })))
  expect(results).toEqual(ids.map(() => ['debit', 'credit', 'close']))
  expect(await effectsOf(ids)).toEqual(once(ids))
  await engine.stop()
})

it('transactions of executions that were lost meanwhile keep no connection', async () => {
  const ids = Array.from({ length: 20 }, (_, index) => `lost-${index + 10}`)
  // Each loses its claim by its first append, while its other transactions are under way.
  const store = faultyStore(await database.openStore({ connections: 2 }), ({ executionId, version }) =>
    executionId.startsWith('lost') && version > 1 ? 'before' : undefined,
  )
  const engine = createEngineOn(store, { workflows: [transfer] })
  await engine.start()
  await engine.client.startMany(ids.map((id) => ({ workflow: transfer, id })))
  await eventually(() => store.dead.size === ids.length, { deadlineMs: 20_000 })
  const after = await engine.client.start(transfer, undefined, { id: 'after' })
  expect(await after.result({ timeout: '20s' })).toEqual(['debit', 'credit', 'close'])

  store.die()
  const { nodeId } = engine
  await engine.stop()
  const healthy = await database.openStore()
  await healthy.removeLease(nodeId)
  const next = createEngineOn(healthy, { workflows: [transfer] })
  await next.start()
  await Promise.all(ids.map((id) => next.client.result(id, { timeout: '20s' })))
  await next.stop()
  expect(await effectsOf([...ids, 'after'])).toEqual(once([...ids, 'after']))
  expect(await findViolations(database.connect(), { quiet: true })).toEqual([])
})
