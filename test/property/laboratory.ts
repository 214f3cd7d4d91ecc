// Runs programs on real engines: starts them, sends what they wait for, and waits for what must come.

import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import { StoreClient } from '../../src/client/create-client.js'
import type { Client } from '../../src/client/client.js'
import { DEFAULT_LIMITS } from '../../src/core/limits.js'
import { silentLogger, systemClock } from '../../src/core/ports.js'
import { createEngineOn, type Engine } from '../../src/engine/create-engine.js'
import type { Store } from '../../src/store/store.js'
import type { Workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { faultyStore, type FaultyStore, type Judge } from '../support/faulty-store.js'
import { eventually } from '../support/wait.js'
import { interpreter, QUEUE, type Job } from './interpreter.js'
import { readHistories } from './normal-form.js'
import { countTakes, locate, type Program } from './program.js'

export interface Subject {
  readonly id: string
  readonly program: Program
}

export interface Laboratory {
  readonly database: TestDatabase
  readonly sql: postgres.Sql
  /** A client of a store without faults. */
  readonly client: Client
  readonly store: Store
  /** Attempts of steps, by execution and name. */
  readonly attempts: ReadonlyMap<string, number>
  /** A node of its own whose store does what the judge says. */
  startNode(judge?: Judge): Promise<LaboratoryNode>
  /** Starts programs through a node and sends what they wait for. */
  launch(client: Client, subjects: readonly Subject[]): Promise<Launched>
  /** Waits until all are closed, with all that they have started; or, should that be all that is wanted, dead. */
  closed(subjects: readonly Subject[], dead?: ReadonlySet<string>): Promise<void>
  areClosed(subjects: readonly Subject[]): Promise<boolean>
  /** Waits until nothing has been appended through this store for a while, or as much as is asked for. */
  restsFrom(store: FaultyStore, appends?: number): Promise<void>
  /** Transactional steps that did not take effect exactly once. */
  doubleEffects(): Promise<string[]>
  close(): Promise<void>
}

export interface Launched {
  /** Resolves, when all updates have been answered, with what was wrong about the answers. */
  readonly answers: Promise<readonly string[]>
}

export interface LaboratoryNode {
  readonly engine: Engine
  readonly store: FaultyStore
  /** As by SIGKILL; what it held is handed on at once instead of when its lease runs out. */
  kill(): Promise<void>
}

export async function openLaboratory(): Promise<Laboratory> {
  const database = await createTestDatabase()
  const sql = database.connect()
  await sql`create table effects (execution_id text not null, name text not null)`
  const store = await database.openStore()
  const common = { limits: DEFAULT_LIMITS, clock: systemClock, log: silentLogger }
  const client = new StoreClient({ ...common, store })
  const attempts = new Map<string, number>()
  const definition = interpreter({
    attempted(executionId, name) {
      const key = `${executionId} ${name}`
      attempts.set(key, (attempts.get(key) ?? 0) + 1)
    },
    send: (executionId, name, value) => client.signal(executionId, name, value, { signalId: name }),
    effect: (tx, executionId, name) => tx`
      insert into ${tx(`${database.schema}.effects`)} (execution_id, name)
      values (${executionId}::text, ${name}::text)`,
  })
  const engines = new Set<Engine>()

  /** Where executions stand that do not go on. */
  async function describe(rows: readonly { readonly execution_id: string }[]): Promise<string> {
    const histories = await readHistories(sql)
    const lines = rows.map(({ execution_id: id, ...row }) => {
      const events = histories.get(id)?.map(({ type, seq = '', name = '' }) => `${type} ${seq} ${name}`)
      return `${id} ${JSON.stringify(row)} ${events?.slice(-4).join(', ')} (${events?.length} events)`
    })
    return lines.join('\n')
  }

  return {
    database,
    sql,
    client,
    store,
    attempts,
    async startNode(judge = () => undefined) {
      const faulty = faultyStore(await database.openStore({ retryForMs: 5_000 }), judge)
      const engine = createEngineOn(faulty, { workflows: [definition], drainMs: 2_000 })
      engines.add(engine)
      await engine.start()
      return {
        engine,
        store: faulty,
        async kill() {
          const { nodeId } = engine
          faulty.die()
          await engine.stop()
          engines.delete(engine)
          await store.removeLease(nodeId)
        },
      }
    },
    async launch(through, subjects) {
      await through.startMany(subjects.map((subject) => startOf(definition, subject)))
      await Promise.all(subjects.map((subject) => send(client, subject)))
      const answers = Promise.all(subjects.map((subject) => askAll(client, subject)))
      return { answers: answers.then((wrong) => wrong.flat()) }
    },
    async closed(subjects, dead = new Set()) {
      await eventually(
        async () => {
          const rows = await sql<{ execution_id: string }[]>`
            select execution_id, status, note, claimed_by, ready_at, version from executions
            where closed_at is null`
          const ids = new Set(subjects.map((subject) => subject.id))
          const left = rows.filter(({ execution_id: id }) => {
            const root = id.split('/')[0] ?? ''
            return ids.has(root) && !dead.has(root)
          })
          if (left.length > 0) throw new Error(await describe(left.slice(0, 5)))
          return true
        },
        { what: `${subjects.length} programs to end`, deadlineMs: 60_000, everyMs: 50 },
      )
    },
    async areClosed(subjects) {
      const ids = new Set(subjects.map((subject) => subject.id))
      const rows = await sql<{ execution_id: string }[]>`
        select execution_id from executions where closed_at is null`
      return !rows.some((row) => ids.has(row.execution_id.split('/')[0] ?? ''))
    },
    async restsFrom(store, appends = Infinity) {
      let [seen, quietFor] = [store.appends, 0]
      while (quietFor < QUIET_LOOKS && store.appends < appends) {
        await sleep(LOOK_MS)
        quietFor = store.appends === seen ? quietFor + 1 : 0
        seen = store.appends
      }
    },
    async doubleEffects() {
      const rows = await sql<{ execution_id: string; name: string; n: number }[]>`
        select execution_id, name, count(*)::int4 as n from effects group by execution_id, name
        having count(*) <> 1`
      return rows.map((row) => `${row.execution_id} ${row.name}: ${row.n} effects`)
    },
    async close() {
      await Promise.all([...engines].map((engine) => engine.stop()))
      await client.close()
      await database.drop()
    },
  }
}

// Programs sleep for at most 25 ms; on a slow machine a node may rest earlier than it needed to, which costs a round.
const LOOK_MS = 10
const QUIET_LOOKS = 8

function startOf(
  definition: Workflow<Job, readonly unknown[]>,
  { id, program }: Subject,
): { workflow: string; id: string; input: Job } {
  return { workflow: definition.name, id, input: { program, prefix: '', log: [] } }
}

/** All that the execution waits for, but the updates. */
async function send(client: Client, { id, program }: Subject): Promise<void> {
  const takes = countTakes(program)
  for (let n = 0; n < takes; n++) await client.signal(id, QUEUE, n, { signalId: `${QUEUE} ${n}` })
  for (const { path, node } of locate(program, '')) {
    if (node.kind === 'signal' && node.sent === 'early')
      await client.signal(id, path, node.value, { signalId: path })
  }
}

/** Updates are answered when the execution comes to them, by whichever node. */
async function askAll(client: Client, { id, program }: Subject): Promise<string[]> {
  const updates = locate(program, '').flatMap(({ path, node }) =>
    node.kind === 'update' ? [{ path, value: node.value }] : [],
  )
  const wrong = await Promise.all(
    updates.map(async ({ path, value }) => {
      const options = { updateId: path, timeout: '90s' }
      const answer = await client.update(id, path, value, options).catch((error: unknown) => String(error))
      return answer === value * 2 ? [] : [`${id}: update ${path} was answered with ${String(answer)}`]
    }),
  )
  return wrong.flat()
}
