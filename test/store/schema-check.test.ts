// A node and a schema that do not fit: it says which is older and goes, before it claims anything.

import { fileURLToPath } from 'node:url'
import type postgres from 'postgres'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { errorCode } from '../../src/core/errors.js'
import { createEngine } from '../../src/engine/create-engine.js'
import { workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { runProgram } from '../support/program.js'

const quick = workflow({ name: 'quick' }, async () => 'done')

let database: TestDatabase
let sql: postgres.Sql
beforeAll(async () => {
  database = await createTestDatabase()
  sql = database.connect({ max: 1 })
})
afterAll(() => database.drop())

beforeEach(async () => {
  const store = await database.openStore()
  const key = store.keyOf('waiting')
  await store.insertExecutions([
    {
      key,
      workflow: 'quick',
      workflowVersion: '1',
      startId: null,
      claimedBy: null,
      event: { type: 'started', name: 'quick', detail: '{}' },
    },
  ])
})
afterEach(async () => {
  await sql`update migrations_applied set obsolete = false`
  await sql`delete from migrations_applied where index > 9000`
  await sql`delete from settings where name = 'oldest_node'`
})

/** What a node says that is started on this database. */
async function refusal(partitionCount?: number): Promise<{ code: unknown; text: string }> {
  const { url, schema } = database
  const place = partitionCount === undefined ? { url, schema } : { url, schema, partitionCount }
  try {
    const engine = await createEngine({ database: place, workflows: [quick] })
    await engine.start()
    await engine.client.result('waiting')
    await engine.stop()
    return { code: undefined, text: '' }
  } catch (error) {
    return { code: errorCode(error), text: String(error) }
  }
}

async function expectNothingClaimed(): Promise<void> {
  expect(await sql`select node_id from leases`).toEqual([])
  const [row] = await sql`select status, claim_epoch from executions where execution_id = 'waiting'`
  expect(row).toEqual({ status: 'running', claim_epoch: 0 })
}

test('a schema that lacks a migration of this release is refused, and the migration named', async () => {
  await sql`update migrations_applied set obsolete = true where index = 3`
  const { code, text } = await refusal()
  expect(code).toBe('DATABASE_SCHEMA')
  expect(text).toMatch(
    /schema is older than this release: it lacks 0003-cluster-views\. Run "cerebelum migrate"/,
  )
  await expectNothingClaimed()
})

test('a schema that no longer serves this release refuses the node', async () => {
  await sql`insert into settings (name, value) values ('oldest_node', '9001')`
  const { code, text } = await refusal()
  expect(code).toBe('DATABASE_SCHEMA')
  expect(text).toMatch(/This release is older .* only nodes that know migration 9001\. Upgrade this node/)
  await expectNothingClaimed()
})

test('another partition count than the one of the installation is refused', async () => {
  const { code, text } = await refusal(32)
  expect(code).toBe('SETTINGS')
  expect(text).toContain('has 64 partitions, and 32 were asked for')
  await expectNothingClaimed()
})

test('the program ends with 4 and says which is older', async () => {
  await sql`insert into settings (name, value) values ('oldest_node', '9001')`
  const workflows = fileURLToPath(new URL('../cli/fixtures/workflows.mjs', import.meta.url))
  const place = ['--database-url', database.url, '--schema', database.schema]
  const { code, stderr } = await runProgram(['serve', '--workflows', workflows, '--port', '0', ...place])
  expect(code).toBe(4)
  expect(stderr).toMatch(/^DATABASE_SCHEMA: This release is older/m)
  await expectNothingClaimed()
})

test('a schema with a migration that only adds serves the release before', async () => {
  await sql`
    insert into migrations_applied (index, name, script, applied_at, obsolete)
    values (9001, '9001-adds.sql', '', now(), false)`
  await sql`insert into settings (name, value) values ('oldest_node', '1')`
  expect(await refusal(64)).toEqual({ code: undefined, text: '' })
})
