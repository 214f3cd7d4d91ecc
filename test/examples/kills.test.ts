// The main job under kill -9: the example is killed twenty times in a row at random moments (its database too, where
// that is its own), then left to finish. Afterwards SQL tells, without any of the program's code: every flight has
// exactly one execution, closed once, and every claim that was granted is paid exactly once.
//
// CEREBELUM_TEST_FLIGHTS (up to 20,000) makes it large, CEREBELUM_TEST_SEED repeats a run's moments.

import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { startEmbeddedPostgres } from '../../src/cli/embedded-postgres.js'
import { isServerOf } from '../../src/cli/postgres-process.js'
import { seededRandom } from '../../src/workflow/chance.js'
import { PROGRAM } from '../support/build.js'
import { connect } from '../support/connect.js'
import { databaseUrl } from '../support/database.js'
import { startNodeProcess, type NodeProcess } from '../support/node-process.js'
import { eventually } from '../support/wait.js'

const KILLS = 20
const FLIGHTS = Number(process.env['CEREBELUM_TEST_FLIGHTS'] ?? 5_000)
const seed = process.env['CEREBELUM_TEST_SEED'] ?? randomBytes(4).toString('hex')
const random = seededRandom(`kills ${seed}`, 1)
const schema = `kills_${randomBytes(4).toString('hex')}`
const isGiven = inject('databaseIsGiven')

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cerebelum-kills-'))
  await chmod(folder, 0o711)
})

afterAll(async () => {
  await withDatabase(async (sql) => {
    for (const name of [`${schema}_reporting`, schema, `${schema}_example`])
      await sql`drop schema if exists ${sql(name)} cascade`
  })
  await rm(folder, { recursive: true, force: true })
})

test(
  `killed ${KILLS} times, the example ends with each flight paid exactly once`,
  { timeout: 300_000 },
  async () => {
    console.log(`seed ${seed}, ${FLIGHTS} flights`)
    let hits = 0
    for (let round = 1; round <= KILLS; round += 1) {
      // Every round brings new flights, so that the kills find work however fast the machine is.
      const victim = await killedRun(round, Math.ceil((FLIGHTS * round) / KILLS))
      if (!victim.output().includes('audit')) hits += 1
    }
    expect(hits, 'kills that came before the work of their round was done').toBeGreaterThan(KILLS / 2)
    const last = run(FLIGHTS, ['--exit'])
    const { code } = await last.exited
    expect(code, `seed ${seed}\n${last.output()}`).toBe(0)
    expect(last.output()).toContain('clean: none lost, none paid twice')

    await withDatabase(async (sql) => {
      expect(await badExecutions(sql), `seed ${seed}`).toEqual([])
      expect(await badPayments(sql), `seed ${seed}`).toEqual([])
    })
  },
)

test.skipIf(isGiven)(
  'its database killed under it, the example goes on by itself and ends as it should',
  { timeout: 120_000 },
  async () => {
    const survivor = run(FLIGHTS, ['--run', 'survivor', '--exit'])
    await survivor.waitForOutput(/^http: /m, { deadlineMs: 60_000 })
    for (let kill = 0; kill < 2; kill += 1) {
      await sleep(random() * 400)
      const before = await killServer()
      await eventually(async () => ![0, before].includes(await serverPid()), {
        what: 'the server that is started again',
        deadlineMs: 30_000,
      })
    }
    const { code } = await survivor.exited
    expect(code, `seed ${seed}\n${survivor.output()}`).toBe(0)
    expect(survivor.output()).toContain('clean: none lost, none paid twice')
  },
)

async function killedRun(round: number, flights: number): Promise<NodeProcess> {
  const victim = run(flights)
  // One in four dies while it starts, the others at work.
  if (round % 4 !== 0) await victim.waitForOutput(/^http: /m, { deadlineMs: 60_000 })
  // Every other one later, when payments are on their way.
  await sleep(random() * (round % 2 === 0 ? 400 : 1_200))
  const hitsDatabase = !isGiven && round % 5 === 0
  if (hitsDatabase && round % 2 === 0) await killServer()
  expect(victim.isRunning(), `ended before it was killed\n${victim.output()}`).toBe(true)
  await victim.kill('SIGKILL')
  if (hitsDatabase && round % 2 !== 0) await killServer()
  return victim
}

