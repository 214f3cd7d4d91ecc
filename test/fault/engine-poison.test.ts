// Executions that end or block whatever process runs them: each becomes a dead letter after a bounded number of deaths,
// with the reason, and everything beside them is done.

import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Client } from '../../src/client/client.js'
import { createClient } from '../../src/client/open-client.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { startNodeProcess, type NodeProcess } from '../support/node-process.js'
import { eventually } from '../support/wait.js'

const POISON_CRASHES = 5
const BLOCKER_CRASHES = 3
const INNOCENTS = 30

let database: TestDatabase
let client: Client
let isOver = false
let deaths = 0

beforeAll(async () => {
  database = await createTestDatabase()
  client = await createClient({ database: { url: database.url, schema: database.schema } })
})
beforeEach(() => {
  isOver = false
  deaths = 0
})
afterEach(() => {
  isOver = true
})
afterAll(async () => {
  await client?.close()
  await database?.drop()
})

/** A node that is started again whenever it dies, as a supervisor would. */
function keepNode(crashesMax: number): NodeProcess {
  const node = startNodeProcess({
    file: new URL('./fixtures/poison-node.ts', import.meta.url),
    args: [database.schema, String(crashesMax)],
  })
  void node.exited.then(() => {
    if (isOver) return
    deaths++
    keepNode(crashesMax)
  })
  return node
}

it(
  'what ends its process becomes a dead letter, and nothing else suffers',
  { timeout: 180_000 },
  async () => {
    const nodes = [keepNode(POISON_CRASHES), keepNode(POISON_CRASHES)]
    await Promise.all(nodes.map((node) => node.waitForOutput(/ready/, { deadlineMs: 60_000 })))
    const { executionId } = await client.start('poison')
    const innocents = await client.startMany(
      Array.from({ length: INNOCENTS }, (_, n) => ({ workflow: 'innocent', input: n })),
    )

    const results = await Promise.all(innocents.map((handle) => handle.result({ timeout: '2 minutes' })))
    expect(results).toEqual(innocents.map((_, n) => n))
    await deadLetter(executionId, POISON_CRASHES)
    expect(deaths).toBe(POISON_CRASHES)
    const { executions } = await client.list({ status: 'dead' })
    expect(executions.map((execution) => execution.executionId)).toEqual([executionId])

    // Nothing of it is lost: it can be tried again, and kills again.
    await client.retry(executionId)
    await eventually(() => deaths > POISON_CRASHES, { what: 'the next death', deadlineMs: 60_000 })
    await client.terminate(executionId)
  },
)

it('so does what blocks its node for longer than a lease', { timeout: 120_000 }, async () => {
  const nodes = [keepNode(BLOCKER_CRASHES), keepNode(BLOCKER_CRASHES)]
  await Promise.all(nodes.map((node) => node.waitForOutput(/ready/, { deadlineMs: 60_000 })))
  const { executionId } = await client.start('blocker')
  await deadLetter(executionId, BLOCKER_CRASHES)
  const { events } = await client.history(executionId)
  // Whoever blocked came back too late to record anything.
  expect(events.map(({ type }) => type)).toEqual(['started'])
})

async function deadLetter(executionId: string, crashes: number): Promise<void> {
  await eventually(async () => (await client.get(executionId)).status === 'dead', {
    what: `${executionId} to become a dead letter`,
    deadlineMs: 90_000,
  })
  const { note } = await client.get(executionId)
  expect(note).toContain(`died ${crashes} times in a row`)
}
