// Nodes that host different workflows share one database: whoever owns a partition, each execution gets to a node that
// can run it.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { createClient } from '../../src/client/open-client.js'
import type { Client } from '../../src/client/client.js'
import { createEngine, type Engine } from '../../src/engine/create-engine.js'
import { workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'

const alpha = workflow({ name: 'alpha' }, async (ctx) => ctx.signal('go', z.unknown()))
const beta = workflow({ name: 'beta' }, async (ctx) => {
  await ctx.sleep(20)
  return ctx.signal('go', z.unknown())
})

let database: TestDatabase
let client: Client
const engines: Engine[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  const { url, schema } = database
  for (const hosted of [alpha, beta]) {
    const engine = await createEngine({ database: { url, schema }, workflows: [hosted] })
    engines.push(engine)
    await engine.start()
  }
  client = await createClient({ database: { url, schema } })
})
afterAll(async () => {
  await client.close()
  await Promise.all(engines.map((engine) => engine.stop()))
  await database.drop()
})

it('an execution in a partition of a node that cannot run it is run by one that can', async () => {
  const requests = Array.from({ length: 100 }, (_, n) => ({
    workflow: n % 2 === 0 ? 'alpha' : 'beta',
    input: n,
  }))
  const handles = await client.startMany(requests)
  for (const [n, { executionId }] of handles.entries()) await client.signal(executionId, 'go', n)
  const results = await Promise.all(handles.map((handle) => handle.result({ timeout: '20s' })))
  expect(results).toEqual(requests.map(({ input }) => input))
})
