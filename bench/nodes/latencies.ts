// How long something lies until a node works on it, by the database's own instants.

import { performance } from 'node:perf_hooks'
import type { Client } from '../../src/database.js'
import { textArray } from '../../src/store/arrays.js'
import type { Place } from '../harness/place.js'
import type { Hive } from './fleet.js'

interface Where {
  readonly place: Place
  readonly schema: string
}

const DEADLINE_MS = 60_000
/** Between two starts: no two of them share a hint or a poll by plan. */
const PAUSE_MS = 20
const TICKING = { count: 20, steps: 1_000 }

/** From the start that is written by a process without a node to the first result of a node. */
export async function startLatencies({
  place: { sql },
  schema,
  client,
  count,
}: Where & { readonly client: Client; readonly count: number }): Promise<number[]> {
  const ids: string[] = []
  for (let n = 0; n < count; n++) {
    const handle = await client.start('ping')
    ids.push(handle.executionId)
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * (0.5 + Math.random())))
  }
  const deadline = performance.now() + DEADLINE_MS
  for (;;) {
    const rows = await sql<{ ms: number }[]>`
      select (extract(epoch from answered.at - started.at) * 1000)::float8 as ms
      from ${sql(`${schema}.events`)} as started join ${sql(`${schema}.events`)} as answered
        on answered.region = started.region and answered.partition = started.partition
        and answered.execution_id = started.execution_id and answered.version = 2
      where started.version = 1 and started.execution_id = any(${textArray(ids)}::text[])`
    if (rows.length === count) return rows.map(({ ms }) => ms)
    if (performance.now() > deadline) throw new Error(`${rows.length} of ${count} starts were answered`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** From the last step on a node that leaves to the next one elsewhere, for each execution that it was at. */
export async function handOvers({
  place: { sql },
  schema,
  client,
  leaver,
}: Where & { readonly client: Client; readonly leaver: Hive }): Promise<number[]> {
  const [nodeId = ''] = leaver.nodeIds
  const executions = sql(`${schema}.executions`)
  const events = sql(`${schema}.events`)
  await leaver.order({ tick: TICKING })
  const held = await sql<{ id: string }[]>`
    select e.execution_id as id from ${executions} as e
    where e.claimed_by = ${nodeId}::text and e.workflow = 'ticking'`
  const ids = held.map(({ id }) => id)
  if (ids.length === 0) throw new Error('the node that leaves is at nothing')
  await new Promise((resolve) => setTimeout(resolve, 500))
  await leaver.stop()
  const [left] = await sql<{ at: Date }[]>`select clock_timestamp() as at`
  const deadline = performance.now() + DEADLINE_MS
  for (;;) {
    // Steps are told apart by the process that their results name.
    const rows = await sql<{ ms: number }[]>`
      with steps as (
        select v.execution_id, v.at, v.payload,
          lag(v.payload) over (partition by v.execution_id order by v.version) as before_payload,
          lag(v.at) over (partition by v.execution_id order by v.version) as before_at
        from ${events} as v
        where v.execution_id = any(${textArray(ids)}::text[]) and v.type = 'step_completed'
      )
      select (extract(epoch from s.at - s.before_at) * 1000)::float8 as ms
      from steps as s where s.before_payload <> s.payload and s.before_at <= ${left?.at.toISOString() ?? ''}::timestamptz`
    if (rows.length >= ids.length) {
      await Promise.all(ids.map((id) => client.terminate(id, 'measured')))
      return rows.map(({ ms }) => ms)
    }
    if (performance.now() > deadline) throw new Error(`${rows.length} of ${ids.length} were handed over`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