function run(flights: number, more: readonly string[] = []): NodeProcess {
  const place = isGiven ? ['--database-url', databaseUrl()] : ['--data-dir', join(folder, 'data')]
  const job = ['--flights', String(flights), '--approval-timeout', '2s', ...more]
  return startNodeProcess({
    file: PROGRAM,
    args: ['example', ...job, '--port', '0', '--schema', schema, ...place],
  })
}

/** kill -9 of the postmaster, if there is one. */
async function killServer(): Promise<number> {
  const pid = await serverPid()
  if (await isServerOf(pid, join(folder, 'data', 'cluster'))) process.kill(pid, 'SIGKILL')
  return pid
}

async function serverPid(): Promise<number> {
  const text = await readFile(join(folder, 'data', 'cluster', 'postmaster.pid'), 'utf8').catch(() => '')
  return Number.parseInt(text, 10) || 0
}

async function withDatabase(work: (sql: postgres.Sql) => Promise<void>): Promise<void> {
  const server = isGiven ? undefined : await startEmbeddedPostgres({ dataDir: join(folder, 'data') })
  const sql = connect(server?.url ?? databaseUrl(), { max: 1 })
  try {
    await work(sql)
  } finally {
    await sql.end({ timeout: 5 })
    await server?.stop({ evenIfUsed: true })
  }
}

/** Flights without exactly one closed execution: of one run, with one `started` and one closing event, its last. */
function badExecutions(sql: postgres.Sql): Promise<readonly object[]> {
  const table = (name: string): postgres.Helper<string> => sql(`${schema}.${name}`)
  return sql<{ id: string }[]>`
    with flights as (
      select 'flight-' || lpad(n::text, 5, '0') as id from generate_series(1, ${FLIGHTS}::int4) as n
    ), histories as (
      select execution_id as id, count(*) as events, max(version) as last,
        sum(case when type = 'started' then 1 else 0 end) as starts,
        sum(case when type in ('completed', 'failed', 'canceled', 'terminated') then 1 else 0 end) as ends,
        max(case when type in ('completed', 'failed') then version else 0 end) as ended
      from ${table('events')} group by execution_id
    )
    select coalesce(f.id, e.execution_id) as id, e.status, e.run::int4 as run, h.starts::int4 as starts,
      h.ends::int4 as ends, h.events::int4 as events, h.last::int4 as last
    from flights as f
    full join ${table('executions')} as e on e.execution_id = f.id
    left join histories as h on h.id = e.execution_id
    where f.id is null or e.execution_id is null or e.status not in ('completed', 'failed') or e.run <> 1
      or e.closed_at is null or h.starts <> 1 or h.ends <> 1 or h.events <> h.last or h.ended <> h.last
    limit 20`
}

/** Executions whose payments are not what their outcome says: one that was paid has exactly one, all others none. */
function badPayments(sql: postgres.Sql): Promise<readonly object[]> {
  return sql<{ id: string }[]>`
    with payments as (
      select execution_id as id, count(*) as times, sum(amount_cents) as cents
      from ${sql(`${schema}_example.payments`)} group by execution_id
    ), claims as (
      select execution_id as id, amount_cents as cents, state from ${sql(`${schema}_example.reservations`)}
    )
    select coalesce(e.execution_id, p.id) as id, e.status, e.attributes, p.times::int4 as times, c.state
    from ${sql(`${schema}.executions`)} as e
    full join payments as p on p.id = e.execution_id
    left join claims as c on c.id = e.execution_id
    where e.execution_id is null
      or coalesce(p.times, 0) <> case when e.attributes ->> 'outcome' = 'paid' then 1 else 0 end
      or (p.times is not null and (e.status <> 'completed' or c.state <> 'spent' or p.cents <> c.cents))
      or (p.times is null and c.state is not null and (e.status <> 'failed' or c.state <> 'released'))
    limit 20`
}
