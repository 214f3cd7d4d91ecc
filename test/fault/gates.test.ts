// Nodes killed with SIGKILL at random moments while executions with limits run: at no moment do more run than the limits
// allow, in no span do more begin than the rate allows, and no place is lost with the dead.
//
// CEREBELUM_GATES_ROUNDS: how often somebody is killed (default 4); CEREBELUM_GATES_SEED: the moments of an earlier run.

import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Client } from '../../src/client/client.js'
import { createClient } from '../../src/client/open-client.js'
import { seededRandom } from '../../src/workflow/chance.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { mostAtOnce, mostOverRate, readSpans } from '../support/gates.js'
import { findViolations } from '../support/invariants.js'
import { startNodeProcess, type NodeProcess } from '../support/node-process.js'
import { eventually } from '../support/wait.js'
import { BURST, KEY_LIMIT, LIMIT, REFILL_MS } from './fixtures/limited.js'

const ROUNDS = Number(process.env['CEREBELUM_GATES_ROUNDS'] ?? 4)
const SEED = process.env['CEREBELUM_GATES_SEED'] ?? String(Math.floor(Math.random() * 2 ** 31))
const NODES = 3
const STARTS_PER_ROUND = 40
const KEYS = ['a', 'b', 'c', 'd']

let database: TestDatabase
let sql: postgres.Sql
let client: Client

beforeAll(async () => {
  database = await createTestDatabase()
  sql = database.connect({ max: 2 })
  client = await createClient({ database: { url: database.url, schema: database.schema } })
})
afterAll(async () => {
  await client?.close()
  await database?.drop()
})

it(
  `${ROUNDS} kills (seed ${SEED}) let nobody in who had to wait, and keep nobody out`,
  { timeout: 120_000 + ROUNDS * 20_000 },
  async () => {
    const random = seededRandom(`gates ${SEED}`, 1)
    const nodes = Array.from({ length: NODES }, startNode)
    await Promise.all(nodes.map((node) => node.waitForOutput(/ready/, { deadlineMs: 60_000 })))
    const starts: string[] = []
    let inside = 0
    for (let round = 0; round < ROUNDS; round++) {
      starts.push(...(await bring(round)))
      await sleep(random() * 600)
      const victim = Math.floor(random() * NODES)
      inside += await countInside()
      await nodes[victim]?.kill()
      nodes[victim] = startNode()
    }
    expect(inside, 'executions that ran when somebody was killed').toBeGreaterThan(0)
    await eventually(async () => (await sql`select 1 from executions where closed_at is null`).length === 0, {
      what: `all to end (seed ${SEED})`,
      deadlineMs: 100_000,
      everyMs: 200,
    })
    await eventually(async () => (await sql`select 1 from turns`).length === 0, {
      what: `all places to be free (seed ${SEED})`,
      deadlineMs: 30_000,
      everyMs: 200,
    })
    await Promise.all(nodes.map((node) => node.kill()))

    const limited = await readSpans(sql, 'limited')
    expect(limited).toHaveLength(ROUNDS * STARTS_PER_ROUND)
    expect(mostAtOnce(limited), `seed ${SEED}`).toBe(LIMIT)
    for (const key of KEYS) {
      const ofKey = limited.filter(({ executionId }) => executionId.startsWith(`limited ${key} `))
      expect(mostAtOnce(ofKey), `key ${key}, seed ${SEED}`).toBeLessThanOrEqual(KEY_LIMIT)
    }
    const paced = await readSpans(sql, 'paced')
    expect(paced).toHaveLength(ROUNDS * STARTS_PER_ROUND)
    expect(mostOverRate(paced, { burst: BURST, refillMs: REFILL_MS }), `seed ${SEED}`).toBeLessThanOrEqual(
      1e-6,
    )
    expect(await findViolations(sql, { starts }), `seed ${SEED}`).toEqual([])
  },
)

async function bring(round: number): Promise<string[]> {
  const requests = Array.from({ length: STARTS_PER_ROUND }, (_, n) => {
    const key = KEYS[n % KEYS.length] ?? ''
    return [
      { workflow: 'limited', id: `limited ${key} ${round} ${n}`, input: { key } },
      { workflow: 'paced', id: `paced ${round} ${n}`, input: null },
    ]
  })
  const handles = await client.startMany(requests.flat())
  return handles.map(({ executionId }) => executionId)
}

async function countInside(): Promise<number> {
  const rows = await sql`select 1 from turns where state = 'held'`
  return rows.length
}

function startNode(): NodeProcess {
  return startNodeProcess({
    file: new URL('fixtures/limited-node.ts', import.meta.url),
    args: [database.schema],
    env: { CEREBELUM_TEST_DATABASE_URL: database.url },
  })
}
