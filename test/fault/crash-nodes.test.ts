// Nodes killed with SIGKILL at random moments, one or several at a time, while starts and signals keep coming.
// Afterwards the whole database is read: nothing that was acknowledged is lost, nothing was done twice.
//
// CEREBELUM_CRASH_ROUNDS: how often somebody is killed (default 20); CEREBELUM_CRASH_SEED: the moments of an earlier run.

import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Client } from '../../src/client/client.js'
import { createClient } from '../../src/client/open-client.js'
import { seededRandom } from '../../src/workflow/chance.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { findViolations } from '../support/invariants.js'
import { startNodeProcess, type NodeProcess } from '../support/node-process.js'
import { eventually } from '../support/wait.js'
import { approvalsOf, createLedger, endsAs, runsOf } from './fixtures/orders.js'

const ROUNDS = Number(process.env['CEREBELUM_CRASH_ROUNDS'] ?? 20)
const SEED = process.env['CEREBELUM_CRASH_SEED'] ?? String(Math.floor(Math.random() * 2 ** 31))
const NODES = 3
const ORDERS_PER_ROUND = 40

let database: TestDatabase
let sql: postgres.Sql
let client: Client

beforeAll(async () => {
  database = await createTestDatabase()
  sql = database.connect()
  await createLedger(sql)
  client = await createClient({ database: { url: database.url, schema: database.schema } })
})
afterAll(async () => {
  await client?.close()
  await database?.drop()
})

it(
  `${ROUNDS} kills (seed ${SEED}) lose nothing and double nothing`,
  { timeout: 120_000 + ROUNDS * 15_000 },
  async () => {
    const random = seededRandom(`crash ${SEED}`, 1)
    const nodes = Array.from({ length: NODES }, startNode)
    // So that the workflows are known; from then on, who lives and dies is chance.
    await Promise.all(nodes.map((node) => node.waitForOutput(/ready/, { deadlineMs: 60_000 })))
    const load = new Load(client)
    let held = 0
    for (let round = 0; round < ROUNDS; round++) {
      const bringing = load.bring(round)
      await sleep(random() * 700)
      const victims = new Set(
        Array.from({ length: 1 + Math.floor(random() * 2.2) }, () => Math.floor(random() * NODES)),
      )
      held += await countHeld()
      await Promise.all(nodes.filter((_, index) => victims.has(index)).map((node) => node.kill()))
      for (const victim of victims) nodes[victim] = startNode()
      await bringing
    }
    expect(held, 'executions at work when somebody was killed').toBeGreaterThan(ROUNDS)
    await ended(load)
    await Promise.all(nodes.map((node) => node.kill()))

    const { starts, messages } = load
    expect(await findViolations(sql, { quiet: true, starts, messages }), `seed ${SEED}`).toEqual([])
    expect(await wrongOutcomes(load), `seed ${SEED}`).toEqual([])
    expect(await wrongEffects(), `seed ${SEED}`).toEqual([])
  },
)

async function countHeld(): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select count(*)::int4 as n from executions where claimed_by is not null`
  return row?.n ?? 0
}

function startNode(): NodeProcess {
  const file = new URL('fixtures/crash-node.ts', import.meta.url)
  return startNodeProcess({
    file,
    args: [database.schema],
    env: { CEREBELUM_TEST_DATABASE_URL: database.url },
  })
}

/** What is asked of the nodes, and what of it has been acknowledged. */
class Load {
  readonly starts: string[] = []
  readonly messages: { readonly executionId: string; readonly messageId: string }[] = []
  readonly orders = new Map<string, number>()
  private readonly client: Client

  constructor(client: Client) {
    this.client = client
  }

  async bring(round: number): Promise<void> {
    const requests = Array.from({ length: ORDERS_PER_ROUND }, (_, index) => {
      const n = round * ORDERS_PER_ROUND + index + 1
      return { workflow: 'order', id: `order-${n}`, input: { n } }
    })
    const patient = { workflow: 'patient', id: `patient-${round}`, input: undefined }
    for (const { executionId } of await this.client.startMany([...requests, patient]))
      this.starts.push(executionId)
    for (const { id, input } of requests) {
      this.orders.set(id, input.n)
      for (let approval = 1; approval <= approvalsOf(input.n); approval++) {
        const signalId = `approval-${approval}`
        await this.client.signal(id, 'approved', 'yes', { signalId })
        this.messages.push({ executionId: id, messageId: `signal:${signalId}` })
      }
    }
  }
}

/** All orders are closed and all patients wait; the dead are buried. */
async function ended(load: Load): Promise<void> {
  await eventually(
    async () => {
      const rows = await sql<
        { execution_id: string; status: string; claimed_by: string | null; note: string | null }[]
      >`
        select execution_id, status, claimed_by, note from executions
        where closed_at is null and (workflow <> 'patient' or status <> 'waiting')`
      if (rows.length > 0) throw new Error(`${rows.length} open, such as ${JSON.stringify(rows.slice(0, 3))}`)
      return true
    },
    { what: `${load.orders.size} orders to end (seed ${SEED})`, deadlineMs: 100_000, everyMs: 200 },
  )
  await eventually(
    async () => {
      const [row] = await sql<{ n: number }[]>`select count(*)::int4 as n from leases`
      return row?.n === NODES
    },
    { what: 'only the living to hold leases', deadlineMs: 30_000 },
  )
}

async function wrongOutcomes(load: Load): Promise<string[]> {
  const rows = await sql<{ execution_id: string; status: string; run: number }[]>`
    select execution_id, status, run from executions where workflow = 'order'`
  return rows.flatMap(({ execution_id: id, status, run }) => {
    const n = load.orders.get(id) ?? Number.NaN
    return status === endsAs(n) && run === runsOf(n) ? [] : [`${id} ended as ${status} in run ${run}`]
  })
}

/** Transactional steps take effect exactly once each, others at least once, and none without its record. */
async function wrongEffects(): Promise<string[]> {
  const recorded = await sql<{ execution_id: string; run: number; name: string }[]>`
    with runs as (
      select execution_id, version, row_number() over (partition by execution_id order by version) as run
      from events where type = 'started'
    )
    select e.execution_id, e.name, (
      select max(r.run) from runs as r where r.execution_id = e.execution_id and r.version < e.version
    )::int4 as run
    from events as e where e.type = 'step_completed' and e.name not in ('flaky', 'open')`
  const effects = countBy(await sql<Entry[]>`select execution_id, run, name from effects`)
  const ledger = countBy(await sql<Entry[]>`select execution_id, run, name from ledger`)
  const wrong: string[] = []
  for (const entry of recorded) {
    const key = keyOf(entry)
    const isTransaction = entry.name === 'reserve' || entry.name === 'pay'
    const count = (isTransaction ? effects : ledger).get(key) ?? 0
    if (isTransaction ? count !== 1 : count < 1) wrong.push(`${key} took effect ${count} times`)
    effects.delete(key)
  }
  return [...wrong, ...[...effects.keys()].map((key) => `${key} took effect without a record`)]
}

interface Entry {
  readonly execution_id: string
  readonly run: number
  readonly name: string
}

const keyOf = ({ execution_id: id, run, name }: Entry): string => `${id} run ${run} ${name}`

function countBy(entries: readonly Entry[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const entry of entries) counts.set(keyOf(entry), (counts.get(keyOf(entry)) ?? 0) + 1)
  return counts
}
