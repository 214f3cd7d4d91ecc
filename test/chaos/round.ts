// One round: nodes, load and the plan's faults at the same time; then everything is made whole, must come to an end by
// itself, and is judged.

import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import { createClient } from '../../src/client/open-client.js'
import type { Client } from '../../src/client/client.js'
import { migrate } from '../../src/store/migrate.js'
import { connect } from '../support/connect.js'
import type { OwnPostgres } from '../support/own-postgres.js'
import { beginBeat, endBeat, judgeBeat } from './beat.js'
import { judgeRound, keyOf } from './check.js'
import { Fleet } from './fleet.js'
import { Load } from './load.js'
import { Misfortune } from './misfortune.js'
import type { FaultKind, Plan } from './plan.js'
import { startWeather, type Weather } from './weather.js'

export interface RoundOptions {
  readonly plan: Plan
  /** Executions started in a second. */
  readonly rate: number
  readonly url: string
  /** Undefined: the server is somebody else's. */
  readonly server: OwnPostgres | undefined
  /** For what the nodes note. */
  readonly folder: string
}

export interface RoundReport {
  readonly schema: string
  readonly faults: ReadonlyMap<FaultKind, number>
  /** Statements that a fault on the wire met. */
  readonly wireFaults: number
  readonly executions: number
  readonly events: number
  readonly acknowledged: number
  readonly repeated: number
  readonly seconds: number
  /** From the end of the last fault until everything had ended. */
  readonly settledSeconds: number
  readonly findings: readonly string[]
}

const NODES_AT_FIRST = 3
/** From the last fault to the end of everything. */
const SETTLE_MS = 120_000

export async function runRound(options: RoundOptions): Promise<RoundReport> {
  const { plan, url, server, folder, rate } = options
  const startedMs = performance.now()
  const schema = `chaos_${plan.seed}_${randomBytes(3).toString('hex')}`
  await migrate({ url, schema })
  const sql = connect(url, { max: 3, connection: { search_path: schema } })
  await sql`create table effects (execution_id text not null, name text not null)`
  const wires = await Promise.all(
    Array.from({ length: plan.nodes + 1 }, (_, place) =>
      startWeather({ databaseUrl: url, seed: plan.seed, place }),
    ),
  )
  const fleet = new Fleet({ schema, folder, wires: wires.slice(0, plan.nodes) })
  // The client is the last of them: what it asks goes through the same weather.
  const client = await createClient({
    database: {
      url: wires[plan.nodes]?.url ?? '',
      schema,
      connections: 4,
      statementTimeoutMs: 2_000,
      retryForMs: 3_000,
    },
  })
  // Makes and reads what no fault may hinder.
  const calm = await createClient({ database: { url, schema, connections: 2 } })
  const load = new Load({ client, seed: plan.seed, rate, openMax: 150 })
  const misfortune = new Misfortune({ plan, fleet, wires, server, url, schema })
  try {
    await beginNodes(fleet, Math.min(NODES_AT_FIRST, plan.nodes))
    await beginBeat(calm)
    await underFire(plan, load, misfortune)
    const wholeMs = performance.now()
    await misfortune.makeWhole()
    await load.answered(SETTLE_MS)
    await endBeat(calm, SETTLE_MS)
    const late = await settle(sql, fleet)
    const settledMs = performance.now()
    await Promise.all(fleet.places.map((place) => fleet.stop(place)))
    const verdict = await judgeRound(sql, {
      meddled: new Set(load.subjects.filter((one) => one.isMeddledWith).map(({ id }) => id)),
      starts: load.starts,
      messages: load.messages,
      ledger: await readLedgers(folder, schema),
      isCalm: plan.actions.length === 0,
    })
    const beat = await judgeBeat(calm, sql)
    const { executions, events } = await count(sql)
    return {
      schema,
      faults: misfortune.done,
      wireFaults: wires.reduce((sum, wire) => sum + wire.faults, 0),
      executions,
      events,
      acknowledged: load.acknowledged,
      repeated: load.repeated,
      seconds: (performance.now() - startedMs) / 1_000,
      settledSeconds: (settledMs - wholeMs) / 1_000,
      findings: [...fleet.findings, ...misfortune.findings, ...load.findings, ...late, ...beat, ...verdict],
    }
  } finally {
    await fleet.killAll()
    await closeAll({ clients: [client, calm], wires, sql })
  }
}

async function beginNodes(fleet: Fleet, nodes: number): Promise<void> {
  for (let place = 0; place < nodes; place++) fleet.start(place)
  await Promise.all(fleet.places.map((place) => fleet.waitUntilReady(place)))
}

async function underFire(plan: Plan, load: Load, misfortune: Misfortune): Promise<void> {
  const over = new AbortController()
  const bringing = load.bring(over.signal)
  const striking = misfortune.strike()
  await Promise.all([sleep(plan.seconds * 1_000), striking])
  over.abort()
  await bringing
}

/** All have ended but those that wait for ever; the dead are buried. What does not come true in time is a finding. */
async function settle(sql: postgres.Sql, fleet: Fleet): Promise<string[]> {
  const untilMs = performance.now() + SETTLE_MS
  for (;;) {
    const open = await sql<{ execution_id: string; line: string }[]>`
      select execution_id, status || ' at version ' || version::text || ', held by '
        || coalesce(claimed_by, 'nobody') || case when ready_at is null then '' else ', ringing' end
        || coalesce(', ' || note, '') as line
      from executions where closed_at is null and (workflow <> 'patient' or status <> 'waiting')`
    const leases = await sql<{ node_id: string }[]>`select node_id from leases`
    if (open.length === 0 && leases.length === fleet.places.length) return []
    if (performance.now() > untilMs) {
      const held = open.map(({ execution_id: id, line }) => `${id}: has not ended: ${line}`)
      return leases.length === fleet.places.length
        ? held
        : [...held, `${leases.length} nodes hold leases, ${fleet.places.length} live`]
    }
    await sleep(200)
  }
}

async function readLedgers(folder: string, schema: string): Promise<Map<string, number>> {
  const ledger = new Map<string, number>()
  for (const file of await readdir(folder)) {
    if (!file.startsWith(`${schema}-`)) continue
    for (const line of (await readFile(join(folder, file), 'utf8')).split('\n')) {
      if (line === '') continue
      const [executionId, name]: unknown[] = Object(JSON.parse(line))
      const key = keyOf(String(executionId), String(name))
      ledger.set(key, (ledger.get(key) ?? 0) + 1)
    }
  }
  return ledger
}

async function count(sql: postgres.Sql): Promise<{ executions: number; events: number }> {
  const [row] = await sql<{ executions: number; events: number }[]>`
    select (select count(*) from executions)::int4 as executions, (select count(*) from events)::int4 as events`
  return row ?? { executions: 0, events: 0 }
}

async function closeAll({
  clients,
  wires,
  sql,
}: {
  readonly clients: readonly Client[]
  readonly wires: readonly Weather[]
  readonly sql: postgres.Sql
}): Promise<void> {
  await Promise.all(clients.map((client) => client.close().catch(() => undefined)))
  await Promise.all(wires.map((wire) => wire.close()))
  await sql.end({ timeout: 5 })
}
