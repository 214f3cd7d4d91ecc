// Executions that end or block whatever process runs them: each becomes a dead letter after a bounded number of deaths,
// with the reason, and everything beside them is done.

import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
let folder: string
let isOver = false
let deaths = 0

beforeAll(async () => {
  database = await createTestDatabase()
  folder = await mkdtemp(join(tmpdir(), 'cerebelum-poison-'))
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
  await rm(folder, { recursive: true, force: true })
})

/** A node that is started again whenever it dies, as a supervisor would. */
function keepNode(crashesMax: number): NodeProcess {
  const node = startNodeProcess({
    file: new URL('./fixtures/poison-node.ts', import.meta.url),
    args: [database.schema, String(crashesMax), folder],
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
  const stopTelling = tellBuried()
  await deadLetter(executionId, BLOCKER_CRASHES).finally(stopTelling)
  const { events } = await client.history(executionId)
  // Whoever blocked came back too late to record anything.
  expect(events.map(({ type }) => type)).toEqual(['started'])
})

/** Lets those go on that block, once others have buried them: how soon that is depends on the machine. */
function tellBuried(): () => Promise<void> {
  const sql = database.connect({ max: 1 })
  let isTelling = true
  const telling = (async () => {
    while (isTelling) {
      const blocked = (await readdir(folder)).filter((file) => file.endsWith('.blocked'))
      const living = await sql<{ node_id: string }[]>`select node_id from leases`
      for (const file of blocked) {
        const nodeId = file.slice(0, -'.blocked'.length)
        if (living.every((lease) => lease.node_id !== nodeId))
          await writeFile(join(folder, `${nodeId}.buried`), '')
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })()
  return async () => {
    isTelling = false
    await telling
  }
}

async function deadLetter(executionId: string, crashes: number): Promise<void> {
  await eventually(async () => (await client.get(executionId)).status === 'dead', {
    what: `${executionId} to become a dead letter`,
    deadlineMs: 90_000,
  })
  const { note } = await client.get(executionId)
  expect(note).toContain(`died ${crashes} times in a row`)
}
