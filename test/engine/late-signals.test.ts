// A signal and the time-out of the wait for it, found by the same look: exactly one of them is the outcome.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createClient } from '../../src/client/open-client.js'
import type { Client } from '../../src/client/client.js'
import { createEngine, type Engine } from '../../src/engine/create-engine.js'
import { workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { eventually } from '../support/wait.js'

const TIMEOUT_MS = 300

const decision = workflow({ name: 'decision' }, async (ctx) => {
  const approved = await ctx.signal('approved', z.boolean(), { timeout: TIMEOUT_MS })
  return approved === undefined ? 'timed out' : `approved: ${String(approved)}`
})

let database: TestDatabase
let client: Client

const openEngine = async (): Promise<Engine> => {
  const { url, schema } = database
  const engine = await createEngine({ database: { url, schema }, workflows: [decision] })
  await engine.start()
  return engine
}

beforeAll(async () => {
  database = await createTestDatabase()
  client = await createClient({ database: { url: database.url, schema: database.schema } })
})
afterAll(async () => {
  await client.close()
  await database.drop()
})

/** The wait begins on one node; what is sent and the time-out both await the next. */
async function outcomeOf(payloads: readonly unknown[]): Promise<unknown> {
  const first = await openEngine()
  const { executionId } = await first.client.start(decision, undefined)
  await eventually(async () => (await client.get(executionId)).status === 'waiting', { what: 'the wait' })
  await first.stop()
  for (const payload of payloads) await client.signal(executionId, 'approved', payload)
  const [sql, key] = [database.connect({ max: 1 }), executionId]
  await eventually(async () => {
    const [row] = await sql<{ due: boolean }[]>`
      select bool_or(due_at <= now()) as due from events where execution_id = ${key}::text and type = 'signal_awaited'`
    return row?.due
  })
  const second = await openEngine()
  try {
    return await client.result(executionId, { timeout: '20s' })
  } finally {
    await second.stop()
  }
}

describe('a signal that is read when its time-out is due', () => {
  it('is taken, and the time-out is not', async () => {
    expect(await outcomeOf([true])).toBe('approved: true')
  })

  it('lets the time-out come when it is refused', async () => {
    expect(await outcomeOf(['not a boolean'])).toBe('timed out')
  })

  it('gives way to the next one when it is refused', async () => {
    expect(await outcomeOf(['not a boolean', false])).toBe('approved: false')
  })
})
